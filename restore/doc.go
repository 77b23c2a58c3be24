// Package restore is the way out of a repository.
//
// Open reads one snapshot: its epoch is unlocked with the operator's identities, its private
// contents are decrypted, and what comes back is a Dump, whose streams can be read whole or in
// part. Run hands a Dump to a Target, which loads it into one place, all or nothing. A dry
// run is the same path with another Target: Discard reads and checks everything and has
// nowhere to write, and a target that rehearses does the whole load and keeps nothing.
//
//	cmd_restore.go → Open → Run → Target.Preflight → Target.Load → Dump.Open → pack.Reader
//
// A Rehearsal is more than a dry run: it makes a place of its own, restores into that, looks at what came
// back as its users would, and destroys it. A drill runs one and times its phases (verify/drill.go).
//
// What it guarantees: a target commits only what was read to io.EOF, and io.EOF is only given
// for the bytes that were dumped; every pack is compared with its signed hash before a byte of
// it is used; memory does not grow with the dump.
package restore
