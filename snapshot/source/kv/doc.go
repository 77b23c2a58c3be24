// Package kv dumps the secrets of HashiCorp Vault's and OpenBao's KV engines through their API,
// and reads such dumps back.
//
// Each chosen mount gives two streams: secrets/MOUNT.jsonl, a line of JSON for each secret with all
// of its versions, its metadata and its settings, in the order of the paths; and
// secrets/MOUNT.index, which has each path and the length of its line, so that one secret is found by
// reading the index and one range (format.go, secret.go, index.go). Beside them lie documents
// for people: documents/mounts.json, documents/auth.json and documents/policies/NAME.hcl (documents.go).
// Nothing in a stream changes by itself: an unchanged mount dumps to the same bytes.
//
// One call of Source.Dump logs in, finds the mounts (mounts.go), and walks each of them (walk.go): folders
// are listed ahead and secrets read in parallel (read.go), and written in order. A Reader reads single
// secrets, as the target does to see what is there.
//
// What is guaranteed:
//
//   - Each secret is as it was at one instant. The secrets together are not: a KV engine has no
//     snapshot, so a dump made while others write shows each secret as it was when its turn came,
//     between the beginning (AsOf) and the end. Who needs one instant takes a raft snapshot.
//   - Nothing is left out silently: what may not be listed or read is an error unless a pattern
//     excludes it; a name that vanishes while the walk goes on is looked for again. A mount that the
//     snapshot before had and that is gone, or has less than half of its secrets, is a warning (compare.go).
//   - Data is kept as the server wrote it, byte for byte; no number passes through a float here. (A
//     server that itself reads KV v2 numbers as floats hands out what it makes of them.)
//   - Of a deleted version, whose data the server hides, its state is kept; so of a destroyed one.
//   - Memory is bounded by the names of the folders on the way to the current one and of a few beside it,
//     and by four secrets for each worker. A secret of which the line would be longer than MaxLine is refused.
package kv
