// Package files restores trees that package holdfast/snapshot/source/files dumped, whole or in
// part, and checks such dumps without restoring them.
//
// One call of Target.Load sweeps away what a killed restore to the same place left
// (sweep_linux.go; a rehearsal only says so), makes a staging folder beside the target (staging_linux.go), and makes entry after entry in it as
// the two streams, read side by side, bring them (members.go, build_linux.go). A part is
// chosen by the index alone (selection.go) and read by ranges. Each entry gets its attributes
// and is then read back from disk and compared: its data by the digest of the index, all else by
// what the file system says (attributes_linux.go, prove_linux.go). At the end the file system
// is synced and the tree renamed into place (commit_linux.go).
//
// What is guaranteed:
//
//   - The target is as it was after any error, and after a kill at any moment: it changes by one
//     rename. Where the file system cannot exchange two names there are two, and if the
//     process dies between them the next Load puts back what was moved aside.
//   - Nothing is written outside of the staging folder, whatever the archive says: an entry is
//     made by its last name in a directory made before, never through a path or a symlink, and
//     never over something that exists.
//   - Other users cannot look into a staging folder. It can hold, besides the new tree, the one
//     that was replaced; both go with it.
//   - What cannot be restored as it was is in Loaded.Notes: owners without the privilege (a
//     file then loses setuid and setgid), attributes that the file system refuses.
//   - An empty folder at the target is replaced, its mode and owner with it, by the dumped root.
//   - A part never takes the place of a whole: Only and Replace exclude each other.
//   - Memory is bounded but for files with several names, as in the source.
package files
