package sqlite_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"holdfast/snapshot"
	"holdfast/snapshot/source/sqlite"
	"holdfast/snapshot/source/sqlite/sqlitetest"
)

// everything is a schema with each kind of page: overflow, free list, both kinds of b-tree,
// deep enough for interior pages at every page size.
func everything(pageSize, autoVacuum int, encoding string, n int) []string {
	return []string{
		fmt.Sprintf("PRAGMA page_size = %d; PRAGMA auto_vacuum = %d; PRAGMA encoding = '%s'", pageSize, autoVacuum, encoding),
		"CREATE TABLE secrets (id INTEGER PRIMARY KEY, v BLOB)",
		"CREATE TABLE long (id INTEGER PRIMARY KEY, v BLOB)",
		"CREATE TABLE pairs (k INTEGER, v BLOB, PRIMARY KEY (v, k)) WITHOUT ROWID",
		"CREATE TABLE gone (id INTEGER PRIMARY KEY AUTOINCREMENT, v BLOB)",
		"CREATE TABLE none (a)",
		rows("secrets", n, 60), rows("long (id, v)", n/40+2, pageSize*5/2), rows("pairs", n, 40), rows("pairs", 10, pageSize*2), rows("gone", n, 100),
		"CREATE INDEX secrets_by_v ON secrets (v)",
		"CREATE INDEX secrets_some ON secrets (v) WHERE id % 3 = 0",
		"CREATE INDEX secrets_long ON long (v)",
		"CREATE VIEW everything AS SELECT * FROM secrets",
		"CREATE VIRTUAL TABLE words USING fts5(body)",
		"INSERT INTO words SELECT hex(v) FROM secrets LIMIT 50",
		"CREATE VIRTUAL TABLE area USING rtree(id, x0, x1)",
		"INSERT INTO area SELECT id, id, id + 1 FROM secrets LIMIT 100",
		"ANALYZE",
		"DELETE FROM secrets WHERE id % 7 = 3",
		"DELETE FROM gone WHERE id > 20",
		"PRAGMA user_version = 42; PRAGMA application_id = -7",
	}
}

func TestCheckAcceptsEveryShapeOfDatabase(t *testing.T) {
	for _, pageSize := range []int{512, 1024, 4096, 8192, 32768, 65536} {
		for vacuum, encoding := range []string{"UTF-8", "UTF-16le", "UTF-16be"} {
			t.Run(fmt.Sprint(pageSize, " auto_vacuum ", vacuum), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "v.db")
				sqlitetest.Build(t, path, everything(pageSize, vacuum, encoding, shapeRows)...)
				d, content := take(t, path)
				got, err := sqlite.Check(bytes.NewReader(content), &d.Facts)
				if err != nil {
					t.Fatal(err)
				}
				if got.Rows != d.Info.Rows || got.Bytes != int64(len(content)) || got.Overflow == 0 {
					t.Errorf("counted %+v for %d rows in %d bytes", got, d.Info.Rows, len(content))
				}
				if vacuum != 1 && got.Free == 0 || vacuum > 0 && got.Map == 0 {
					t.Errorf("the sample lacks free or map pages: %+v", got)
				}
				if out := shell(t, save(t, content), "PRAGMA integrity_check"); out != "ok" {
					t.Errorf("sqlite3 says of the dump: %s", out)
				}
			})
		}
	}
}

func TestCheckAcceptsReservedBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	shell(t, path, ".filectrl reserve_bytes 12", "CREATE TABLE t (a INTEGER PRIMARY KEY, b)", rows("t", 2000, 300), "INSERT INTO t SELECT -a, randomblob(9000) FROM t LIMIT 3", "CREATE INDEX i ON t (b)")
	d, content := take(t, path)
	if content[20] != 12 {
		t.Fatalf("the sample reserves %d bytes", content[20])
	}
	if _, err := sqlite.Check(bytes.NewReader(content), &d.Facts); err != nil {
		t.Error(err)
	}
}

// The lock-byte page begins at 1 GiB. A sparse file reaches it cheaply: two trunks of the
// free list claim every page of the hole, and SQLite finds nothing wrong with that.
func TestCheckSkipsTheLockBytePage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	const pageSize, pages, lock = 65536, 16400, 1<<30/65536 + 1
	sqlitetest.Build(t, path, fmt.Sprintf("PRAGMA page_size = %d", pageSize), "CREATE TABLE t (a INTEGER PRIMARY KEY, b)", rows("t", 3, 10))
	stretch(t, path, pageSize, pages, lock)
	if out := shell(t, path, "PRAGMA integrity_check"); out != "ok" {
		t.Fatalf("sqlite3 says of the sample: %s", out)
	}
	pr, pw := io.Pipe()
	d := &sqlitetest.Recorder{To: pw}
	done := make(chan error, 1)
	go func() {
		err := (&sqlite.Source{Path: path}).Dump(t.Context(), d)
		pw.CloseWithError(err)
		done <- err
	}()
	// The facts come at the end of a dump, so this check asks SQLite itself for them.
	got, err := sqlite.Check(pr, examine(t, path))
	if dumped := <-done; dumped != nil {
		t.Fatal(dumped)
	}
	if err != nil || got.Rows != 3 || got.Map != 1 || got.Bytes != pages*pageSize {
		t.Errorf("counted %+v: %v", got, err)
	}
}

