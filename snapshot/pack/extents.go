package pack

import (
	"io"
	"slices"
)

// Extents are the parts of a stored pack that were fetched. They are an io.ReaderAt that
// fetches what it lacks, and for one goroutine at a time.
type extents struct {
	fetch func(off, n int64) ([]byte, error)
	parts []extent
	kept  int   // parts that stay: the header and the last block
	err   error // of the first fetch that failed, as it was before age wrapped it
}

type extent struct {
	off  int64
	data []byte
}

// A run is a range of stored bytes to fetch with one request.
type run struct{ off, end int64 }

// An age payload is a run of blocks: 64 KiB of plaintext, encrypted with a tag of 16 bytes.
const (
	plainBlock  = 64 << 10
	storedBlock = plainBlock + 16
)

func (x *extents) ReadAt(p []byte, off int64) (int, error) {
	if n, ok := x.copy(p, off); ok {
		return n, nil
	}
	if err := x.load([]run{{off, off + int64(len(p))}}); err != nil {
		return 0, err
	}
	if n, ok := x.copy(p, off); ok {
		return n, nil
	}
	return 0, io.ErrUnexpectedEOF // what was fetched is what was asked for
}

func (x *extents) copy(p []byte, off int64) (int, bool) {
	for _, e := range x.parts {
		if off >= e.off && off+int64(len(p)) <= e.off+int64(len(e.data)) {
			return copy(p, e.data[off-e.off:]), true
		}
	}
	return 0, false
}

// load fetches runs, each with one request.
func (x *extents) load(runs []run) error {
	for _, r := range runs {
		data, err := x.fetch(r.off, r.end-r.off)
		if err != nil {
			if x.err == nil {
				x.err = err
			}
			return err
		}
		x.parts = append(x.parts, extent{r.off, data})
	}
	return nil
}

// keep makes what was fetched so far stay.
func (x *extents) keep() { x.kept = len(x.parts) }

// unload forgets what was fetched since.
func (x *extents) unload() {
	clear(x.parts[x.kept:])
	x.parts = x.parts[:x.kept]
}

// blocks returns the runs of blocks that hold wants. Runs less than a block apart become one:
// a request costs more than 64 KiB of transfer.
func (p *partial) blocks(wants []want) []run {
	all := (p.size + plainBlock - 1) / plainBlock
	payload := p.info.Size - p.size - all*(storedBlock-plainBlock)
	var runs []run
	for _, w := range wants {
		first := int64(w.Offset) / plainBlock
		last := (int64(w.Offset) + int64(w.Length) - 1) / plainBlock
		runs = append(runs, run{payload + first*storedBlock, min(payload+(last+1)*storedBlock, p.info.Size)})
	}
	slices.SortFunc(runs, func(a, b run) int { return int(a.off - b.off) })
	merged := runs[:1]
	for _, r := range runs[1:] {
		if end := &merged[len(merged)-1].end; r.off <= *end+plainBlock {
			*end = max(*end, r.end)
		} else {
			merged = append(merged, r)
		}
	}
	return merged
}
