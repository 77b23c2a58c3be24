package auditlog

import (
	"maps"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures/vaultaudit"
)

func TestSampleOfManyDaysIsCountedAsItWasWritten(t *testing.T) {
	for name, how := range map[string]vaultaudit.Rotation{"numbered": vaultaudit.Numbered, "dated": vaultaudit.Dated} {
		t.Run(name, func(t *testing.T) {
			const days = 8
			log := vaultaudit.Fill(t, filepath.Join(t.TempDir(), "audit.log"), 2000, days, how)
			r := dump(t, log.Path, nil)
			got, want := r.facts(t), log.Totals
			c := got.Counts
			sums := []int64{int64(got.Files), c.Lines, c.Entries, c.Requests, c.Responses, c.Failures, c.RawTokens, c.Incomplete}
			if diff := cmp.Diff([]int64{days, int64(want.Lines), int64(want.Lines), int64(want.Requests), int64(want.Requests), int64(want.Errors), 0, 0}, sums); diff != "" {
				t.Errorf("files, lines, entries, requests, responses, failures, raw, incomplete: %s", diff)
			}
			names := maps.Clone(want.Names)
			names["(not authenticated)"] = names[""]
			delete(names, "")
			for group, test := range map[string]struct {
				got  Group
				want map[string]int
			}{
				"operations": {c.Operations, want.Operations}, "actors": {c.Actors, names},
				"addresses": {c.Addresses, want.Addresses}, "days": {c.Days, want.Days},
			} {
				if diff := cmp.Diff(test.want, requests(test.got)); diff != "" {
					t.Errorf("%s: %s", group, diff)
				}
			}
			if !c.First.Equal(want.First) || !c.Last.Equal(want.Last) {
				t.Errorf("from %s to %s, not from %s to %s", c.First, c.Last, want.First, want.Last)
			}
			if len(r.Warnings) > 0 {
				t.Errorf("warnings: %q", r.Warnings)
			}
		})
	}
}

// requests are those of each key of g.
func requests(g Group) map[string]int {
	m := map[string]int{}
	for _, r := range g.Rows {
		m[r.Key] = int(r.Requests)
	}
	return m
}
