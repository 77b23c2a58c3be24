// Package raft restores snapshots of HashiCorp Vault and OpenBao that package
// holdfast/snapshot/source/raft dumped, checks them without a server, compares two of them, and rehearses
// restores in a scratch server.
//
// The path of one restore: restore.Run calls Target.Preflight, which asks the server for everything that
// stands in the way and names it at once (preflight.go, version.go). Target.Load reads the whole dump and
// compares every sum (prove.go), and with unseal shares decrypts every entry (open.go), before it
// sends a byte: the server cannot be asked to undo a restore. A second pass makes the archive out of the
// dump's streams, its members byte for byte as they were, while the server takes it (load.go,
// upload.go). Then (settle.go):
//
//	taken → sealed → sys/unseal on each configured node → leader → sys/generate-root → snapshot read back
//	      → every entry compared with the dump (compare.go, volatile.go) → root token revoked
//
// What is guaranteed, and what cannot be:
//
//   - Nothing changes at the server before it has the whole archive and found its sums right. A dump that
//     turns out damaged on the second pass, a connection that is cut and a client that is
//     killed leave it as it was: what it got is cut short, and it throws that away.
//   - A restore replaces everything at once, so there are no parts; and there is no way back. An error after
//     the server took the archive matches ErrReplaced.
//   - A cluster that has anything mounted is not overwritten without Replace; one of an older version never.
//   - With shares, success means that the server, unsealed by them, gave back every entry of the dump but for
//     those that it writes by itself. Without shares Loaded.Notes says that nobody looked.
//   - The unseal keys of the snapshot's cluster are those of the target from then on (Survey tells before).
//   - Memory is bounded, and plaintext of secrets is neither stored nor logged.
//
// A Rehearsal (rehearsal.go, rehearse_linux.go) does the same to a server of its own (scratch_linux.go): one
// process in a private folder, with a network of its own that reaches nothing (network_linux.go); where that
// cannot be had, a snapshot with engines that act by themselves is not rehearsed (ErrReaches). It gets
// no leases and no audit devices (withhold.go says why), and is destroyed whatever happens.
package raft
