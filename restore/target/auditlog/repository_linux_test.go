package auditlog

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures/testrepo"
	"holdfast/restore"
	"holdfast/snapshot"
	"holdfast/snapshot/source/auditlog"
	"holdfast/snapshot/source/auditlog/auditlogtest"
)

func TestRotationAndAppendsStoreLittle(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "audit.log")
	m := auditlogtest.NewMaker(8)
	old, current, appended, next := m.Lines(4000), m.Lines(2500), m.Lines(25), m.Lines(5)
	must(t, os.WriteFile(log+".1", old, 0o600))
	must(t, os.WriteFile(log, current, 0o600))
	time.Sleep(2100 * time.Millisecond) // until the times can be trusted
	repo := testrepo.Dir(t)
	src := &auditlog.Source{Path: log}
	first := repo.Take(t, "core-audit", src)

	f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.Write(appended)
	must(t, err)
	must(t, f.Close())
	grown := repo.Take(t, "core-audit", src)
	compare(t, "1 % appended", first, grown, 10)

	must(t, os.WriteFile(log+".2.gz", packed(t, old), 0o600))
	must(t, os.Rename(log, log+".1"))
	must(t, os.WriteFile(log, next, 0o600))
	rotated := repo.Take(t, "core-audit", src)
	compare(t, "rotated and packed", first, rotated, 3)

	d, err := restore.Open(t.Context(), repo.Store, rotated, repo.Trust, nil, repo.Identity)
	must(t, err)
	if _, err := (Checker{}).Check(t.Context(), d); err != nil {
		t.Error(err)
	}
	place := filepath.Join(t.TempDir(), "log")
	load(t, Target{Path: place}, d)
	want := files{"audit.log.2": old, "audit.log.1": bytes.Join([][]byte{current, appended}, nil), "audit.log": next}
	if diff := cmp.Diff(want.text(), folder(t, place)); diff != "" {
		t.Error("the restored log is not the same")
	}
}

// compare prints what a snapshot stored beside the first, and fails above percent.
func compare(t *testing.T, what string, first, m *snapshot.Manifest, percent int64) {
	t.Helper()
	a, b := first.Totals, m.Totals
	t.Logf("%s: %d bytes stored anew, the first snapshot of %d bytes stored %d", what, b.NewBytes, a.PlainBytes, a.NewBytes)
	if b.NewBytes*100 > a.NewBytes*percent {
		t.Errorf("%s: %d bytes stored anew, more than %d %% of %d", what, b.NewBytes, percent, a.NewBytes)
	}
}
