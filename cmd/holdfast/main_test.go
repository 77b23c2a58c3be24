package main

import (
	"bytes"
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"holdfast":         main,
		"age-plugin-probe": pluginMain,
		"holdfast-panic": func() { // the same, with a command that is broken
			os.Exit(guarded(os.Args[1:]))
		},
		"holdfast-stopped": func() { // the same, with a signal that comes when the first snapshot is taken
			os.Exit(stopped(os.Args[1:]))
		},
		"holdfast-wait": func() { // a command that lasts until a signal comes
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			os.Exit(waiting(ctx))
		},
	})
}

// guarded runs a command line whose output panics.
func guarded(args []string) int {
	return run(context.Background(), args, os.Stdin, panicking{}, os.Stderr)
}

type panicking struct{}

func (panicking) Write([]byte) (int, error) { panic("broken output") }

// stopped runs a command line that is asked to stop once it says that a snapshot was taken.
func stopped(args []string) int {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	return run(ctx, args, os.Stdin, os.Stdout, stopping{stop})
}

// stopping is a standard error that calls stop.
type stopping struct{ stop func() }

func (s stopping) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("snapshot taken")) {
		s.stop()
	}
	return os.Stderr.Write(b)
}

// waiting runs a command that reads standard input for ever, and interrupts itself.
func waiting(ctx context.Context) int {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	context.AfterFunc(ctx, func() { w.Close() })
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		panic(err)
	}
	return run(ctx, []string{"key", "show", "-"}, r, os.Stdout, os.Stderr)
}

// canary stands for a secret: scripts put it where secrets are, and no output may hold it.
const canary = "c4nary-hunter2"

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup:               atHome,
		Cmds:                commands(),
	})
}

// exits runs a command line and wants an exit code: exits CODE COMMAND ARGS. Whatever the
// command prints must hold neither the canary nor a credential.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGS]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("%s: exit %s, want %s", strings.Join(args[1:], " "), code, args[0])
	}
	out := strings.ToLower(ts.ReadFile("stdout") + ts.ReadFile("stderr"))
	var more []string
	if list, ok := ts.Value(secrets{}).(*[]string); ok {
		more = *list
	}
	for _, secret := range append(more, canary) {
		if strings.Contains(out, strings.ToLower(secret)) {
			ts.Fatalf("%s printed a secret:\n%s", strings.Join(args[1:], " "), out)
		}
	}
}

func TestNothingIsWrittenWhereTheCommandDoesNotSay(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, args := range [][]string{{"version"}, {"config", "schema"}, {"config", "check"}, {"key", "generate"}, {"completion", "bash"}, {"nonsense"}} {
		var out, errs strings.Builder
		run(t.Context(), args, strings.NewReader(""), &out, &errs)
		if left, err := filepath.Glob("*"); err != nil || len(left) > 0 {
			t.Errorf("%v left %v, %v", args, left, err)
		}
	}
}
