package auditlog

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/auditlog"
)

// Diff is the restore.Differ of audit logs. It tells for each day how many entries were added, how
// many are gone because they were older than what is kept, and how many vanished: an earlier
// entry that a later dump lacks although the log reaches back to its time was removed by hand.
//
// Streams that are the same, or the beginning of their successor, are not compared line by line.
func Diff(ctx context.Context, a, b restore.Dump) ([]restore.Change, error) {
	f := &comparison{a: a, b: b, days: map[key]int64{}}
	if err := f.run(ctx); err != nil {
		return nil, fmt.Errorf("comparing audit logs: %w", err)
	}
	return f.changes(), nil
}

// What can become of a line.
const (
	added    = iota // written since
	inserted        // not there before, and yet dated well before the end of the earlier dump
	expired         // older than all that is kept
	vanished        // gone although it could not expire
)

var outcomes = []struct{ change, detail string }{
	added:    {"added", "%d entries"},
	inserted: {"added", "%d entries that are dated before the end of the earlier log: written into the past"},
	expired:  {"removed", "%d entries, older than all that is kept"},
	vanished: {"removed", "%d entries vanished, though the log still reaches back to their time"},
}

// disorder is how far lines may be out of order: many requests write at once.
const disorder = time.Minute

// A key is what lines are counted by.
type key struct {
	day     string
	outcome int
}

// A span is the rest of a stream.
type span struct {
	snapshot.StreamInfo
	from int64
}

// A comparison is one Diff.
type comparison struct {
	a, b       restore.Dump
	end, begin time.Time // last entry of a, first of b
	looseA     []snapshot.StreamInfo
	looseB     []span
	days       map[key]int64
}

func (f *comparison) run(ctx context.Context) error {
	earlier, err := counts(f.a)
	if err != nil {
		return err
	}
	later, err := counts(f.b)
	if err != nil {
		return err
	}
	f.end, f.begin = earlier.Last, later.First
	before := logs(f.a)
	for _, now := range logs(f.b) {
		at := slices.IndexFunc(before, func(s snapshot.StreamInfo) bool { return s.Name == now.Name })
		if at < 0 {
			f.looseB = append(f.looseB, span{now, 0})
			continue
		}
		was := before[at]
		before = slices.Delete(before, at, at+1)
		if err := f.pair(ctx, was, now); err != nil {
			return err
		}
	}
	f.looseA = append(f.looseA, before...)
	return f.compareLoose(ctx)
}

// pair compares a stream with what it was.
func (f *comparison) pair(ctx context.Context, was, now snapshot.StreamInfo) error {
	if was.SHA256 == now.SHA256 && was.Bytes == now.Bytes {
		return nil
	}
	grown, err := f.begins(ctx, was, now)
	if err != nil {
		return err
	}
	if grown {
		f.looseB = append(f.looseB, span{now, was.Bytes})
		return nil
	}
	f.looseA, f.looseB = append(f.looseA, was), append(f.looseB, span{now, 0})
	return nil
}

// begins reports whether now begins with was.
func (f *comparison) begins(ctx context.Context, was, now snapshot.StreamInfo) (bool, error) {
	if now.Bytes < was.Bytes {
		return false, nil
	}
	r, err := f.b.OpenRange(ctx, now.Name, 0, was.Bytes)
	if err != nil {
		return false, err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, r)
	return snapshot.Digest(sum.Sum(nil)) == was.SHA256, errors.Join(err, r.Close())
}

// add counts a line that the earlier dump lacks.
func (f *comparison) add(line []byte) {
	at, ok := auditlog.EntryTime(line)
	outcome := added
	if ok && at.Before(f.end.Add(-disorder)) {
		outcome = inserted
	}
	f.days[key{day(at, ok), outcome}]++
}

func day(at time.Time, ok bool) string {
	if !ok {
		return "no date"
	}
	return at.Format(time.DateOnly)
}

// changes lists what was found, by day.
func (f *comparison) changes() []restore.Change {
	var keys []key
	for k := range f.days {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.outcome, b.outcome))
	})
	var list []restore.Change
	for _, k := range keys {
		o := outcomes[k.outcome]
		list = append(list, restore.Change{Name: k.day, Change: o.change, Detail: fmt.Sprintf(o.detail, f.days[k])})
	}
	return list
}

// logs are the streams that hold files.
func logs(d restore.Dump) []snapshot.StreamInfo {
	return slices.DeleteFunc(slices.Clone(d.Streams()), func(s snapshot.StreamInfo) bool {
		return !strings.HasPrefix(s.Name, auditlog.StreamPrefix)
	})
}

// counts are those of the whole log.
func counts(d restore.Dump) (auditlog.Counts, error) {
	info, err := restore.Find(d, auditlog.IndexStream)
	if err != nil {
		return auditlog.Counts{}, err
	}
	var facts auditlog.Facts
	if err := json.Unmarshal(info.Facts, &facts); err != nil {
		return auditlog.Counts{}, snapshot.Damaged(info.Name, "its facts: %w", err)
	}
	return facts.Counts, nil
}

// each calls f for each line of r, and closes r.
func each(ctx context.Context, r io.ReadCloser, f func(line []byte)) error {
	lines := auditlog.NewLines(r)
	for {
		line, _, err := lines.Next()
		if err == io.EOF {
			return r.Close()
		}
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return errors.Join(err, r.Close())
		}
		f(line)
	}
}
