package main

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"holdfast/fixtures"
	"holdfast/fixtures/vaultc"
	"holdfast/fixtures/vaultd"
)

// commands are what scripts can say beside testscript's own words.
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exits":         exits,
		"vaultc":        makeVaultC,
		"vaultd":        makeVaultD,
		"mutatec":       mutateC,
		"mutated":       mutateD,
		"flip":          flip,
		"reset":         reset,
		"unprivileged":  unprivileged,
		"pick":          pick,
		"lock":          lockDatabase,
		"waitfor":       waitForFile,
		"snapshots":     wantSnapshots,
		"forge":         forge,
		"forgecontents": forgeContents,
	}
}

// TestScriptsOverS3 runs each script against a bucket of its own in a real S3 server. A script
// finds the repository's URL in $REPO, and in $OBJECTS the folder where the server keeps the
// repository's objects: what a script does there happens behind the server's back, as when a
// disk rots.
func TestScriptsOverS3(t *testing.T) {
	server := fixtures.S3(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script/s3",
		RequireExplicitExec: true,
		Setup:               func(e *testscript.Env) error { return inBucket(e, server) },
		Cmds:                withUser(commands(), server),
	})
}

// TestScriptsOnFullDisks runs scripts with two small disks: $STORE for a repository, and $TARGET
// for a restore.
func TestScriptsOnFullDisks(t *testing.T) {
	store, target := fixtures.SmallDisk(t, 4<<20), fixtures.SmallDisk(t, 1<<20)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script/disk",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("STORE", store)
			e.Setenv("TARGET", target)
			e.Setenv("OBJECTS", filepath.Join(store, "repository"))
			return atHome(e)
		},
		Cmds: commands(),
	})
}

func inBucket(e *testscript.Env, server *fixtures.S3Server) error {
	bucket, err := server.NewBucket(fixtures.BucketOptions{})
	if err != nil {
		return err
	}
	e.Vars = append(e.Vars, server.Env()...)
	e.Setenv("BUCKET", bucket)
	e.Setenv("ENDPOINT", server.Endpoint)
	e.Setenv("REPO", server.BucketURL(bucket, "prod"))
	e.Setenv("NO_BUCKET", server.BucketURL(bucket+"-gone", "prod"))
	e.Setenv("OBJECTS", filepath.Join(server.Data, bucket, "prod"))
	e.Values[secrets{}] = &[]string{server.Secret}
	return atHome(e)
}

// atHome gives a script a home of its own and no trace of the one who runs the tests.
func atHome(e *testscript.Env) error {
	e.Setenv("TZ", "UTC")
	e.Setenv("CANARY", canary)
	e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
	e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, "cache"))
	return errors.Join(os.Mkdir(filepath.Join(e.WorkDir, "home"), 0o700), os.Mkdir(filepath.Join(e.WorkDir, "cache"), 0o700))
}

// secrets is the key of the values, a *[]string, that no output may hold beside the canary.
type secrets struct{}

// withUser adds a word that needs the server: user NAME [ACTION ...] makes somebody who may do
// only these things in the script's bucket, and goes on as that user.
func withUser(cmds map[string]func(*testscript.TestScript, bool, []string), server *fixtures.S3Server) map[string]func(*testscript.TestScript, bool, []string) {
	cmds["user"] = func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) == 0 {
			ts.Fatalf("usage: user NAME [ACTION ...]")
		}
		bucket := ts.Getenv("BUCKET")
		u, err := server.NewUser(args[0] + "-" + bucket)
		ts.Check(err)
		if len(args) > 1 {
			ts.Check(server.Allow(u, bucket, args[1:]...))
		}
		for _, kv := range u.Env() {
			key, value, _ := strings.Cut(kv, "=")
			ts.Setenv(key, value)
		}
	}
	return cmds
}

// makeVaultC makes a sample SQLite vault: vaultc DIR SECRETS [JOURNAL].
func makeVaultC(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: vaultc DIR SECRETS [wal|delete]")
	}
	o := vaultc.Options{Secrets: number(ts, args[1]), Seed: 1}
	if len(args) > 2 {
		o.Journal = args[2]
	}
	_, err := vaultc.Generate(context.Background(), ts.MkAbs(args[0]), o)
	ts.Check(err)
}

// makeVaultD makes a sample local encrypted store: vaultd DIR SECRETS.
func makeVaultD(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: vaultd DIR SECRETS")
	}
	ts.Check(vaultd.Generate(ts.MkAbs(args[0]), vaultd.Options{Secrets: number(ts, args[1]), Seed: 1}))
}

// mutateC rotates and adds PERCENT of a SQLite vault's secrets: mutatec DATABASE PERCENT.
func mutateC(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mutatec DATABASE PERCENT")
	}
	ts.Check(vaultc.Mutate(context.Background(), ts.MkAbs(args[0]), float64(number(ts, args[1]))/100))
}