// stretch makes a two-page database one of the given size: page 3 and the one after the lock
// bytes become trunks of the free list, all others but the lock-byte page their leaves.
func stretch(t *testing.T, path string, pageSize, pages, lock int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	word := func(at int, v int) {
		if _, err := f.WriteAt(binary.BigEndian.AppendUint32(nil, uint32(v)), int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(int64(pages) * int64(pageSize)); err != nil {
		t.Fatal(err)
	}
	trunk := func(n, next, from, to int) {
		word((n-1)*pageSize, next)
		word((n-1)*pageSize+4, to-from)
		for i := from; i < to; i++ {
			word((n-1)*pageSize+8+4*(i-from), i)
		}
	}
	trunk(3, lock+1, 4, lock)
	trunk(lock+1, 0, lock+2, pages+1)
	word(28, pages)
	word(32, 3)
	word(36, pages-2-1)
}

// sample is one small database with everything in it and its facts.
func sample(t testing.TB, pageSize, vacuum int) ([]byte, sqlite.Facts) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "v.db")
	statements := everything(pageSize, vacuum, "UTF-8", 300)
	// SQLite looks into the rows of virtual tables when it checks, Check does not.
	statements = slices.DeleteFunc(statements, func(s string) bool { return strings.Contains(s, "words") || strings.Contains(s, "area") })
	sqlitetest.Build(t, path, statements...)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content, *examine(t, path)
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	content, facts := sample(t, 1024, 0)
	swap := func(b []byte, i, j int) {
		one := bytes.Clone(b[i*1024 : (i+1)*1024])
		copy(b[i*1024:], b[j*1024:(j+1)*1024])
		copy(b[j*1024:], one)
	}
	for name, c := range map[string]struct {
		change func(b []byte, f *sqlite.Facts) []byte
		want   string
	}{
		"cut":            {func(b []byte, f *sqlite.Facts) []byte { return b[:len(b)-1] }, "the bytes end inside page"},
		"empty":          {func(b []byte, f *sqlite.Facts) []byte { return nil }, "the bytes end inside page 1"},
		"longer":         {func(b []byte, f *sqlite.Facts) []byte { return append(b, 0) }, "bytes follow the last"},
		"not a database": {func(b []byte, f *sqlite.Facts) []byte { b[3] = 'x'; return b }, "does not begin as a SQLite 3 database"},
		"swapped pages":  {func(b []byte, f *sqlite.Facts) []byte { swap(b, 1, 2); return b }, "page"},
		"row lost": {func(b []byte, f *sqlite.Facts) []byte {
			for i := range f.Tables {
				if f.Tables[i].Name == "secrets" {
					f.Tables[i].Rows++
				}
			}
			return b
		}, `table "secrets" has`},
		"table lost": {func(b []byte, f *sqlite.Facts) []byte {
			f.Tables = f.Tables[:len(f.Tables)-1]
			return b
		}, "nothing uses it"},
		"root twice": {func(b []byte, f *sqlite.Facts) []byte {
			f.Tables = append(f.Tables, f.Tables[0])
			return b
		}, "used twice"},
		"free count": {func(b []byte, f *sqlite.Facts) []byte { b[39]++; return b }, "the free list has"},
		"page size":  {func(b []byte, f *sqlite.Facts) []byte { b[16], b[17] = 8, 0; return b }, "header has page size"},
		"version":    {func(b []byte, f *sqlite.Facts) []byte { b[63]++; return b }, "user_version"},
	} {
		f := facts
		f.Tables = append([]sqlite.Table(nil), facts.Tables...)
		b := c.change(bytes.Clone(content), &f)
		_, err := sqlite.Check(bytes.NewReader(b), &f)
		if !errors.Is(err, snapshot.ErrDamaged) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// The reader knows what was altered, so what it says comes before what the bytes say.
func TestReaderErrorsComeFirst(t *testing.T) {
	content, facts := sample(t, 1024, 0)
	digest := errors.New("digest differs")
	for _, b := range [][]byte{content, append([]byte("garbage"), content...), content[:5000], content[:10]} {
		r := io.MultiReader(bytes.NewReader(b), iotest.ErrReader(digest))
		if _, err := sqlite.Check(r, &facts); !errors.Is(err, digest) {
			t.Errorf("%d bytes: %v, want the reader's own error", len(b), err)
		}
	}
}

func TestCheckReadsOddPieces(t *testing.T) {
	content, facts := sample(t, 512, 2)
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		if _, err := sqlite.Check(pieces{bytes.NewReader(content), r}, &facts); err != nil {
			t.Fatal(err)
		}
	})
}

// pieces reads a random number of bytes at a time.
type pieces struct {
	r      io.Reader
	random *rand.Rand
}

func (p pieces) Read(b []byte) (int, error) {
	return p.r.Read(b[:min(len(b), 1+p.random.IntN(5000))])
}
