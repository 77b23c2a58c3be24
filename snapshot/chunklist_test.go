package snapshot

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"holdfast/snapshot/pack"
)

func TestChunkListsReadBackByEitherWay(t *testing.T) {
	number := rapid.OneOf(rapid.Uint32(), rapid.SampledFrom([]uint32{0, 1, 9, 10, math.MaxUint32}))
	rapid.Check(t, func(t *rapid.T) {
		want := make(chunkList, rapid.IntRange(0, 5).Draw(t, "chunks"))
		for i := range want {
			want[i] = pack.Ref{Pack: number.Draw(t, "pack"), Offset: number.Draw(t, "offset"),
				Length: number.Draw(t, "length"), Plain: number.Draw(t, "plain")}
			copy(want[i].ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var slow chunkList
		if err := slow.decode(text); err != nil || !slices.Equal(want, slow) {
			t.Errorf("%s decodes as %v, %v", text, slow, err)
		}
		if fast, ok := scanChunks(text); !ok || !slices.Equal(want, fast) {
			t.Errorf("%s scans as %v, %v", text, fast, ok)
		}
	})
}

func TestChunkListsThatAreNotOursAreDecodedOrRefused(t *testing.T) {
	const id = `"AQIDBAUGBwgJCgsMDQ4PEA=="`
	for text, want := range map[string]int{ // chunks; -1: refused
		` [ [0, 1, 2, 3, ` + id + `] ] `:         1,
		"[\n[0,1,2,3," + id + "]\n]":             1,
		`[[0,1,2,3,` + id + `],[0,1,2,3,""]]`:    -1,
		`[[0,1,2,3]]`:                            -1,
		`[[0,1,2,4294967296,` + id + `]]`:        -1,
		`[[0,1,2,-1,` + id + `]]`:                -1,
		`[[0,1,2,1.5,` + id + `]]`:               -1,
		`[[0,1,2,3,` + id + `,5]]`:               -1,
		`[[0,1,2,3,"AQIDBAUGBwgJCgsMDQ4PEBE="]]`: -1,
		`[0,1,2,3,` + id + `]`:                   -1,
		`{"a":1}`:                                -1,
	} {
		var got chunkList
		err := json.Unmarshal([]byte(text), &got)
		if (err == nil) != (want >= 0) || err == nil && len(got) != want {
			t.Errorf("%s: %d chunks, %v", text, len(got), err)
		}
	}
}

// What the scanner takes, the decoder takes too and reads alike.
func FuzzScannedChunks(f *testing.F) {
	f.Add([]byte(`[]`))
	f.Add([]byte(`[[0,1,2,3,"AQIDBAUGBwgJCgsMDQ4PEA=="],[10,4294967295,2,3,"AQIDBAUGBwgJCgsMDQ4PEA=="]]`))
	f.Add([]byte(`[[00,1,2,3,"AQIDBAUGBwgJCgsMDQ4PEA=="],]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		fast, ok := scanChunks(b)
		if !ok {
			return
		}
		var slow chunkList
		if err := json.Unmarshal(b, (*decoded)(&slow)); err != nil || !slices.Equal(fast, slow) {
			t.Errorf("%q scans as %v and decodes as %v, %v", b, fast, slow, err)
		}
	})
}

// decoded is a chunkList that is never scanned.
type decoded chunkList

func (d *decoded) UnmarshalJSON(b []byte) error { return (*chunkList)(d).decode(b) }

func FuzzChunkList(f *testing.F) {
	f.Add([]byte(`[[1,2,3,4,"AAAAAAAAAAAAAAAAAAAAAA=="],[0,0,0,0,"AAAAAAAAAAAAAAAAAAAAAA=="]]`))
	f.Add([]byte(`[[1,2,3,4]]`))
	f.Add([]byte(`[[-1,2,3,4,""],null]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var l chunkList
		if json.Unmarshal(b, &l) != nil {
			return
		}
		again, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		var m chunkList
		if err := json.Unmarshal(again, &m); err != nil || len(l) != len(m) || len(l) > 0 && !slices.Equal(l, m) {
			t.Errorf("%s reads as %v, which reads as %v, %v", b, l, m, err)
		}
	})
}

func BenchmarkContents(b *testing.B) {
	l := make(chunkList, 16<<10) // a vault of 1 GiB
	for i := range l {
		l[i] = pack.Ref{Pack: uint32(i / 100), Offset: uint32(i * 4000 % 8e6), Length: 40000, Plain: 65536, ID: pack.ID{byte(i), byte(i >> 8)}}
	}
	text, err := json.Marshal(l)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(1 << 30)
	b.ReportAllocs()
	for b.Loop() {
		var m chunkList
		if err := json.Unmarshal(text, &m); err != nil {
			b.Fatal(err)
		}
	}
}
