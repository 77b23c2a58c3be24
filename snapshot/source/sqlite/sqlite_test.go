package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/snapshot/source/sqlite"
	"holdfast/snapshot/source/sqlite/sqlitetest"
)

func TestMain(m *testing.M) {
	// As in every program, the first connection of the process is one of the package's own:
	// it chooses the kind of lock for all.
	db, conn, err := sqlite.Open(context.Background(), "/none", url.Values{"mode": {"memory"}}, 0)
	if err := errors.Join(err, conn.Close(), db.Close()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// take dumps the database at path into memory.
func take(t *testing.T, path string) (*sqlitetest.Recorder, []byte) {
	t.Helper()
	var b bytes.Buffer
	d := &sqlitetest.Recorder{To: &b}
	if err := (&sqlite.Source{Path: path}).Dump(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if !d.Sealed || len(d.Streams) != 1 || d.Streams[0].Size != int64(b.Len()) {
		t.Fatalf("the dump is not one sealed stream of its announced size: %+v, %d bytes", d.Streams, b.Len())
	}
	return d, b.Bytes()
}

// refuse dumps the database of s and wants an error and nothing sealed.
func refuse(t *testing.T, ctx context.Context, s *sqlite.Source) error {
	t.Helper()
	var b bytes.Buffer
	d := &sqlitetest.Recorder{To: &b}
	err := s.Dump(ctx, d)
	if err == nil || d.Sealed {
		t.Fatalf("dumping %s: error %v, sealed %v", s.Path, err, d.Sealed)
	}
	return err
}

// shell runs the sqlite3 command line, the second opinion on every copy.
func shell(t testing.TB, path string, script ...string) string {
	t.Helper()
	name, err := exec.LookPath("sqlite3")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no sqlite3 command here")
	}
	out, err := exec.Command(name, append([]string{"-batch", path}, script...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("sqlite3 %v: %v\n%s", script, err, out)
	}
	return strings.TrimSpace(string(out))
}

// save writes a dumped database to a new folder.
func save(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func listing(t testing.TB, dir string) map[string]int64 {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]int64{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = info.Size()
	}
	return files
}

// rows is SQL for n rows of (x, blob of size bytes).
func rows(table string, n, size int) string {
	return fmt.Sprintf("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < %d) INSERT INTO %s SELECT x, randomblob(%d) FROM c", n, table, size)
}

// examine describes a database at rest.
func examine(t testing.TB, path string) *sqlite.Facts {
	t.Helper()
	db, conn, err := sqlite.Open(t.Context(), path, url.Values{"mode": {"ro"}}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	defer conn.Close()
	facts, _, err := sqlite.Examine(t.Context(), conn, path, true)
	if err != nil {
		t.Fatal(err)
	}
	return facts
}
