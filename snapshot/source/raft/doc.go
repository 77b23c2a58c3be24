// Package raft reads the integrated storage of HashiCorp Vault and OpenBao: Source dumps the archive that
// the active node makes of all its storage at one instant.
//
// # The path of one dump
//
//	Source.Dump → vaultapi.Server.Login (the active node, a token) → run.ask (mounts, the snapshot before)
//	  → run.download → archive.Read → run.meta, run.state (state.Counter on the way), run.small
//	  → run.seal → warnings (compare.go) → Session.Close (the token is revoked)
//
// The archive's gzip and tar are undone, and its four members are a stream each: meta.json,
// state.bin, SHA256SUMS and SHA256SUMS.sealed. Entries of state.bin come in the order of their keys and an
// unchanged one has the same bytes as before, so that the next snapshot stores what changed and little more.
// The streams can be put back into a container with tar and gzip, or by archive.Write, and the server takes it.
//
// # What it guarantees
//
//   - Dump returns nil only if all four members came, with the digests that SHA256SUMS has, the archive was read to
//     its very end, state.bin is as long as meta.json says and its entries could be counted to the last. No stream
//     is sealed before.
//   - The node that sent it called itself active, and said over which address. A standby, a sealed node,
//     a node without Raft and a token that expired are errors that say so.
//   - A download that fails before state.bin begins is tried again, on the node that is active then. Later, a
//     failure is the end of the dump: what went out cannot be taken back. Run it again.
//   - Memory is constant. Nothing is written to a disk here.
//   - A token that was made for the dump is revoked whatever became of it.
//
// # What it asks of the server
//
// A token, AppRole or Kubernetes role with Policy, which needs nothing else. The second half of it is for
// names and good manners; without it a dump succeeds, with warnings.
package raft
