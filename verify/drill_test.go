package verify_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"holdfast/fixtures/testrepo"
	"holdfast/restore"
	"holdfast/snapshot"
)

// A rehearsal of tests is what it tells its log.
type rehearsal func(log *restore.DrillLog) error

func (r rehearsal) Rehearse(_ context.Context, _ restore.Dump, log *restore.DrillLog) (restore.Loaded, error) {
	return restore.Loaded{}, r(log)
}

// stored are the findings about a snapshot that anyone can read in the repository.
func stored(t *testing.T, r *testrepo.Repo, m *snapshot.Manifest) []snapshot.Finding {
	t.Helper()
	list, err := snapshot.ReadFindings(t.Context(), r.Store, r.Repository.ID, m.Vault, m.ID, r.Trust)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestADrillStoresWhatItFound(t *testing.T) {
	for name, good := range map[string]bool{"good": true, "bad": false} {
		r := testrepo.Dir(t)
		m := r.Take(t, "vault", testrepo.Source{"db": []byte("rows")})
		d, err := verifier(r, snapshot.LevelRestore, true).Drill(t.Context(), m, rehearsal(func(log *restore.DrillLog) error {
			log.Check("of something secret", good, "detail")
			return nil
		}), nil)
		if err != nil {
			t.Fatal(err)
		}
		found := stored(t, r, m)
		if len(found) != 1 || found[0].Good != good || found[0].Level != snapshot.LevelRestore || found[0].Drill.Checks != 1 || d.Finding.Good != good {
			t.Errorf("%s: stored %+v", name, found)
		}
	}
}

// A finding of level restore says that a snapshot was restored and compared. One in which nothing was
// compared would pass a snapshot that nobody looked at, and make good an earlier drill that failed.
func TestADrillThatComparedNothingStoresNoFinding(t *testing.T) {
	r := testrepo.Dir(t)
	m := r.Take(t, "vault", testrepo.Source{"db": []byte("rows")})
	d, err := verifier(r, snapshot.LevelRestore, true).Drill(t.Context(), m, rehearsal(func(log *restore.DrillLog) error {
		log.Limit("the server stays sealed")
		return nil
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if found := stored(t, r, m); len(found) != 0 {
		t.Errorf("stored %+v", found)
	}
	if text := strings.Join(d.Limits, "\n"); !strings.Contains(text, "no finding is stored") {
		t.Errorf("limits: %s", text)
	}
}

func TestADrillThatFindsDamageStoresItAndOneThatFailsDoesNot(t *testing.T) {
	lost := errors.New("connection lost")
	for name, c := range map[string]struct {
		err    error
		stored int
	}{
		"damage":  {snapshot.Damaged("db", "cut short"), 1},
		"failure": {lost, 0},
	} {
		r := testrepo.Dir(t)
		m := r.Take(t, "vault", testrepo.Source{"db": []byte("rows")})
		_, err := verifier(r, snapshot.LevelRestore, true).Drill(t.Context(), m, rehearsal(func(log *restore.DrillLog) error {
			return log.Phase("read", func() (string, error) { return "", c.err })
		}), nil)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v", name, err)
		}
		found := stored(t, r, m)
		if len(found) != c.stored || c.stored == 1 && (found[0].Good || len(found[0].Damage) != 1) {
			t.Errorf("%s: stored %+v", name, found)
		}
	}
}

func TestADrillThatIsCancelledSaysSo(t *testing.T) {
	r := testrepo.Dir(t)
	m := r.Take(t, "vault", testrepo.Source{"db": []byte("rows")})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := verifier(r, snapshot.LevelRestore, true).Drill(ctx, m, rehearsal(func(log *restore.DrillLog) error {
		log.Check("entries", true, "")
		cancel() // when all is done, so that the rehearsal has no error to tell
		return nil
	}), nil)
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "%!") {
		t.Errorf("%v", err)
	}
	if found := stored(t, r, m); len(found) != 0 {
		t.Errorf("stored %+v", found)
	}
}
