package auditlog

import (
	"context"
	"fmt"
	"io"
)

// Recount counts the lines of one file's stream as the source did, and its bytes.
func Recount(ctx context.Context, r io.Reader) (Counts, int64, error) {
	var c Counter
	var bytes int64
	lines := NewLines(r)
	for {
		line, _, err := lines.Next()
		if err == io.EOF {
			counts, err := c.ofFile()
			return counts, bytes, err
		}
		if err != nil {
			return Counts{}, 0, err
		}
		if ctx.Err() != nil {
			return Counts{}, 0, context.Cause(ctx)
		}
		c.Add(line)
		bytes += int64(len(line))
	}
}

// Sum merges the counts of the files of one log, oldest first, into those that go with
// IndexStream.
func Sum(files []Counts) (Counts, error) {
	var all Counts
	for _, c := range files {
		all.Merge(c)
	}
	if err := all.Fit(maxAllJSON); err != nil {
		return Counts{}, fmt.Errorf("adding up %d files: %w", len(files), err)
	}
	return all, nil
}

// ofFile returns the counts that go with the stream of one file.
func (c *Counter) ofFile() (Counts, error) {
	counts := c.Counts()
	return counts, counts.Fit(maxFileJSON)
}
