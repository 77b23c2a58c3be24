// Package auditlog restores logs of audit devices that package holdfast/snapshot/source/auditlog
// dumped, checks such dumps, and finds out what was added to a log and what was taken out of it.
//
// One call of Target.Load reads the list of files (target.go), writes each of the chosen into a
// staging folder beside the target, unpacked and with its time, reads it back from disk and
// compares lines and digest (load_linux.go), and renames the folder into place (place_linux.go).
// Checker.Check counts every line again (checker.go). Diff compares two dumps line by line where
// their streams differ (differ.go, loose.go).
//
// What is guaranteed:
//
//   - The target is as it was after any error: it changes by one rename. Where the file system cannot
//     exchange two names there are two, and if the process dies between them, the next Load puts
//     back what was moved aside. Loading sweeps away what killed loads left.
//   - Nothing is written outside of the staging folder, whatever the dump says: a file has a plain name
//     and is made where nothing is.
//   - A restored file is readable for its owner alone: what a log names is not for everyone.
//   - Replace puts the restored folder into the place of the whole folder at Path; a part, chosen
//     by Only, never replaces anything.
//   - Diff finds every line of the earlier dump that the later one lacks, wherever it moved, and tells
//     those that rotation may have removed from those that it cannot have. It holds a million lines'
//     hashes at a time and reads more often when there are more.
package auditlog
