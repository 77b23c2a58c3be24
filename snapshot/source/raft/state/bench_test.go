package state_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"holdfast/snapshot/source/raft/state"
	"holdfast/snapshot/source/raft/state/statetest"
)

// BenchmarkCensus reads and counts as many entries of KV v2 as make 64 MiB, of the lengths that a server
// with small secrets has.
func BenchmarkCensus(b *testing.B) {
	var file []byte
	for i := 0; len(file) < 64<<20; i++ {
		part := "metadata"
		if i%2 == 1 {
			part = "versions/0ab"
		}
		key := fmt.Sprintf("logical/%s/%s/%s/%050d", uuid(i/100_000), inner, part, i)
		file = statetest.Append(file, state.Entry{Key: key, Value: make([]byte, 150+i%100)})
	}
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		var c state.Counter
		r := state.NewReader(bytes.NewReader(file))
		for {
			e, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			c.Add(e)
		}
		if c.Census().Entries == 0 {
			b.Fatal("nothing was counted")
		}
	}
}
