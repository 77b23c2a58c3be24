package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"holdfast/snapshot/source/raft/state"
	"holdfast/snapshot/source/raft/state/statetest"
)

func TestEntriesComeOutAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entry := rapid.Custom(func(t *rapid.T) state.Entry {
			return state.Entry{
				Key:      rapid.StringN(1, 40, -1).Draw(t, "key"),
				Value:    rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "value"),
				SealWrap: rapid.Bool().Draw(t, "wrap"),
			}
		})
		want := rapid.SliceOf(entry).Draw(t, "entries")
		var file []byte
		for _, e := range want {
			file = statetest.Append(file, e)
		}
		got, err := all(iotest.HalfReader(bytes.NewReader(file)))
		if err != nil {
			t.Fatal(err)
		}
		if len(want) != len(got) {
			t.Fatalf("%d entries of %d", len(got), len(want))
		}
		for i := range want {
			if want[i].Key != got[i].Key || !bytes.Equal(want[i].Value, got[i].Value) || want[i].SealWrap != got[i].SealWrap {
				t.Fatalf("entry %d is %v, want %v", i, got[i], want[i])
			}
		}
	})
}

func TestEntriesLongerThanTheBufferAreWhole(t *testing.T) {
	var file []byte
	var want []state.Entry
	for i, size := range []int{3, 256<<10 - 20, 256 << 10, 1<<20 + 7, 9 << 20, 1, 5 << 20} {
		e := state.Entry{Key: fmt.Sprintf("logical/%d", i), Value: bytes.Repeat([]byte{byte(i + 1)}, size)}
		want = append(want, e)
		file = statetest.Append(file, e)
	}
	got, err := all(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d entries of %d", len(got), len(want))
	}
	for i := range want { // cmp.Diff takes a minute for values of megabytes
		if got[i].Key != want[i].Key || !bytes.Equal(got[i].Value, want[i].Value) {
			t.Errorf("entry %d of %d bytes differs", i, len(want[i].Value))
		}
	}
}

func TestAFileCutAnywhereInAnEntryIsMalformed(t *testing.T) {
	var file []byte
	boundaries := map[int]int{0: 0}
	for i := range 5 {
		file = statetest.Append(file, state.Entry{Key: fmt.Sprintf("sys/%d", i), Value: bytes.Repeat([]byte{7}, 60*i), SealWrap: i%2 == 0})
		boundaries[len(file)] = i + 1
	}
	for n := range len(file) + 1 {
		got, err := all(bytes.NewReader(file[:n]))
		if entries, ok := boundaries[n]; ok {
			if err != nil || len(got) != entries {
				t.Fatalf("cut between entries at %d: %d entries, %v", n, len(got), err)
			}
			continue
		}
		if !errors.Is(err, state.ErrMalformed) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d of %d: got %v", n, len(file), err)
		}
	}
}

