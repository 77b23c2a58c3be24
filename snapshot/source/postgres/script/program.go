package script

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/snapshot/source/postgres/link"
)

// A Program is an installed pg_dump.
type Program struct {
	Path     string
	Version  string // e.g. "15.18"
	Major    int
	Restrict bool // knows --restrict-key
}

var (
	// ErrNoClient means that there is no pg_dump.
	ErrNoClient = errors.New("no pg_dump found")
	// ErrClientTooOld means that the server is newer than pg_dump, which then does not know all that
	// may have to be dumped.
	ErrClientTooOld = errors.New("pg_dump is older than the server")
)

// places are where packages put the programs of each version.
var places = []string{
	"/usr/lib/postgresql/*/bin/pg_dump", "/usr/pgsql-*/bin/pg_dump", "/usr/lib/postgresql*/bin/pg_dump", "/usr/libexec/postgresql*/pg_dump",
	"/usr/local/pgsql/bin/pg_dump", "/opt/homebrew/opt/postgresql@*/bin/pg_dump", "/usr/local/opt/postgresql@*/bin/pg_dump",
	"/opt/homebrew/opt/libpq/bin/pg_dump", "/Library/PostgreSQL/*/bin/pg_dump",
}

// Find returns the pg_dump to use for a server of the given server_version_num: the program named,
// or the newest found if path is empty. One that is older than the server is an error matching
// ErrClientTooOld.
func Find(ctx context.Context, path string, server int) (*Program, error) {
	p, err := find(ctx, path)
	if err != nil {
		return nil, err
	}
	if p.Major < server/10000 {
		return nil, fmt.Errorf("%w: %s has version %s, the server %d; install the client of version %d",
			ErrClientTooOld, p.Path, p.Version, server/10000, server/10000)
	}
	return p, nil
}

// FindFor is Find for the version that the server itself tells.
func FindFor(ctx context.Context, s *link.Server, path string) (p *Program, err error) {
	c, err := s.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()
	rows, err := c.Query(ctx, "SELECT pg_catalog.current_setting('server_version_num')")
	if err != nil {
		return nil, fmt.Errorf("asking for the server's version: %w", err)
	}
	version, err := strconv.Atoi(*rows[0][0])
	if err != nil {
		return nil, fmt.Errorf("reading the server's version: %w", err)
	}
	return Find(ctx, path, version)
}

func find(ctx context.Context, path string) (*Program, error) {
	if path != "" {
		p, err := examine(ctx, path)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", ErrNoClient, err)
		}
		return p, err
	}
	var best *Program
	var found []error
	for _, path := range candidates() {
		p, err := examine(ctx, path)
		if err != nil {
			found = append(found, err)
			continue
		}
		if best == nil || p.Major > best.Major {
			best = p
		}
	}
	if best == nil {
		return nil, errors.Join(append([]error{ErrNoClient}, found...)...)
	}
	return best, nil
}

// candidates are all there may be, those of packages first: what is on the PATH may be a script
// that picks a version by rules of its own.
func candidates() []string {
	var list []string
	for _, pattern := range places {
		paths, _ := filepath.Glob(pattern) // fails for malformed patterns alone
		list = append(list, paths...)
	}
	if path, err := exec.LookPath("pg_dump"); err == nil && !slices.Contains(list, path) {
		list = append(list, path)
	}
	return list
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) (([0-9]+)[0-9A-Za-z.]*)`)

// examine asks a program what it is.
func examine(ctx context.Context, path string) (*Program, error) {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	said, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("asking %s for its version: %w", path, err)
	}
	m := versionLine.FindStringSubmatch(string(said))
	if m == nil {
		return nil, fmt.Errorf("asking %s for its version: it is not PostgreSQL's pg_dump", path)
	}
	major, err := strconv.Atoi(m[2])
	if err != nil {
		return nil, fmt.Errorf("asking %s for its version: %w", path, err)
	}
	help, err := exec.CommandContext(ctx, path, "--help").Output()
	if err != nil {
		return nil, fmt.Errorf("asking %s for its options: %w", path, err)
	}
	return &Program{Path: path, Version: m[1], Major: major, Restrict: strings.Contains(string(help), "--restrict-key")}, nil
}
