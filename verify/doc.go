// Package verify checks stored snapshots.
//
// A Verifier takes one snapshot at a time and looks at everything that it needs. Level checksum
// compares every object with what was signed and needs no key; level content also opens the
// snapshot and reads every stream to its end through the kind's Checker, which recounts rows
// and proves the structure. What it saw becomes a signed Finding beside the snapshot.
//
//	cmd_verify.go → Verifier.Vault → Verifier.snapshot → checksum → content → restore.Discard
//
// A drill goes further: the kind's Rehearsal restores the snapshot into a place made for that, and what
// it found there is a Finding of level restore.
//
//	cmd_drill.go → Verifier.Drill → restore.Open → Rehearsal.Rehearse → Finding
//
// What it guarantees: a snapshot is good only if nothing at all was wrong; every complaint
// names one object; damage is told apart from a store that does not answer, which is an
// error and no finding; memory does not grow with what is checked.
package verify
