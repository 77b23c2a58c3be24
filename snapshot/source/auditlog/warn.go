package auditlog

import (
	"fmt"
	"time"
)

// noLog is a warning.
const noLog = "the log itself is not there, only what was rotated away"

// disorder is how far entries may be out of order: they are written by many requests at once.
const disorder = time.Minute

// warn says what people should know, in numbers only: warnings are stored in the clear.
func (r *reading) warn(c *collection) {
	n := &r.counts
	if c.missing {
		r.dump.Warn(noLog)
	}
	if n.RawTokens > 0 {
		r.dump.Warn(fmt.Sprintf("%d entries have tokens in the clear: the audit device runs with log_raw, "+
			"so its log is as secret as the vault; turn log_raw off and revoke what it wrote", n.RawTokens))
	}
	if n.RawValues > 0 {
		r.dump.Warn(fmt.Sprintf("%d entries have values in the clear that are not HMACed: "+
			"by log_raw, or by a mount's audit_non_hmac keys", n.RawValues))
	}
	if other := n.Lines - n.Entries; other > 0 {
		r.dump.Warn(fmt.Sprintf("%d of %d lines are no audit entries; they are kept as they are", other, n.Lines))
	}
	if r.cut > 0 {
		r.dump.Warn(fmt.Sprintf("%d rotated files end in the middle of a line, which was left out", r.cut))
	}
	if r.shrunk > 0 {
		r.dump.Warn(fmt.Sprintf("%d files are shorter than at the snapshot before: lines of an audit log were removed", r.shrunk))
	}
	if gone := r.gone(); gone > 0 {
		r.dump.Warn(fmt.Sprintf("%d files of the snapshot before are gone although older entries are still there; diff shows what is missing", gone))
	}
}

// gone counts the files of the snapshot before that are not there any more and do not lie wholly
// before the oldest entry that is. Rotation removes whole files, the oldest first.
func (r *reading) gone() int {
	now := map[string]bool{}
	for _, f := range r.index.Files {
		now[f.Stream] = true
	}
	gone := 0
	for name, was := range r.earlier {
		if last := was.facts.Counts.Last; !now[name] && last.After(r.counts.First.Add(disorder)) {
			gone++
		}
	}
	return gone
}
