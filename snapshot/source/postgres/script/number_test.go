package script

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNumbersRunThroughBothScriptsAndNeedsPointBack(t *testing.T) {
	pre := &Script{Entries: []Entry{{ID: 70}, {ID: 30, Of: 70, Needs: []int{70, 99, 10, 70}}}}
	post := &Script{Entries: []Entry{{ID: 10, Needs: []int{30, 70}, Of: 99}}}
	Number(pre, post)
	want := []Entry{{ID: 1}, {ID: 2, Of: 1, Needs: []int{1}}, {ID: 3, Needs: []int{1, 2}}}
	if d := cmp.Diff(want, append(pre.Entries, post.Entries...)); d != "" {
		t.Error(d)
	}
}
