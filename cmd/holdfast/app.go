package main

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"holdfast/cmd/holdfast/config"
)

// An app is what the commands of one run share.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	stderr *swappable // progress bars take it over while they are shown
	screen *os.File   // stderr if it is a terminal, else nil

	configFile string
	json       bool
	quiet      bool
	verbose    bool
	noProgress bool

	log      *slog.Logger
	printed  bool  // a JSON document is out
	writeErr error // the first failure to write a result
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *app {
	a := &app{stdin: stdin, stdout: stdout, stderr: &swappable{w: stderr}, log: slog.New(slog.DiscardHandler)}
	if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		a.screen = f
	}
	return a
}

// start makes what depends on the global flags.
func (a *app) start() error {
	if a.quiet && a.verbose {
		return &usage{message: "--quiet and --verbose contradict each other", hint: "leave one out"}
	}
	level := slog.LevelInfo
	if a.quiet {
		level = slog.LevelWarn
	}
	if a.verbose {
		level = slog.LevelDebug
	}
	if a.screen != nil {
		a.log = slog.New(tint.NewTextHandler(a.stderr, &tint.Options{Level: level, TimeFormat: "15:04:05", NoColor: os.Getenv("NO_COLOR") != ""}))
	} else {
		a.log = slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: level}))
	}
	return nil
}

// load reads the configuration that --config names.
func (a *app) load() (*config.Config, error) {
	c, err := config.Load(a.configFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &usage{message: err.Error(), hint: "`holdfast init` writes one; --config names another"}
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, &usage{message: err.Error(), hint: "run as the user it belongs to"}
	}
	return c, err
}

// A swappable is a writer whose target changes while others write to it.
type swappable struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *swappable) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(b)
}

// swap makes w the target and returns the one before.
func (s *swappable) swap(w io.Writer) io.Writer {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.w
	s.w = w
	return old
}
