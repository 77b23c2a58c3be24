package postgres

import (
	"context"
	"fmt"
	"io"

	"holdfast/snapshot"
	source "holdfast/snapshot/source/postgres"
	"holdfast/snapshot/source/postgres/link"
)

// verifyRows reads rows back as the source read them, and compares them with the dump's.
func (l *loading) verifyRows(ctx context.Context, c *link.Conn, p proof) error {
	rows, total, want := p.want()
	task := "reading back " + p.name
	l.Progress.Report(snapshot.Step{Name: task, Total: total})
	var tally source.Tally
	n, err := c.CopyOut(ctx, io.MultiWriter(&tally, &told{l.Progress, task, total}), "COPY "+p.from+" TO STDOUT")
	if err != nil {
		return fmt.Errorf("reading %s back: %w", p.name, err)
	}
	got, err := tally.Digest()
	switch {
	case err != nil:
		return fmt.Errorf("reading %s back: %w", p.name, err)
	case tally.Rows != rows || n != rows:
		return fmt.Errorf("reading %s back: %w: it has %d rows instead of %d", p.name, ErrDiffers, tally.Rows, rows)
	case got != want:
		return fmt.Errorf("reading %s back: %w: its %d rows have digest %s instead of %s", p.name, ErrDiffers, rows, got, want)
	}
	l.Progress.Report(snapshot.Step{Name: task, Total: total, Done: true})
	return nil
}

// told reports what is written to it.
type told struct {
	progress snapshot.Progress
	task     string
	total    int64
}

func (t *told) Write(b []byte) (int, error) {
	t.progress.Report(snapshot.Step{Name: t.task, Total: t.total, Bytes: int64(len(b))})
	return len(b), nil
}
