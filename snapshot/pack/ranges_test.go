package pack

import (
	"bytes"
	"context"
	"io"
	"testing"

	"pgregory.net/rapid"
)

func TestRangesAreTheBytesOfTheStream(t *testing.T) {
	shelf, s, packs, data := stored(t)
	r := shelf.reader(t, packs)
	rapid.Check(t, func(t *rapid.T) {
		offset := rapid.IntRange(0, len(data)).Draw(t, "offset")
		length := rapid.IntRange(0, len(data)-offset).Draw(t, "length")
		in := r.OpenRange(context.Background(), s.Chunks, int64(offset), int64(length))
		defer in.Close()
		got, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, data[offset:offset+length]) {
			t.Fatalf("%d other bytes", len(got))
		}
	})
}

func TestRangesOutsideTheStreamAreRefused(t *testing.T) {
	shelf, s, packs, data := stored(t)
	r := shelf.reader(t, packs)
	n := int64(len(data))
	for _, tt := range [][2]int64{{-1, 1}, {0, -1}, {0, n + 1}, {n, 1}, {n + 1, 0}, {1 << 62, 1 << 62}} {
		in := r.OpenRange(context.Background(), s.Chunks, tt[0], tt[1])
		if _, err := io.ReadAll(in); err == nil {
			t.Errorf("%d bytes at %d were read", tt[1], tt[0])
		}
	}
}

func TestRangeFetchesLittle(t *testing.T) {
	shelf := newShelf()
	o := shelf.small()
	o.Chunking, o.PackSize = DefaultChunking, 0
	data := rows(1, 14<<20)
	sealed, packs, _ := write(t, o, data)
	s := sealed[0]
	r := shelf.reader(t, packs)
	for _, tt := range []struct {
		length  int64
		bytes   int64
		fetches int
	}{
		// In each of at most two packs: 4 KiB of header, the last block, the blocks of the
		// chunks. 64 KiB touch at most five chunks of 16 KiB or more, usually two.
		{1, 350 << 10, 3},
		{64 << 10, 700 << 10, 8},
		// Per batch and pack one request, as neighbours coalesce.
		{4 << 20, 6 << 20, 20},
	} {
		for _, offset := range []int64{0, 5 << 20, 10 << 20} {
			shelf.fetches, shelf.bytes = 0, 0
			in := r.OpenRange(context.Background(), s.Chunks, offset, tt.length)
			got, err := io.ReadAll(in)
			if err != nil || !bytes.Equal(got, data[offset:offset+tt.length]) {
				t.Fatalf("%d bytes at %d: %v", tt.length, offset, err)
			}
			if shelf.bytes > tt.bytes || shelf.fetches > tt.fetches {
				t.Errorf("%d bytes at %d took %d bytes in %d fetches", tt.length, offset, shelf.bytes, shelf.fetches)
			}
		}
	}
}

func TestLongRangeIsReadInBatches(t *testing.T) {
	shelf := newShelf()
	o := shelf.small()
	o.Chunking, o.PackSize = DefaultChunking, 0
	data := rows(1, 14<<20)
	sealed, packs, _ := write(t, o, data)
	in := shelf.reader(t, packs).OpenRange(context.Background(), sealed[0].Chunks, 5, int64(len(data)-9))
	defer in.Close()
	got, err := io.ReadAll(in)
	if err != nil || !bytes.Equal(got, data[5:len(data)-4]) {
		t.Fatalf("%d bytes: %v", len(got), err)
	}
	if size := cap(in.(*ranged).buf); size > batchBytes {
		t.Errorf("%d bytes at once", size)
	}
}