func TestBytesThatAreNoEntryAreMalformed(t *testing.T) {
	tag := func(field protowire.Number, kind protowire.Type) []byte { return protowire.AppendTag(nil, field, kind) }
	for _, c := range []struct {
		name    string
		message []byte
	}{
		{"no key", protowire.AppendBytes(tag(2, protowire.BytesType), []byte("value"))},
		{"an empty key", protowire.AppendString(tag(1, protowire.BytesType), "")},
		{"a key that is a number", protowire.AppendVarint(tag(1, protowire.VarintType), 5)},
		{"a key longer than its message", append(tag(1, protowire.BytesType), 100, 'k')},
		{"field zero", []byte{0x00, 0x01}},
		{"a group that does not end", append(protowire.AppendString(tag(1, protowire.BytesType), "k"), tag(9, protowire.StartGroupType)...)},
		{"a varint without an end", bytes.Repeat([]byte{0xff}, 12)},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := protowire.AppendBytes(statetest.Append(nil, state.Entry{Key: "core/first"}), c.message)
			got, err := all(bytes.NewReader(file))
			if !errors.Is(err, state.ErrMalformed) || len(got) != 1 {
				t.Fatalf("%d entries, %v", len(got), err)
			}
			if !strings.Contains(err.Error(), "entry 2") {
				t.Errorf("%q does not say which entry", err)
			}
		})
	}
	for name, file := range map[string][]byte{
		"zeros":                    make([]byte, 100),
		"a length without an end":  bytes.Repeat([]byte{0xff}, 20),
		"a length over the limit":  protowire.AppendVarint(nil, state.MaxEntry+1),
		"a length of many exabyte": protowire.AppendVarint(nil, 1<<63),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := all(bytes.NewReader(file)); !errors.Is(err, state.ErrMalformed) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestFieldsOfLaterServersArePassedOver(t *testing.T) {
	m := protowire.AppendVarint(protowire.AppendTag(nil, 15, protowire.VarintType), 1<<40)
	m = protowire.AppendString(protowire.AppendTag(m, 1, protowire.BytesType), "core/lock")
	m = protowire.AppendFixed64(protowire.AppendTag(m, 7, protowire.Fixed64Type), 3)
	m = protowire.AppendBytes(protowire.AppendTag(m, 2, protowire.BytesType), []byte("v"))
	m = protowire.AppendBytes(protowire.AppendTag(m, 99, protowire.BytesType), []byte("new"))
	got, err := all(bytes.NewReader(protowire.AppendBytes(nil, m)))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]state.Entry{{Key: "core/lock", Value: []byte("v")}}, got); d != "" {
		t.Fatal(d)
	}
}

func TestWhatTheReaderFailsWithComesOut(t *testing.T) {
	broken := errors.New("broken pipe")
	file := statetest.Append(nil, state.Entry{Key: "core/lock", Value: make([]byte, 100)})
	for n := range len(file) {
		r := io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(broken))
		if _, err := all(r); !errors.Is(err, broken) || errors.Is(err, state.ErrMalformed) {
			t.Fatalf("failing at byte %d: got %v", n, err)
		}
	}
}

func TestAnErrorStays(t *testing.T) {
	r := state.NewReader(strings.NewReader("\x05abc"))
	_, first := r.Next()
	if _, second := r.Next(); first == nil || !errors.Is(second, first) {
		t.Fatalf("first %v, then %v", first, second)
	}
}

// A length says what is to come and is not believed: only bytes that come take memory.
func TestALengthTakesNoMemory(t *testing.T) {
	file := append(protowire.AppendVarint(nil, state.MaxEntry), make([]byte, 300<<10)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := all(bytes.NewReader(file)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("got %v", err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
		t.Fatalf("%d bytes for a file of %d", took, len(file))
	}
}

func FuzzReader(f *testing.F) {
	var file []byte
	for i := range 3 {
		file = statetest.Append(file, state.Entry{Key: fmt.Sprintf("logical/%d", i), Value: bytes.Repeat([]byte{byte(i)}, i*50), SealWrap: true})
		f.Add(file)
	}
	f.Add(file[:len(file)-1])
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, file []byte) {
		entries, err := all(iotest.OneByteReader(bytes.NewReader(file)))
		if err != nil && !errors.Is(err, state.ErrMalformed) {
			t.Fatalf("an error of its own: %v", err)
		}
		var again []byte
		var c state.Counter
		for _, e := range entries {
			again = statetest.Append(again, e)
			c.Add(e)
		}
		if n := c.Census().Entries; n != int64(len(entries)) {
			t.Fatalf("%d entries counted of %d", n, len(entries))
		}
		got, err := all(bytes.NewReader(again))
		if err != nil || len(got) != len(entries) {
			t.Fatalf("written again: %d entries of %d, %v", len(got), len(entries), err)
		}
	})
}

// all reads every entry up to the first error.
func all(r io.Reader) ([]state.Entry, error) {
	var list []state.Entry
	from := state.NewReader(r)
	for {
		e, err := from.Next()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		e.Value = bytes.Clone(e.Value)
		list = append(list, e)
	}
}
