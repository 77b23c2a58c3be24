package restore_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"filippo.io/age"

	"holdfast/fixtures/testrepo"
	"holdfast/restore"
	"holdfast/snapshot"
)

func opened(t *testing.T) (*testrepo.Repo, *restore.Snapshot) {
	t.Helper()
	r := testrepo.Dir(t)
	return r, r.Open(t, r.Take(t, "vault", testrepo.Source{"db": testrepo.Secrets(600_000, 1), "notes": []byte("few")}))
}

func TestADryRunCountsEveryStream(t *testing.T) {
	_, s := opened(t)
	l, err := restore.Run(t.Context(), s, restore.Discard{})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Streams) != 2 || l.Streams[0].Bytes != 600_000 || l.Streams[1].Rows != 3 {
		t.Errorf("%+v", l)
	}
}

// miscounting is a checker that finds another number of rows than was dumped.
type miscounting struct{ restore.Digests }

func (m miscounting) Check(ctx context.Context, d restore.Dump) (restore.Loaded, error) {
	l, err := m.Digests.Check(ctx, d)
	if err == nil {
		l.Streams[0].Rows--
	}
	return l, err
}

func TestRowsThatDoNotCountUpAreDamage(t *testing.T) {
	_, s := opened(t)
	if _, err := restore.Run(t.Context(), s, restore.Discard{Checker: miscounting{}}); !errors.Is(err, snapshot.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

// refusing is a target that something stands in the way of; its Load must not be called.
type refusing struct{ t *testing.T }

func (refusing) Preflight(context.Context, restore.Dump) error {
	return restore.Problems{restore.ErrOccupied, errors.New("no room")}.ErrOrNil()
}

func (r refusing) Load(context.Context, restore.Dump) (restore.Loaded, error) {
	r.t.Error("loaded although the preflight failed")
	return restore.Loaded{}, nil
}

func TestNothingIsLoadedIntoATargetThatFailsItsPreflight(t *testing.T) {
	_, s := opened(t)
	_, err := restore.Run(t.Context(), s, refusing{t})
	if !errors.Is(err, restore.ErrOccupied) || err.Error() != "checking the target: target is not empty; no room" {
		t.Errorf("got %v", err)
	}
}

func TestAWrongIdentityOpensNothing(t *testing.T) {
	r, s := opened(t)
	other, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	_, err = restore.Open(t.Context(), r.Store, s.Manifest, r.Trust, nil, other)
	if none := new(age.NoIdentityMatchError); !errors.As(err, &none) {
		t.Errorf("got %v", err)
	}
}

func TestRangesOutsideOfAStreamAreRefused(t *testing.T) {
	_, s := opened(t)
	for _, r := range [][2]int64{{-1, 1}, {0, -1}, {599_999, 2}, {600_001, 0}, {1 << 62, 1 << 62}} {
		if rd, err := s.OpenRange(t.Context(), "db", r[0], r[1]); err == nil {
			rd.Close()
			t.Errorf("%d bytes from %d are not refused", r[1], r[0])
		}
	}
	if _, err := s.OpenRange(t.Context(), "none", 0, 1); err == nil {
		t.Error("a stream that is not there opens")
	}
}

// TestEOFIsTheVerdict lets the contents promise another digest than the chunks have: all bytes
// come, and the end is an error.
func TestEOFIsTheVerdict(t *testing.T) {
	_, s := opened(t)
	s.Contents.Streams[0].SHA256[0] ^= 1
	r, err := s.Open(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	if n != 600_000 || !errors.Is(err, snapshot.ErrDamaged) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, again := r.Read(make([]byte, 1)); !errors.Is(again, snapshot.ErrDamaged) {
		t.Errorf("reading on: %v", again)
	}
}

func TestAPlanSaysWhatARestoreTakes(t *testing.T) {
	_, s := opened(t)
	p := s.Plan(s.Manifest.DataAsOf.Add(90 * time.Minute))
	if p.Age != "1h30m0s" || p.PlainBytes != 600_003 || p.ReadBytes <= 0 || p.Packs != len(s.Contents.Packs) || len(p.Streams) != 2 {
		t.Errorf("%+v", p)
	}
}
