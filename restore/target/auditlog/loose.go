package auditlog

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"io"
	"time"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/auditlog"
)

// perPass is how many lines of the earlier dump are held at a time, some 60 MB. A variable so
// that a test can do with fewer.
var perPass int64 = 1 << 20

// A lineSum stands for a line. Half of SHA-256 is enough: who could make two lines collide would
// have to write both.
type lineSum [16]byte

// A held line is one of the earlier dump that was not found in the later yet.
type held struct {
	times  int32
	stream int32
	day    int32 // since 1970; -1 for a line that is no entry
}

// A fate is what became of the lines of one stream of the earlier dump.
type fate struct {
	info    snapshot.StreamInfo
	missing map[int32]int64 // by day
	lost    int64
}

// compareLoose compares what has no counterpart, line by line, wherever a line is now: files can be
// put together, cut up, and lose their beginning. Lines are dealt out to passes by their hash, so
// that each pass holds few of them.
func (f *comparison) compareLoose(ctx context.Context) error {
	var lines int64
	fates := make([]*fate, len(f.looseA))
	for i, s := range f.looseA {
		fates[i] = &fate{info: s, missing: map[int32]int64{}}
		lines += s.Rows
	}
	passes := uint32(lines/perPass) + 1
	for pass := range passes {
		p := sieve{comparison: f, passes: passes, pass: pass, fates: fates, held: map[lineSum]*held{}}
		if err := p.run(ctx); err != nil {
			return err
		}
	}
	for _, s := range fates {
		if err := f.judge(s); err != nil {
			return err
		}
	}
	return nil
}

// judge decides what the lines that a stream lost died of. Rotation removes whole files, oldest
// first: a file of which something is left, or that reaches into the time of what is, lost its
// lines otherwise.
func (f *comparison) judge(s *fate) error {
	var facts auditlog.FileFacts
	if err := json.Unmarshal(s.info.Facts, &facts); err != nil {
		return snapshot.Damaged(s.info.Name, "its facts: %w", err)
	}
	outcome := vanished
	if s.lost == s.info.Rows && facts.Counts.Last.Before(f.begin.Add(disorder)) {
		outcome = expired
	}
	for d, n := range s.missing {
		at := time.Unix(int64(d)*secondsPerDay, 0).UTC()
		f.days[key{day(at, d >= 0), outcome}] += n
	}
	return nil
}

const secondsPerDay = 24 * 60 * 60

// A sieve is one pass over the loose streams of both dumps.
type sieve struct {
	*comparison
	passes, pass uint32
	fates        []*fate
	held         map[lineSum]*held
}

func (p *sieve) run(ctx context.Context) error {
	for i, s := range p.looseA {
		r, err := p.a.Open(ctx, s.Name)
		if err != nil {
			return err
		}
		if err := each(ctx, r, func(line []byte) { p.hold(line, int32(i)) }); err != nil {
			return err
		}
	}
	for _, s := range p.looseB {
		r, err := s.open(ctx, p.b)
		if err != nil {
			return err
		}
		if err := each(ctx, r, p.find); err != nil {
			return err
		}
	}
	for _, h := range p.held {
		p.fates[h.stream].missing[h.day] += int64(h.times)
		p.fates[h.stream].lost += int64(h.times)
	}
	return nil
}

// open reads a span. A whole stream ends with the verdict on all of it.
func (s span) open(ctx context.Context, d restore.Dump) (io.ReadCloser, error) {
	if s.from == 0 {
		return d.Open(ctx, s.Name)
	}
	return d.OpenRange(ctx, s.Name, s.from, s.Bytes-s.from)
}

// hold remembers a line of the earlier dump.
func (p *sieve) hold(line []byte, stream int32) {
	sum, ok := p.mine(line)
	if !ok {
		return
	}
	if h := p.held[sum]; h != nil {
		h.times++
		return
	}
	h := &held{times: 1, stream: stream, day: -1}
	if at, ok := auditlog.EntryTime(line); ok {
		h.day = int32(at.Unix() / secondsPerDay)
	}
	p.held[sum] = h
}

// find strikes a line of the later dump off.
func (p *sieve) find(line []byte) {
	sum, ok := p.mine(line)
	if !ok {
		return
	}
	h := p.held[sum]
	if h == nil {
		p.add(line)
		return
	}
	if h.times--; h.times == 0 {
		delete(p.held, sum)
	}
}

// mine reports whether a line belongs to this pass.
func (p *sieve) mine(line []byte) (lineSum, bool) {
	sum := sha256.Sum256(line)
	return lineSum(sum[:16]), binary.BigEndian.Uint32(sum[28:])%p.passes == p.pass
}
