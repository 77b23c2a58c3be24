package sqlite_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"holdfast/snapshot"
	"holdfast/snapshot/source/sqlite"
	"holdfast/snapshot/source/sqlite/sqlitetest"
)

// Hostile bytes: no panic, and no more memory than the bytes warrant.
func FuzzCheck(f *testing.F) {
	for vacuum := range 3 {
		path := filepath.Join(f.TempDir(), "v.db")
		sqlitetest.Build(f, path, "PRAGMA page_size = 512; PRAGMA auto_vacuum = "+fmt.Sprint(vacuum), "CREATE TABLE t (a INTEGER PRIMARY KEY, b)",
			rows("t", 60, 30), "INSERT INTO t SELECT -a, randomblob(2000) FROM t LIMIT 2", "CREATE INDEX i ON t (b)", "DELETE FROM t WHERE a > 40")
		content, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content, uint32(2), uint32(3), int64(42))
	}
	f.Fuzz(func(t *testing.T, b []byte, root, index uint32, rows int64) {
		facts := sqlite.Facts{PageSize: 512, Pages: int64(len(b) / 512), Encoding: "UTF-8", Tables: []sqlite.Table{
			{Name: "sqlite_schema", Root: 1, Rows: 2}, {Name: "t", Root: root, Rows: rows},
		}, Indexes: []sqlite.Index{{Name: "i", Table: "t", Root: index}}}
		if len(b) >= 72 { // reach past the header's own checks
			if v := uint32(b[52])<<24 | uint32(b[53])<<16 | uint32(b[54])<<8 | uint32(b[55]); v != 0 {
				facts.AutoVacuum = 1
				if b[64]|b[65]|b[66]|b[67] != 0 {
					facts.AutoVacuum = 2
				}
			}
		}
		counts, err := sqlite.Check(bytes.NewReader(b), &facts)
		if err != nil && !errors.Is(err, snapshot.ErrDamaged) {
			t.Errorf("%v does not match ErrDamaged", err)
		}
		if err == nil && counts.Tree+counts.Overflow+counts.Free+counts.Map != counts.Pages {
			t.Errorf("accepted, but the pages do not add up: %+v", counts)
		}
	})
}
