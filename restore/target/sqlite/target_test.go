package sqlite_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures/vaultc"
	"holdfast/restore"
	target "holdfast/restore/target/sqlite"
	"holdfast/snapshot"
	source "holdfast/snapshot/source/sqlite"
	"holdfast/snapshot/source/sqlite/sqlitetest"
)

func TestRestoredVaultIsTheDumpedOne(t *testing.T) {
	for _, journal := range []string{"wal", "delete"} {
		v, d := vault(t, vaultc.Options{Secrets: 2000, Journal: journal})
		dir := t.TempDir()
		path := filepath.Join(dir, "vault.db")
		got, err := (&target.Target{Path: path}).Load(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		want := restore.Loaded{Place: path, Streams: []restore.LoadedStream{{Name: "vault.db", Rows: d.infos[0].Rows, Bytes: d.infos[0].Bytes}}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if string(d.content) != sqlitetest.Files(t, dir)["vault.db"] {
			t.Error("the file is not the dump")
		}
		if diff := cmp.Diff([]string{"vault.db"}, names(t, dir)); diff != "" {
			t.Error(diff)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		if out, err := exec.Command("sqlite3", "-batch", path, "PRAGMA integrity_check", "PRAGMA journal_mode").Output(); err != nil || string(out) != "ok\n"+journal+"\n" {
			t.Errorf("sqlite3 says %q, %v", out, err)
		}
		v.Database = path
		var name, environment string
		if err := sqlitetest.Open(t, path).QueryRow("SELECT name, environment FROM secrets WHERE id = 77").Scan(&name, &environment); err != nil {
			t.Fatal(err)
		}
		if _, err := vaultc.Open(t.Context(), v, environment, name); err != nil {
			t.Errorf("opening a restored secret: %v", err)
		}
	}
}

// Wherever the reader fails, the folder is as it was.
func TestFailedReadLeavesTheFolderAsItWas(t *testing.T) {
	_, d := vault(t, vaultc.Options{Secrets: 300})
	v, _ := vault(t, vaultc.Options{Secrets: 10, Seed: 9})
	d.fail = snapshot.Damaged("packs/ab", "digest differs")
	empty := t.TempDir()
	for _, tt := range []*target.Target{{Path: filepath.Join(empty, "vault.db")}, {Path: filepath.Join(empty, "vault.db"), Replace: true}, {Path: v.Database, Replace: true}} {
		dir := filepath.Dir(tt.Path)
		before := sqlitetest.Files(t, dir)
		for d.failAt = 0; d.failAt <= len(d.content); d.failAt += len(d.content)/23 + 1 {
			if _, err := tt.Load(t.Context(), d); !errors.Is(err, snapshot.ErrDamaged) {
				t.Fatalf("at byte %d: %v", d.failAt, err)
			}
		}
		d.failAt = len(d.content) // all bytes, but not the verdict
		if _, err := tt.Load(t.Context(), d); !errors.Is(err, snapshot.ErrDamaged) {
			t.Fatalf("at the end: %v", err)
		}
		if diff := cmp.Diff(before, sqlitetest.Files(t, dir)); diff != "" {
			t.Error("the folder changed")
		}
	}
}

// What arrives may be other than what was dumped although its reader is content: the load
// counts and compares for itself.
func TestLoadComparesWhatItWrote(t *testing.T) {
	_, d := vault(t, vaultc.Options{Secrets: 300})
	facts := func(change func(*source.Facts)) func(*dump) {
		return func(d *dump) {
			var f source.Facts
			if err := json.Unmarshal(d.infos[0].Facts, &f); err != nil {
				t.Fatal(err)
			}
			change(&f)
			b, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			d.infos[0].Facts, d.infos[0].Rows = b, f.Rows()
		}
	}
	for name, c := range map[string]struct {
		change func(d *dump)
		want   string
	}{
		"other digest": {func(d *dump) { d.infos[0].SHA256[3]++ }, "digest"},
		"cut":          {func(d *dump) { d.content = d.content[:len(d.content)-4096] }, "bytes instead of"},
		"row lost":     {facts(func(f *source.Facts) { f.Tables[1].Rows++ }), "rows at the source"},
		"schema":       {facts(func(f *source.Facts) { f.SchemaSHA256[0]++ }), "schema digest"},
		"rows":         {func(d *dump) { d.infos[0].Rows++ }, "its facts say"},
		"two streams":  {func(d *dump) { d.infos = append(d.infos, d.infos[0]) }, "one stream"},
		"format":       {func(d *dump) { d.infos[0].Format = "tar" }, `has format "tar"`},
		"facts":        {func(d *dump) { d.infos[0].Facts = []byte("[") }, "reading the facts"},
	} {
		changed := &dump{infos: append([]snapshot.StreamInfo(nil), d.infos...), content: d.content}
		c.change(changed)
		dir := t.TempDir()
		_, err := (&target.Target{Path: filepath.Join(dir, "v.db")}).Load(t.Context(), changed)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if left := names(t, dir); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
}

// A damaged database with a matching digest cannot come from our source, but SQLite is
// asked all the same before the file gets its name.
func TestDamagedDatabaseNeverGetsItsName(t *testing.T) {
	_, d := vault(t, vaultc.Options{Secrets: 300})
	copy(d.content[len(d.content)/2:], make([]byte, 4096*3))
	rehash(d)
	dir := t.TempDir()
	_, err := (&target.Target{Path: filepath.Join(dir, "v.db")}).Load(t.Context(), d)
	if !errors.Is(err, snapshot.ErrDamaged) || !strings.Contains(err.Error(), "checking the restored database") {
		t.Error(err)
	}
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestRehearsalKeepsNothing(t *testing.T) {
	_, d := vault(t, vaultc.Options{Secrets: 300})
	v, _ := vault(t, vaultc.Options{Secrets: 10, Seed: 9})
	empty := t.TempDir()
	for _, tt := range []*target.Target{{Path: filepath.Join(empty, "v.db"), Rehearse: true}, {Path: v.Database, Replace: true, Rehearse: true}} {
		before := sqlitetest.Files(t, filepath.Dir(tt.Path))
		got, err := tt.Load(t.Context(), d)
		if err != nil || got.Streams[0].Rows != d.infos[0].Rows {
			t.Errorf("%+v, %v", got, err)
		}
		if diff := cmp.Diff(before, sqlitetest.Files(t, filepath.Dir(tt.Path))); diff != "" {
			t.Error("the rehearsal left something")
		}
	}
}

func TestCancelledLoadKeepsNothing(t *testing.T) {
	_, d := vault(t, vaultc.Options{Secrets: 300})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if _, err := (&target.Target{Path: filepath.Join(dir, "v.db")}).Load(ctx, d); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestPreflightNamesEveryProblem(t *testing.T) {
	_, d := vault(t, vaultc.Options{Secrets: 10})
	huge := &dump{infos: append([]snapshot.StreamInfo(nil), d.infos...)}
	huge.infos[0].Bytes = 1 << 60
	dir := t.TempDir()
	write(t, filepath.Join(dir, "there.db"), "")
	write(t, filepath.Join(dir, "side.db-wal"), "x")
	write(t, filepath.Join(dir, "side.db-journal"), "x")
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling.db")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		target target.Target
		dump   restore.Dump
		want   []error
		count  int
	}{
		{"free", target.Target{Path: filepath.Join(dir, "new.db")}, d, nil, 0},
		{"occupied", target.Target{Path: filepath.Join(dir, "there.db")}, d, []error{restore.ErrOccupied}, 1},
		{"replace", target.Target{Path: filepath.Join(dir, "there.db"), Replace: true}, d, nil, 0},
		{"folder", target.Target{Path: dir, Replace: true}, d, []error{restore.ErrOccupied}, 1},
		{"dangling link", target.Target{Path: filepath.Join(dir, "dangling.db"), Replace: true}, d, []error{restore.ErrOccupied}, 1},
		{"side files", target.Target{Path: filepath.Join(dir, "side.db")}, d, []error{restore.ErrOccupied}, 2},
		{"no folder", target.Target{Path: filepath.Join(dir, "none", "x.db")}, d, []error{fs.ErrNotExist}, 1},
		{"file for a folder", target.Target{Path: filepath.Join(dir, "there.db", "x.db")}, d, []error{syscall.ENOTDIR}, 1},
		{"all at once", target.Target{Path: filepath.Join(dir, "there.db")}, huge, []error{restore.ErrOccupied, syscall.ENOSPC, snapshot.ErrDamaged}, 3},
	} {
		before := names(t, dir)
		err := c.target.Preflight(t.Context(), c.dump)
		var found restore.Problems
		errors.As(err, &found)
		if (err == nil) != (c.count == 0) || len(found) != c.count {
			t.Errorf("%s: %d problems, want %d: %v", c.name, len(found), c.count, err)
		}
		for _, want := range c.want {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v does not match %v", c.name, err, want)
			}
		}
		if c.count > 0 {
			if _, err := c.target.Load(t.Context(), c.dump); err == nil {
				t.Errorf("%s: loaded all the same", c.name)
			}
		}
		if diff := cmp.Diff(before, names(t, dir)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestCheckerRecountsAndNoticesDamage(t *testing.T) {
	_, d := vault(t, vaultc.Options{Secrets: 1000})
	got, err := target.Checker{}.Check(t.Context(), d)
	want := restore.Loaded{Streams: []restore.LoadedStream{{Name: "vault.db", Rows: d.infos[0].Rows, Bytes: d.infos[0].Bytes}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	d.content[4096*3] ^= 0xff
	if _, err := (target.Checker{}).Check(t.Context(), d); !errors.Is(err, snapshot.ErrDamaged) {
		t.Errorf("a page with another type: %v", err)
	}
	d.fail, d.failAt = errors.New("pack is gone"), 9000
	if _, err := (target.Checker{}).Check(t.Context(), d); !errors.Is(err, d.fail) {
		t.Errorf("a reader that fails: %v", err)
	}
}
