package pack

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The vectors are part of format 1. If this fails, the code is wrong and not the file: with
// another rule every vault would be stored afresh.
func TestFormat1IsFrozen(t *testing.T) {
	type vector struct {
		Chunking Chunking
		Seed     uint64 // of noise
		Bytes    int
		Cuts     []int
		FirstID  string
	}
	var want []vector
	raw, err := os.ReadFile("testdata/format1.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	var key Key
	for i := range key {
		key[i] = byte(i)
	}
	for _, v := range want {
		got := v
		data := noise(v.Seed, v.Bytes)
		got.Cuts = cuts(t, key, v.Chunking, data)
		names, err := newIDs(key)
		if err != nil {
			t.Fatal(err)
		}
		got.FirstID = hexID(names.of(data[:got.Cuts[0]]))
		if d := cmp.Diff(v, got); d != "" {
			js, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			t.Errorf("cuts differ (-frozen +got):\n%s\n%s", d, js)
		}
	}
	if len(want) < 3 {
		t.Errorf("%d vectors, want at least 3", len(want))
	}
}

func TestCutsFollowTheWrittenRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := Key(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		c := Chunking{Min: rapid.IntRange(1024, 4095).Draw(t, "min"), Avg: 4096, Max: rapid.IntRange(4097, 20000).Draw(t, "max")}
		data := noise(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, 200_000).Draw(t, "bytes"))
		if d := cmp.Diff(slowCuts(t, key, c, data), cuts(t, key, c, data)); d != "" {
			t.Fatalf("cuts differ (-rule +got):\n%s", d)
		}
	})
}

func TestInsertChangesOnlyNearbyChunks(t *testing.T) {
	data := noise(3, 1<<19)
	old := chunksOf(t, data)
	r := rand.New(rand.NewPCG(1, 1))
	for _, tt := range []struct {
		edit int
		mean float64 // new chunks for each edit
	}{{1, 1.3}, {100, 1.6}, {2000, 4}} {
		const edits = 60
		fresh := 0
		for range edits {
			at := r.IntN(len(data) - 2000)
			for c := range chunksOf(t, slices.Concat(data[:at], noise(r.Uint64(), tt.edit), data[at:])) {
				if !old[c] {
					fresh++
				}
			}
		}
		if mean := float64(fresh) / edits; mean > tt.mean {
			t.Errorf("inserting %d bytes makes %.2f new chunks on average, want at most %.2f", tt.edit, mean, tt.mean)
		}
	}
}

func TestCutsMeetAgainAfterAnyEdit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := noise(rapid.Uint64().Draw(t, "seed"), 1<<20)
		at := rapid.IntRange(0, len(data)).Draw(t, "at")
		gone := rapid.IntRange(0, min(2000, len(data)-at)).Draw(t, "removed")
		edit := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "inserted")
		old := chunksOf(t, data)
		fresh := 0
		for c := range chunksOf(t, slices.Concat(data[:at], edit, data[at+gone:])) {
			if !old[c] {
				fresh++
			}
		}
		// Three on average for the largest edits; each further one is a bit more than half as
		// likely. Cuts that never meet again would make more than a hundred.
		if fresh > 50 {
			t.Fatalf("%d chunks are new after one edit", fresh)
		}
	})
}

func TestChunksHaveTheLengthsThatWereAskedFor(t *testing.T) {
	data := noise(9, 24<<20)
	c := DefaultChunking
	var lengths []int
	begin := 0
	for _, end := range cuts(t, testKey, c, data) {
		lengths = append(lengths, end-begin)
		begin = end
	}
	mean := len(data) / len(lengths)
	lengths = lengths[:len(lengths)-1]
	if lo, hi := slices.Min(lengths), slices.Max(lengths); lo <= c.Min || hi > c.Max {
		t.Errorf("lengths from %d to %d, want %d to %d", lo, hi, c.Min+1, c.Max)
	}
	if mean < c.Avg || mean > c.Avg*5/4 {
		t.Errorf("mean length %d, want about %d", mean, c.Avg)
	}
	t.Logf("mean %d, longest %d of %d", mean, slices.Max(lengths), len(lengths))
}

func TestAnotherKeyCutsElsewhere(t *testing.T) {
	data := noise(1, 1<<20)
	a, b := cuts(t, Key{1}, testChunking, data), cuts(t, Key{2}, testChunking, data)
	same := 0
	for _, end := range a[:len(a)-1] {
		if slices.Contains(b, end) {
			same++
		}
	}
	if same > 3 {
		t.Errorf("%d of %d cuts are the same under two keys", same, len(a))
	}
}

func TestChunkingGrowsWithTheVault(t *testing.T) {
	for _, tt := range []struct {
		size int64
		avg  int
	}{
		{0, 64 << 10}, {4 << 30, 64 << 10}, {4<<30 + 1, 256 << 10}, {64 << 30, 256 << 10},
		{64<<30 + 1, 1 << 20}, {1 << 50, 1 << 20}, {math.MaxInt64, 1 << 20}, {-1, 64 << 10},
	} {
		c := ChunkingFor(tt.size)
		if err := c.Check(); err != nil {
			t.Errorf("ChunkingFor(%d): %v", tt.size, err)
		}
		if c.Avg != tt.avg || c.Min != tt.avg/4 || c.Max != tt.avg*4 {
			t.Errorf("ChunkingFor(%d) = %v, want about %d", tt.size, c, tt.avg)
		}
	}
}

func TestHostileChunkingIsRefused(t *testing.T) {
	for _, c := range []Chunking{
		{}, {-1, -1, -1}, {1, 4096, 16384}, {1024, 4095, 16384}, {1024, 4097, 16384}, {1024, 2048, 16384},
		{4096, 4096, 16384}, {1024, 4096, 4096}, {1024, 4096, MaxChunk + 1}, {1024, math.MinInt, 16384},
		{math.MaxInt, math.MaxInt, math.MaxInt},
	} {
		if c.Check() == nil {
			t.Errorf("%v is accepted", c)
		}
	}
}

func cuts(t tb, key Key, c Chunking, data []byte) (ends []int) {
	t.Helper()
	k, err := newCutter(key, c)
	if err != nil {
		t.Fatal(err)
	}
	for end := 0; end < len(data); {
		n, _ := k.cut(data[end:])
		end += n
		ends = append(ends, end)
	}
	return ends
}

// slowCuts is the rule as the comment of cutter has it.
func slowCuts(t tb, key Key, c Chunking, data []byte) (ends []int) {
	g, err := newGear(key)
	if err != nil {
		t.Fatal(err)
	}
	begin, hash := 0, uint64(0)
	for i, b := range data {
		n := i + 1 - begin
		cut := n == c.Max
		if n > c.Min {
			hash = 2*hash + g[b]
			if n <= c.Avg {
				cut = cut || hash < math.MaxUint64/(4*uint64(c.Avg))+1
			} else {
				cut = cut || hash < math.MaxUint64/(uint64(c.Avg)/4)+1
			}
		}
		if cut {
			ends = append(ends, i+1)
			begin, hash = i+1, 0
		}
	}
	if begin < len(data) {
		ends = append(ends, len(data))
	}
	return ends
}

func chunksOf(t tb, data []byte) map[string]bool {
	out := make(map[string]bool)
	begin := 0
	for _, end := range cuts(t, testKey, testChunking, data) {
		out[string(data[begin:end])] = true
		begin = end
	}
	return out
}
