package raft

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A scratch is a server made for one rehearsal: a single node in a folder that no other user
// can look into, with a network of its own where the system allows that.
type scratch struct {
	*node
	dir      string
	folder   *os.File // dir, open
	isolated bool     // nothing outside can be reached from it
	pid      int
	said     tail
	exited   chan struct{}
	exit     error // once exited is closed
}

// startTime is how long a server may take until it answers.
const startTime = time.Minute

// startScratch starts program in a new folder in dir and waits until it answers. The caller ends it
// by destroy; after an error nothing is left.
func startScratch(ctx context.Context, program, dir string) (*scratch, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("looking for the server's program: %w", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("looking for the server's program: %w", err)
	}
	folder, err := os.MkdirTemp(dir, "holdfast-drill-") // of mode 0700
	if err == nil {
		folder, err = filepath.Abs(folder) // the server has it as its working directory
	}
	if err != nil {
		return nil, fmt.Errorf("making the scratch server's folder: %w", err)
	}
	open, err := os.Open(folder)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the scratch server's folder: %w", err), os.Remove(folder))
	}
	// A socket's name has at most 107 bytes, a folder's may have more.
	socket := fmt.Sprintf("/proc/self/fd/%d/api", open.Fd())
	s := &scratch{node: newNode(socket), dir: folder, folder: open, exited: make(chan struct{})}
	if err := s.start(ctx, path); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the scratch server: %w", err), s.destroy())
	}
	return s, nil
}

func (s *scratch) start(ctx context.Context, program string) error {
	started := make(chan error)
	go s.run(program, started)
	if err := <-started; err != nil {
		return err
	}
	return s.answering(ctx)
}

// run starts the server and waits for its end. It keeps its thread to itself all the while: the
// network is the thread's, and the kernel kills the server when the thread that started it ends.
// The thread ends with this goroutine, since it is never unlocked.
func (s *scratch) run(program string, started chan<- error) {
	defer close(s.exited)
	runtime.LockOSThread()
	var err error
	if s.isolated, err = leaveNetwork(); err != nil {
		started <- err
		return
	}
	cmd, err := s.command(program)
	if err != nil {
		started <- err
		return
	}
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	s.pid = cmd.Process.Pid
	started <- nil
	s.exit = cmd.Wait()
}

// command is the server with nothing of our environment, which may hold addresses and tokens of
// production. What it starts in turn is of its process group.
func (s *scratch) command(program string) (*exec.Cmd, error) {
	if err := s.configure(); err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "server", "-config="+configFile)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + s.dir, "TMPDIR=" + s.dir}
	cmd.Stdout, cmd.Stderr = &s.said, &s.said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

const configFile = "server.json"

// configure writes the server's settings, with paths from its folder on.
func (s *scratch) configure() error {
	if err := os.Mkdir(filepath.Join(s.dir, "data"), 0o700); err != nil {
		return err
	}
	api, cluster := 8200, 8201 // free in a network of its own
	if !s.isolated {
		var err error
		if api, cluster, err = freePorts(); err != nil {
			return err
		}
	}
	type section = map[string]any
	config := section{
		"disable_mlock": true, "ui": false, "log_level": "warn",
		"api_addr":     fmt.Sprintf("http://127.0.0.1:%d", api),
		"cluster_addr": fmt.Sprintf("https://127.0.0.1:%d", cluster),
		"storage": section{"raft": section{
			"path": "data", "node_id": "scratch", "performance_multiplier": "1",
		}},
		"listener": []section{
			{"tcp": section{
				"address": fmt.Sprintf("127.0.0.1:%d", api), "cluster_address": fmt.Sprintf("127.0.0.1:%d", cluster), "tls_disable": true,
			}},
			{"unix": section{ // for us; a large snapshot takes longer than the server's usual 30 seconds
				"address": "api", "http_read_timeout": "24h", "http_write_timeout": "24h", "max_request_duration": "24h",
			}},
		},
	}
	b, err := json.Marshal(config)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, configFile), b, 0o600)
}

// answering waits until the server answers requests.
func (s *scratch) answering(ctx context.Context) error {
	var status sealStatus
	return s.until(ctx, startTime, func() (bool, error) {
		return s.ask(ctx, "GET", "sys/seal-status", nil, &status) == nil, nil
	})
}

// until asks done again and again until it says yes, fails, the server ends or the time is up.
func (s *scratch) until(ctx context.Context, limit time.Duration, done func() (bool, error)) error {
	for deadline := time.Now().Add(limit); ; {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it is not there after %v%s", limit, s.said.text())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.exited:
			return fmt.Errorf("the server ended: %v%s", s.exit, s.said.text())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// destroy ends the server and all that it started, and removes its folder. There is nothing in
// it to be ended gently for.
func (s *scratch) destroy() error {
	s.client.CloseIdleConnections()
	var err error
	if s.pid != 0 {
		if err = unix.Kill(-s.pid, unix.SIGKILL); errors.Is(err, unix.ESRCH) {
			err = nil // it ended before
		}
	}
	<-s.exited
	if err := errors.Join(err, s.folder.Close(), os.RemoveAll(s.dir)); err != nil {
		return fmt.Errorf("destroying the scratch server: %w", err)
	}
	return nil
}

// A tail keeps the end of what a server printed, for an error.
type tail struct {
	mu  sync.Mutex
	end []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, p...)
	if cut := len(t.end) - tailBytes; cut > 0 {
		t.end = append(t.end[:0], t.end[cut:]...)
	}
	return len(p), nil
}

// text is the lines that tell of trouble, to be put behind an error.
func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := strings.TrimSpace(string(t.end)); text != "" {
		return "; it said:\n" + text
	}
	return ""
}
