package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/kv"
)

// A Checker proves that a dump is whole: each secret parses, is where the index has it, and was
// counted right. It implements restore.Checker.
type Checker struct{}

// Check reads every stream once.
func (Checker) Check(ctx context.Context, d restore.Dump) (restore.Loaded, error) {
	mounts, err := kv.Mounts(d.Streams())
	if err != nil {
		return restore.Loaded{}, fmt.Errorf("checking KV secrets: %w", err)
	}
	counted := map[string]restore.LoadedStream{}
	for _, f := range mounts {
		if err := checkMount(ctx, d, f, counted); err != nil {
			return restore.Loaded{}, fmt.Errorf("checking the secrets of %s: %w", f.Mount, err)
		}
	}
	var loaded restore.Loaded
	for _, info := range d.Streams() {
		got, ok := counted[info.Name]
		if !ok {
			if got, err = checkDocument(ctx, d, info); err != nil {
				return restore.Loaded{}, fmt.Errorf("checking %s: %w", info.Name, err)
			}
		}
		loaded.Streams = append(loaded.Streams, got)
	}
	return loaded, nil
}

func checkMount(ctx context.Context, d restore.Dump, f kv.Facts, counted map[string]restore.LoadedStream) error {
	lines, index, err := openMount(ctx, d, f)
	if err != nil {
		return err
	}
	defer lines.Close()
	defer index.Close()
	r := kv.NewLines(f, index, lines)
	recount := kv.Facts{Version: f.Version}
	for {
		s, _, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := recount.Add(s); err != nil {
			return err
		}
	}
	x := r.Index()
	if recount.Versions != f.Versions || recount.Deleted != f.Deleted || recount.Destroyed != f.Destroyed {
		return snapshot.Damaged(kv.LinesStream(f.Mount), "%w: %d versions, %d deleted, %d destroyed; the source counted %d, %d, %d", kv.ErrMalformed,
			recount.Versions, recount.Deleted, recount.Destroyed, f.Versions, f.Deleted, f.Destroyed)
	}
	counted[kv.LinesStream(f.Mount)] = restore.LoadedStream{Name: kv.LinesStream(f.Mount), Rows: x.Count(), Bytes: x.End()}
	counted[kv.IndexStream(f.Mount)] = restore.LoadedStream{Name: kv.IndexStream(f.Mount), Bytes: x.Bytes()}
	return compareRows(d, f, x.Count())
}

// compareRows holds the recount against what the source counted: lines alone have rows, so that the
// rows of a dump are its secrets.
func compareRows(d restore.Dump, f kv.Facts, rows int64) error {
	for name, rows := range map[string]int64{kv.LinesStream(f.Mount): rows, kv.IndexStream(f.Mount): 0} {
		info, err := restore.Find(d, name)
		if err != nil {
			return err
		}
		if info.Rows != rows {
			return snapshot.Damaged(name, "%w: %d secrets instead of %d", kv.ErrMalformed, rows, info.Rows)
		}
	}
	return nil
}

func openMount(ctx context.Context, d restore.Dump, f kv.Facts) (lines, index io.ReadCloser, err error) {
	if index, err = d.Open(ctx, kv.IndexStream(f.Mount)); err != nil {
		return nil, nil, err
	}
	if lines, err = d.Open(ctx, kv.LinesStream(f.Mount)); err != nil {
		return nil, nil, errors.Join(err, index.Close())
	}
	return lines, index, nil
}

// checkDocument reads a document to its end. One of JSON is one value.
func checkDocument(ctx context.Context, d restore.Dump, info snapshot.StreamInfo) (_ restore.LoadedStream, err error) {
	if !kv.IsDocument(info.Name) {
		return restore.LoadedStream{}, snapshot.Damaged(info.Name, "%w: a stream of no mount", kv.ErrMalformed)
	}
	r, err := d.Open(ctx, info.Name)
	if err != nil {
		return restore.LoadedStream{}, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var length counter
	text := io.TeeReader(r, &length)
	if strings.HasSuffix(info.Name, ".json") {
		var v any
		if err := json.NewDecoder(text).Decode(&v); err != nil {
			return restore.LoadedStream{}, snapshot.Damaged(info.Name, "%w: %w", kv.ErrMalformed, err)
		}
	}
	if _, err := io.Copy(io.Discard, text); err != nil {
		return restore.LoadedStream{}, err
	}
	return restore.LoadedStream{Name: info.Name, Bytes: int64(length)}, nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
