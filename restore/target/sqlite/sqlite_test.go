package sqlite_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	driver "modernc.org/sqlite"

	"holdfast/fixtures/vaultc"
	"holdfast/restore"
	"holdfast/snapshot"
	source "holdfast/snapshot/source/sqlite"
)

func TestMain(m *testing.M) {
	if os.Getenv(fullDiskFolder) != "" {
		os.Exit(restoreOntoFullDisk())
	}
	if _, err := driver.OFDLocking(true); err != nil && !errors.Is(err, driver.ErrOFDLockingUnavailable) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// A dump is a stored dump in memory. A dump that fails does so instead of reading the byte
// at failAt.
type dump struct {
	infos   []snapshot.StreamInfo
	content []byte
	fail    error
	failAt  int
}

func (d *dump) Streams() []snapshot.StreamInfo { return d.infos }

func (d *dump) Open(context.Context, string) (io.ReadCloser, error) {
	if d.fail != nil {
		return io.NopCloser(io.MultiReader(bytes.NewReader(d.content[:d.failAt]), iotest.ErrReader(d.fail))), nil
	}
	return io.NopCloser(bytes.NewReader(d.content)), nil
}

func (d *dump) OpenRange(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return nil, errors.ErrUnsupported
}

// A lateDump does something just before it is read.
type lateDump struct {
	*dump
	before func()
}

func (d *lateDump) Open(ctx context.Context, stream string) (io.ReadCloser, error) {
	d.before()
	return d.dump.Open(ctx, stream)
}

// taken collects what a source writes into a dump.
type taken struct {
	bytes.Buffer
	dump *dump
}

func (w *taken) Stream(_ context.Context, s snapshot.Stream) (snapshot.StreamWriter, error) {
	w.dump.infos = []snapshot.StreamInfo{{Name: s.Name, Format: s.Format}}
	return w, nil
}
func (w *taken) About(snapshot.About) {}
func (w *taken) Warn(string)          {}
func (w *taken) Seal(rows int64, facts any) error {
	info := &w.dump.infos[0]
	info.Rows, info.Bytes, info.SHA256 = rows, int64(w.Len()), sha256.Sum256(w.Bytes())
	w.dump.content = w.Bytes()
	var err error
	info.Facts, err = json.Marshal(facts)
	return err
}

// take dumps the database at path.
func take(t testing.TB, path string) *dump {
	t.Helper()
	w := &taken{dump: new(dump)}
	if err := (&source.Source{Path: path}).Dump(context.Background(), w); err != nil {
		t.Fatal(err)
	}
	return w.dump
}

// vault makes a sample vault and its dump.
func vault(t testing.TB, o vaultc.Options) (vaultc.Vault, *dump) {
	t.Helper()
	v, err := vaultc.Generate(context.Background(), filepath.Join(t.TempDir(), "vault"), o)
	if err != nil {
		t.Fatal(err)
	}
	return v, take(t, v.Database)
}

func open(t testing.TB, path string, pragmas ...string) *sql.DB {
	t.Helper()
	connector, err := driver.NewConnector(source.URI(path, url.Values{"_pragma": pragmas}))
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func run(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%.80s: %v", s, err)
		}
	}
}

// tree reads every file of a folder.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

// names is tree without the contents.
func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

var _ restore.Dump = (*dump)(nil)
