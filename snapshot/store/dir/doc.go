// Package dir keeps the objects of a repository as files under one folder: file:///path.
//
// The path of one Put: the body is written to a temporary file in the folder's own
// .holdfast, synced, linked to its final name, which fails if that name exists, and the
// folder of that name is synced. So an object appears whole or not at all, and never
// replaces another, whoever else writes and whenever the power fails.
//
// A Swap holds an advisory lock on .holdfast/lock, which the kernel releases when a
// process dies, compares versions, and renames a synced file into place. A version is the
// file's modification time and a hash of its body; the time is pushed on where the file
// system is too coarse to tell two versions apart.
//
// The store's clock is the file system's: on a network folder, that of its server. Files
// are 0600 and folders 0700. Nothing outside the folder is read or written, whatever
// links lie in it. A key that is a folder of other keys cannot be an object here, as it can
// in a bucket; the repository format has no such keys.
package dir
