package auditlog

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"holdfast/snapshot"
)

func (s *Source) dump(ctx context.Context, d snapshot.Dump) (err error) {
	c, err := s.collect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	d.About(snapshot.About{AsOf: c.at, Server: about(len(c.files))})
	r := &reading{Source: s, dump: d, names: newNames(c.files), index: Index{Type: indexType}}
	if err := r.recall(ctx); err != nil {
		return err
	}
	for i, f := range c.files {
		facts, err := r.file(ctx, f)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if facts.Left > 0 && i < len(c.files)-1 {
			r.cut++
		}
	}
	if err := r.finish(ctx); err != nil {
		return err
	}
	r.warn(c)
	return nil
}

func about(files int) snapshot.Server {
	return snapshot.Server{Product: "Vault file audit device", Facts: map[string]string{"files": strconv.Itoa(files)}}
}

// A reading is one dump being made.
type reading struct {
	*Source
	dump  snapshot.Dump
	names names

	carrier snapshot.Carrier // nil if nothing can be carried over
	earlier map[string]before
	index   Index
	files   []Counts // of each in index
	counts  Counts   // of all, once they are read
	cut     int      // files that are no longer written to and yet end in the middle of a line
	shrunk  int      // files that are shorter than at the snapshot before
}

// before is a file in the snapshot before.
type before struct {
	info  snapshot.StreamInfo
	facts FileFacts
}

// recall learns which files the snapshot before has.
func (r *reading) recall(ctx context.Context) error {
	carrier, ok := r.dump.(snapshot.Carrier)
	if !ok {
		return nil
	}
	list, err := carrier.Earlier(ctx)
	if err != nil {
		return err
	}
	r.carrier, r.earlier = carrier, map[string]before{}
	for _, info := range list {
		var facts FileFacts
		if info.Name == IndexStream || json.Unmarshal(info.Facts, &facts) != nil || facts.Counts.Version != CountsVersion {
			continue // counted otherwise: read it again
		}
		r.earlier[info.Name] = before{info, facts}
	}
	return nil
}

// file takes one file into the dump.
func (r *reading) file(ctx context.Context, f *logFile) (*FileFacts, error) {
	facts, err := r.carry(ctx, f)
	if facts == nil && err == nil {
		facts, err = r.read(ctx, f)
	}
	if err != nil {
		return nil, err
	}
	r.files = append(r.files, facts.Counts)
	r.index.Files = append(r.index.Files, File{Name: r.names[f], Packed: f.packed, Modified: f.info.ModTime().UTC(), Stream: f.stream})
	return facts, nil
}

// carry carries f over if it is the file that it was at the snapshot before. If not, both results
// are nil.
func (r *reading) carry(ctx context.Context, f *logFile) (*FileFacts, error) {
	was, ok := r.earlier[f.stream]
	now := f.identity()
	if !ok || now == nil || was.facts.Identity == nil || *was.facts.Identity != *now {
		return nil, nil
	}
	if err := r.carrier.Carry(ctx, f.stream); err != nil {
		return nil, err
	}
	r.log().Debug("carrying a file over unread", "source", r.Path, "key", f.stream, "bytes", was.info.Bytes)
	return &was.facts, nil
}

// read reads f into a stream of its own.
func (r *reading) read(ctx context.Context, f *logFile) (*FileFacts, error) {
	from, err := f.open()
	if err != nil {
		return nil, err
	}
	to, err := r.dump.Stream(ctx, snapshot.Stream{Name: f.stream, Format: "jsonl", Size: f.expected()})
	if err != nil {
		return nil, errors.Join(err, from.Close())
	}
	p := &copying{from: NewLines(from), to: bufio.NewWriterSize(to, 256<<10), packed: f.packed != ""}
	err = p.run(ctx)
	if err := errors.Join(err, from.Close()); err != nil {
		return nil, err
	}
	if f.packed == "" && p.bytes+p.left != f.info.Size() {
		return nil, fmt.Errorf("%d bytes could be read of %d: %w", p.bytes+p.left, f.info.Size(), ErrChanged)
	}
	if err := f.steady(ctx); err != nil {
		return nil, err
	}
	if was, ok := r.earlier[f.stream]; ok && p.bytes < was.info.Bytes {
		r.shrunk++
	}
	counts, err := p.counter.ofFile()
	if err != nil {
		return nil, err
	}
	facts := &FileFacts{Counts: counts, Left: p.left, Identity: f.identity()}
	return facts, to.Seal(counts.Lines, facts)
}

// A copying hands lines on and counts them.
type copying struct {
	from    *Lines
	to      *bufio.Writer
	packed  bool // the file will not get longer, so its last line is what it is
	counter Counter
	bytes   int64
	left    int64
}

func (p *copying) run(ctx context.Context) error {
	for {
		line, whole, err := p.from.Next()
		if err == io.EOF {
			return p.to.Flush()
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !whole && !p.packed {
			p.left = int64(len(line))
			continue
		}
		p.counter.Add(line)
		if _, err := p.to.Write(line); err != nil {
			return err
		}
		p.bytes += int64(len(line))
	}
}

// finish writes the index.
func (r *reading) finish(ctx context.Context) error {
	to, err := r.dump.Stream(ctx, snapshot.Stream{Name: IndexStream, Format: "json"})
	if err != nil {
		return err
	}
	if err := r.index.write(to); err != nil {
		return err
	}
	if r.counts, err = Sum(r.files); err != nil {
		return err
	}
	return to.Seal(0, Facts{Files: len(r.files), Counts: r.counts}) // the files count the lines
}

// names are what the files are called when they are restored.
type names map[*logFile]string

// newNames takes off what marks a file as packed, unless another file has that name.
func newNames(files []*logFile) names {
	n, taken := names{}, map[string]bool{}
	for _, f := range files {
		taken[f.name] = true
	}
	for _, f := range files {
		n[f] = f.name
		if name := bare(f.name); f.packed != "" && !taken[name] {
			n[f] = name
			taken[name] = true
		}
	}
	return n
}
