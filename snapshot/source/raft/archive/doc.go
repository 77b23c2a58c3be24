// Package archive reads and writes the container of a raft snapshot: the .snap file that
// Vault and OpenBao hand out and take back.
//
//	Read → unzip (one gzip member) → tar → the four members in order → member(name, size, bytes)
//	     → the digests of meta.json and state.bin against SHA256SUMS → nothing after the end
//	Write → the four members again, byte by byte, in a container of its own
//
// # The format
//
// A gzip of a tar of four regular files, in this order: meta.json (the Raft index, term and configuration, and
// the length of state.bin), state.bin (the storage), SHA256SUMS (a line "HEX  NAME" for each of
// the first two, in any order) and SHA256SUMS.sealed (that text encrypted by the server's seal, by which a
// server knows its own snapshots). There is no length in front and no signature.
//
// # What it guarantees
//
//   - Read returns nil only if all four members were there, in order and once each, with the digests that SHA256SUMS
//     has, the gzip's own checksum was right, and nothing followed it but padding of the tar. Until then what member
//     was given counts for nothing. What is wrong matches ErrArchive; an error of the
//     reader or of member comes out as it is.
//   - Memory is constant, whatever the sizes; the three small members are at most MaxSmall.
//   - Write makes the same bytes of the same members every time, and fails if a member has another size
//     than it was said to have.
package archive
