package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	driver "modernc.org/sqlite"

	"holdfast/fixtures/vaultc"
	"holdfast/restore"
	"holdfast/snapshot"
	source "holdfast/snapshot/source/sqlite"
	"holdfast/snapshot/source/sqlite/sqlitetest"
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

// take dumps the database at path.
func take(t testing.TB, path string) *dump {
	t.Helper()
	d, err := record(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// record is take for where there is no test.
func record(ctx context.Context, path string) (*dump, error) {
	var content bytes.Buffer
	w := &sqlitetest.Recorder{To: &content}
	if err := (&source.Source{Path: path}).Dump(ctx, w); err != nil {
		return nil, err
	}
	return &dump{infos: []snapshot.StreamInfo{w.Info}, content: content.Bytes()}, nil
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

// names are the files of a folder.
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