// mutateD rotates secrets of a local encrypted store: mutated DIR SECRETS.
func mutateD(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mutated DIR SECRETS")
	}
	ts.Check(vaultd.Mutate(ts.MkAbs(args[0]), number(ts, args[1])))
}

func number(ts *testscript.TestScript, text string) int {
	n, err := strconv.Atoi(text)
	ts.Check(err)
	return n
}

// flip flips one bit of a file, at an offset or in its middle: flip GLOB [OFFSET]. Of several
// files that match it takes the first.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: flip GLOB [OFFSET]")
	}
	path := match(ts, args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	at := len(b) / 2
	if len(args) == 2 {
		at = number(ts, args[1])
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0) // in place: it keeps its attributes
	ts.Check(err)
	_, err = f.WriteAt([]byte{b[at] ^ 0x10}, int64(at))
	ts.Check(err)
	ts.Check(f.Close())
}

// reset puts $OBJECTS back to what a copy of it holds, as on a new host: reset COPY.
func reset(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: reset COPY")
	}
	ts.Check(os.RemoveAll(ts.Getenv("OBJECTS")))
	ts.Check(os.RemoveAll(ts.Getenv("XDG_CACHE_HOME")))
	// cp keeps the attributes in which the server remembers checksums.
	ts.Check(exec.Command("cp", "-a", ts.MkAbs(args[0]), ts.Getenv("OBJECTS")).Run())
}

// match returns the first file that a glob matches.
func match(ts *testscript.TestScript, glob string) string {
	list, err := filepath.Glob(ts.MkAbs(glob))
	ts.Check(err)
	if len(list) == 0 {
		ts.Fatalf("nothing matches %s", glob)
	}
	return list[0]
}

// unprivileged is exits for somebody whom file modes stop: unprivileged CODE COMMAND ARGS. Root
// keeps its name and loses its powers.
func unprivileged(ts *testscript.TestScript, neg bool, args []string) {
	if os.Geteuid() == 0 && len(args) > 1 {
		args = append([]string{args[0], "setpriv", "--bounding-set=-all", "--inh-caps=-all"}, args[1:]...)
	}
	exits(ts, neg, args)
}

// pick sets a variable to what jq finds in a document: pick NAME FILE FILTER.
func pick(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: pick NAME FILE FILTER")
	}
	jq := exec.Command("jq", "-er", args[2])
	jq.Stdin = strings.NewReader(ts.ReadFile(args[1]))
	out, err := jq.CombinedOutput()
	if err != nil {
		ts.Fatalf("jq %s: %v\n%s", args[2], err, out)
	}
	ts.Setenv(args[0], strings.TrimSpace(string(out)))
}

// lockDatabase keeps everybody out of a SQLite database in rollback-journal mode, until unlock
// or the end of the script: lock DATABASE.
func lockDatabase(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: lock DATABASE")
	}
	u := url.URL{Scheme: "file", Path: ts.MkAbs(args[0]), OmitHost: true, RawQuery: "mode=rw"}
	db, err := sql.Open("sqlite", u.String())
	ts.Check(err)
	conn, err := db.Conn(context.Background())
	ts.Check(err)
	_, err = conn.ExecContext(context.Background(), "BEGIN EXCLUSIVE")
	ts.Check(err)
	unlock := sync.OnceValue(func() error { return errors.Join(conn.Close(), db.Close()) })
	ts.SetCmd("unlock", func(ts *testscript.TestScript, neg bool, args []string) { ts.Check(unlock()) })
	ts.Defer(func() { ts.Check(unlock()) })
}

// waitForFile waits until a file is there: waitfor GLOB.
func waitForFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor GLOB")
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if list, err := filepath.Glob(ts.MkAbs(args[0])); err == nil && len(list) > 0 {
			return
		}
	}
	ts.Fatalf("%s did not appear", args[0])
}

// wantSnapshots wants so many snapshots of a vault, both by their manifests in the store and
// by what list says: snapshots VAULT COUNT.
func wantSnapshots(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: snapshots VAULT COUNT")
	}
	want := number(ts, args[1])
	stored, err := filepath.Glob(filepath.Join(ts.Getenv("OBJECTS"), "vaults", args[0], "snapshots", "*", "manifest"))
	ts.Check(err)
	if len(stored) != want {
		ts.Fatalf("%d manifests of %s are stored, want %d: %v", len(stored), args[0], want, stored)
	}
	ts.Check(ts.Exec("holdfast", "list", "--vault", args[0], "--json"))
	if n := strings.Count(ts.ReadFile("stdout"), `"manifest": {`); n != want {
		ts.Fatalf("%d snapshots of %s are listed, want %d:\n%s", n, args[0], want, ts.ReadFile("stdout"))
	}
}
