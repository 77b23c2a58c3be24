// Package pack turns streams of plaintext into encrypted packs and back. It is a leaf: it
// knows age, zstd and hashes, and neither snapshots nor stores.
//
// The way in. Stream.Write fills a segment of about 1 MiB and cuts it by content with
// FastCDC under a keyed gear table (chunker.go, gear.go). A worker takes the segment, names
// each chunk by HMAC-SHA-256 (id.go) and asks whether this run or an earlier one stored it
// (index.go, table.go). A new chunk becomes one zstd frame (worker.go) and is appended to one
// of two open packs, chosen at random (packing.go). Each pack is one age file, encrypted as it
// fills; a full one is padded (padding.go), closed, hashed and handed to Put while others
// fill. Stream.Close returns the chunks' Refs, Writer.Close the pack table they point into.
// Writer.Carry returns Refs too, of chunks that are stored already (carry.go).
//
// The way out. Reader.Open plans from the list of Refs which packs are needed and when, and
// keeps a window of decrypted packs (window.go). A pack is fetched whole, compared with its
// row of the table, decrypted, and only then used. Chunks are decompressed in parallel and
// read in order (open.go). Reader.OpenRange instead fetches only the age blocks it needs and
// checks each chunk against its ID (ranges.go). Small documents go in and out whole
// (document.go).
//
// What it guarantees:
//
//   - A Writer's Close returns nil only if every Put did, so every Ref points at stored bytes.
//   - The first error stops the whole Writer and is what every later call returns.
//   - A Reader's bytes are those that were written, or the read ends in an error; one that
//     matches ErrDamaged names the pack. EOF of Open is not yet the verdict about order and
//     completeness: the caller compares the stream's digest.
//   - Memory does not depend on the size of a stream, but for 48 bytes a chunk in its Refs and
//     about 80 a chunk to recognise repeats. Nothing is written to disk.
//   - Sizes from a repository are bounded before they are used.
//
// What a stranger needs to read a pack: age, then zstd. A decrypted pack is a run of zstd
// frames that ends in a skippable one.
package pack
