// Package kv restores KV secrets that package holdfast/snapshot/source/kv dumped, one or all, through the
// API of a running server, and checks and compares such dumps.
//
// One call of Target.Load reads what it will write twice: first to prove it whole and well formed
// (selection.go, checker.go), then to write it. In between it has found a mount for every secret (route.go).
// Each secret is replayed version by version, each with check-and-set, so that the numbers come out as they were and
// nobody else's write is lost (replay.go), and then read back and compared (compare.go). What was
// written is noted before (undo.go).
//
// What is guaranteed:
//
//   - After an error everything written is taken back: secrets that were made are removed with their metadata,
//     those that were replaced are put back from a copy in memory. What could not be taken back, since
//     the server could not be reached even then, is counted in the error. The copies are
//     compressed and hold at most 128 MiB; a load that needs more is refused and taken back.
//   - What others write to a secret after it was restored goes with it if it is taken back. A secret that is
//     replaced is away for a moment, between its removal and the first write; one that is there exactly as
//     the snapshot has it is left alone.
//   - A kill in the middle is not undone: a KV engine has no transactions. A second load with Replace goes over it.
//   - Versions keep their numbers, data, and state. A deleted version whose data the snapshot does not have is
//     an empty one, deleted; a destroyed one is destroyed; numbers that were pruned before the oldest version are
//     written empty and pruned again, or destroyed if the mount keeps more. A version that was to
//     expire expires at that time, to the second; one whose time has come is restored and deleted.
//   - Times of creation, and who wrote a version, are the server's to set: they are those of the restore. A
//     copy that is put back has lost, besides, the data of versions that were deleted, which the server hides.
//   - Documents (policies, auth methods, mounts) are for people and are not loaded.
//   - Values appear in no error, note or change.
package kv
