package auditlog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/auditlog"
)

// A Checker proves that a dump is a log: it reads every line, counts again what the source
// counted, and compares. It implements restore.Checker.
type Checker struct{}

// Check reads every stream once.
func (Checker) Check(ctx context.Context, d restore.Dump) (restore.Loaded, error) {
	loaded, err := check(ctx, d)
	if err != nil {
		return restore.Loaded{}, fmt.Errorf("checking the audit log: %w", err)
	}
	return loaded, nil
}

func check(ctx context.Context, d restore.Dump) (restore.Loaded, error) {
	all, index, err := parts(ctx, d)
	if err != nil {
		return restore.Loaded{}, err
	}
	var loaded restore.Loaded
	var files []auditlog.Counts
	for _, p := range all {
		counts, stream, err := recount(ctx, d, p.info)
		if err != nil {
			return restore.Loaded{}, err
		}
		loaded.Streams, files = append(loaded.Streams, stream), append(files, counts)
	}
	loaded.Streams = append(loaded.Streams, restore.LoadedStream{Name: auditlog.IndexStream, Bytes: index})
	return loaded, checkSum(d, files)
}

// recount reads the stream of one file and compares it with its facts.
func recount(ctx context.Context, d restore.Dump, info snapshot.StreamInfo) (auditlog.Counts, restore.LoadedStream, error) {
	var none restore.LoadedStream
	var facts auditlog.FileFacts
	if err := json.Unmarshal(info.Facts, &facts); err != nil {
		return auditlog.Counts{}, none, snapshot.Damaged(info.Name, "its facts: %w", err)
	}
	r, err := d.Open(ctx, info.Name)
	if err != nil {
		return auditlog.Counts{}, none, fmt.Errorf("opening %s: %w", info.Name, err)
	}
	counts, n, err := auditlog.Recount(ctx, r)
	if err := errors.Join(err, r.Close()); err != nil {
		return auditlog.Counts{}, none, fmt.Errorf("reading %s: %w", info.Name, err)
	}
	if counts.Lines != info.Rows || counts.Lines != facts.Counts.Lines {
		return auditlog.Counts{}, none, snapshot.Damaged(info.Name, "%d lines instead of %d", counts.Lines, info.Rows)
	}
	if err := same(info.Name, counts, facts.Counts); err != nil {
		return auditlog.Counts{}, none, err
	}
	return counts, restore.LoadedStream{Name: info.Name, Rows: counts.Lines, Bytes: n}, nil
}

// checkSum adds up the files and compares the sum with the facts.
func checkSum(d restore.Dump, files []auditlog.Counts) error {
	info, err := restore.Find(d, auditlog.IndexStream)
	if err != nil {
		return err
	}
	var facts auditlog.Facts
	if err := json.Unmarshal(info.Facts, &facts); err != nil {
		return snapshot.Damaged(info.Name, "its facts: %w", err)
	}
	sum, err := auditlog.Sum(files)
	if err != nil {
		return err
	}
	if facts.Files != len(files) || facts.Counts.Lines != sum.Lines {
		return snapshot.Damaged(info.Name, "%d lines in %d files instead of %d in %d", sum.Lines, len(files), facts.Counts.Lines, facts.Files)
	}
	return same(info.Name, sum, facts.Counts)
}

// same compares counts with those of the facts. Another version may have counted otherwise, and
// then its lines alone are compared, by the caller.
func same(stream string, got, want auditlog.Counts) error {
	if want.Version != auditlog.CountsVersion {
		return nil
	}
	g, err := json.Marshal(got)
	if err != nil {
		return err
	}
	w, err := json.Marshal(want)
	if err != nil {
		return err
	}
	if !bytes.Equal(g, w) {
		return snapshot.Damaged(stream, "what its lines tell is not what was counted when it was dumped")
	}
	return nil
}

// counting counts the bytes that are read.
type counting struct {
	r io.Reader
	n int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
