package auditlog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/fixtures"
)

var server fixtures.SharedVault

func TestMain(m *testing.M) { os.Exit(server.Run(m)) }

func TestLogOfARealServerIsCounted(t *testing.T) {
	s := server.Get(t)
	path := filepath.Join(t.TempDir(), "audit.log")
	device := func() {
		s.OK(t, "PUT", "sys/audit/counted", map[string]any{"type": "file", "options": map[string]any{"file_path": path}})
		t.Cleanup(func() { s.API(t, "DELETE", "sys/audit/counted", nil) })
	}
	device()
	mount := s.MountKV(t, 2)
	for range 3 {
		s.OK(t, "POST", mount+"/data/team/app", map[string]any{"data": map[string]any{"password": "correct-horse"}})
	}
	s.OK(t, "GET", mount+"/data/team/app", nil)
	if status, _ := s.APIAs(t, s.Token(t, `path "nothing" { capabilities = ["read"] }`), "GET", mount+"/data/team/app", nil); status != 403 {
		t.Fatalf("a token without rights was answered %d", status)
	}
	s.OK(t, "DELETE", "sys/audit/counted", nil) // the server lets go of its file, as at a rotation
	must(t, os.Rename(path, path+".1"))
	device()
	s.OK(t, "GET", mount+"/data/team/app", nil)

	r := dump(t, path, nil)
	c := r.facts(t).Counts
	if len(r.index(t).Files) != 2 || c.Lines != c.Entries || c.Failures != 1 || c.RawTokens != 0 || c.RawValues != 0 || c.Incomplete != 0 {
		t.Errorf("%d files, counts %+v; warnings %q", len(r.index(t).Files), c, r.Warnings)
	}
	if row := find(c.Paths, mount+"/data/team/"); row.Requests != 6 || row.Failures != 1 {
		t.Errorf("the path has %+v", row)
	}
	if row := find(c.Errors, "permission denied"); row.Failures != 1 {
		t.Errorf("errors: %+v", c.Errors.Rows)
	}
	if row := find(c.Actors, "root"); row.Requests == 0 {
		t.Errorf("actors: %+v", c.Actors.Rows)
	}
}

func TestRawDeviceOfARealServerIsCalledOut(t *testing.T) {
	s := server.Get(t)
	path := filepath.Join(t.TempDir(), "raw.log")
	s.OK(t, "PUT", "sys/audit/raw", map[string]any{"type": "file", "options": map[string]any{"file_path": path, "log_raw": "true"}})
	t.Cleanup(func() { s.API(t, "DELETE", "sys/audit/raw", nil) })
	mount := s.MountKV(t, 2)
	s.OK(t, "POST", mount+"/data/team/app", map[string]any{"data": map[string]any{"password": "correct-horse"}})
	r := dump(t, path, nil)
	if !warned(r, "tokens in the clear") || !warned(r, "values in the clear") {
		t.Errorf("warnings: %q", r.Warnings)
	}
	text := strings.Join(r.Warnings, " ") + string(r.Part(IndexStream).Info.Facts)
	if strings.Contains(text, "correct-horse") || strings.Contains(text, s.RootToken) {
		t.Error("a secret came out of the log")
	}
}

func find(g Group, key string) Row {
	for _, r := range g.Rows {
		if r.Key == key {
			return r
		}
	}
	return Row{}
}
