package raft

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"holdfast/restore"
	"holdfast/restore/target/raft/barrier"
)

// helperActs has this program start a scratch server for engines of this type, tell of it and end.
const helperActs = "HOLDFAST_TEST_SCRATCH_ACTS"

func startActing(program, dir string) int {
	var log restore.DrillLog
	x := &run{Rehearsal: &Rehearsal{Program: program, Dir: dir}, log: &log, whole: &whole{}, thin: newThinning()}
	x.proof.Mounts = []barrier.Mount{{Path: "prod/", Type: os.Getenv(helperActs)}}
	_, err := x.start(context.Background())
	fmt.Println(errors.Is(err, ErrReaches), err, log.Limits)
	if x.server != nil {
		err = x.server.destroy()
	}
	fmt.Println(err)
	return 0
}

// A restored server has the credentials of production. Whoever may not take the network away from it is
// not to start it with engines that would use them.
func TestWithoutANetworkOfItsOwnAnActingEngineIsNotStarted(t *testing.T) {
	t.Parallel()
	for engine, want := range map[string]string{
		"database": "true the snapshot has secrets engines that change other systems",
		"kv":       "false <nil> [the scratch server shares this machine's network",
	} {
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), helperDir+"="+dir, helperActs+"="+engine)
		out, err := withoutAdmin(cmd)
		if err != nil || !strings.HasPrefix(string(out), want) || !strings.HasSuffix(string(out), "\n<nil>\n") {
			t.Errorf("%s: %v\n%s", engine, err, out)
		}
		nothingLeft(t, dir)
	}
}

// withoutAdmin runs cmd as one who may make no network.
func withoutAdmin(cmd *exec.Cmd) (out []byte, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with its goroutine
		if err = unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_ADMIN, 0, 0, 0); err != nil && os.Geteuid() == 0 {
			return
		}
		out, err = cmd.CombinedOutput()
	}()
	<-done
	return out, err
}

func TestEnginesThatAreNotKnownToBePassiveAct(t *testing.T) {
	mounts := []barrier.Mount{
		{Path: "secret/", Type: "kv"}, {Path: "identity/", Type: "identity"}, {Path: "sys/", Type: "ns_system", Namespace: "a"},
		{Path: "db/", Type: "database"}, {Path: "own/", Type: "our-plugin", Namespace: "a"},
	}
	if diff := cmp.Diff([]string{"db/ (database)", "a/own/ (our-plugin)"}, acting(mounts)); diff != "" {
		t.Error(diff)
	}
}
