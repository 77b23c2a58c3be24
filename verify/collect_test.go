package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/snapshot"
)

// A store's error says what it means and what the server said; both are one error.
type answer struct{ kind, cause error }

func (a answer) Error() string   { return "the server answered" }
func (a answer) Unwrap() []error { return []error{a.kind, a.cause} }

func TestErrorsAreSortedIntoDamageAndFailure(t *testing.T) {
	broken := errors.New("connection broken")
	missing := []snapshot.Complaint{{Key: "looked at", Problem: "missing"}}
	tests := map[string]struct {
		err     error
		want    []snapshot.Complaint
		failure error
	}{
		"nothing":               {nil, nil, nil},
		"missing":               {fs.ErrNotExist, missing, nil},
		"missing, by an answer": {fmt.Errorf("reading x: %w", answer{fs.ErrNotExist, broken}), missing, nil},
		"denied, by an answer":  {fmt.Errorf("reading x: %w", answer{snapshot.ErrDenied, broken}), nil, snapshot.ErrDenied},
		"named damage":          {fmt.Errorf("reading: %w", snapshot.Damaged("a", "cut")), []snapshot.Complaint{{Key: "a", Problem: "cut"}}, nil},
		"damage twice":          {errors.Join(snapshot.Damaged("a", "cut"), snapshot.Damaged("b", "gone")), []snapshot.Complaint{{Key: "a", Problem: "cut"}, {Key: "b", Problem: "gone"}}, nil},
		"damage and a failure":  {errors.Join(snapshot.Damaged("a", "cut"), broken), []snapshot.Complaint{{Key: "a", Problem: "cut"}}, broken},
		"damage without a name": {snapshot.ErrDamaged, []snapshot.Complaint{{Key: "looked at", Problem: "damage found"}}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := &collector{}
			// What ends the check comes back; what is of one object is kept and the check goes on.
			if err := errors.Join(c.take("looked at", tt.err), errors.Join(c.unread...)); !errors.Is(err, tt.failure) {
				t.Errorf("returned or kept %v, want %v", err, tt.failure)
			}
			if tt.failure == broken && len(c.unread) != 1 {
				t.Errorf("kept %v", c.unread)
			}
			if diff := cmp.Diff(tt.want, c.list); diff != "" {
				t.Error(diff)
			}
		})
	}
}
