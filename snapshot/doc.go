// Package snapshot is the vocabulary of Holdfast and the way into a repository.
//
// A vault is read by a Source, which writes streams into a Dump. Taker.Take turns one dump into one
// snapshot: it takes the vault's lease, learns from the indexes which chunks are stored
// already, hands the streams to pack.Writer, and commits by putting a signed Manifest. A source
// that can tell a stream unchanged has it carried over from the snapshot before (carry.go).
//
//	cmd_snapshot.go → Taker.Take → Source.Dump → dumpStream.Write → pack.Writer → Store.Put
//	               → run.commit: indexes, pack list, contents, recheck, lease, manifest
//
// The way back begins here too: Catalog lists manifests, ReadEpoch and Epoch.Unlock get the key
// that opens a snapshot, ReadContents says where its chunks are; package restore goes on.
//
// What it guarantees:
//   - A snapshot exists whole or not at all: everything it needs is stored and checked before
//     its manifest is put, and nothing else makes it appear in a listing.
//   - Who takes snapshots cannot read what is in them: a Taker has recipients and no identity but
//     the host's own, which opens lists of what that host stored and no pack.
//   - Every document read from a repository is signed by a trusted signer or vouched for by
//     one that is, and bounded in size before it is read.
//   - Two runs never write one vault at the same time; a run that lost its lease commits nothing.
//
// Files: store.go, source.go (contracts); id.go, layout.go (names); note.go, hostkey.go
// (signatures); repository.go, epoch.go, manifest.go, packlist.go, contents.go, chunklist.go, index.go,
// finding.go (documents; their bytes are described in FORMAT.md); lease.go, holder.go;
// take.go, openepoch.go, dumping.go, carry.go, known.go, commit.go (the way in); catalog.go, cache.go.
package snapshot
