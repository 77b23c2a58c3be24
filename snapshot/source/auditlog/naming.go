package auditlog

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// A naming tells which files of a folder belong to one log.
type naming struct {
	dir   string
	base  string // of the log itself; "" if the path is a pattern
	match func(name string) bool
}

// What rotation adds to a name: a number, a date, perhaps a time, and what packed it.
const (
	rotated = `[-._][0-9][0-9TZ_:.+-]*`
	packed  = `(\.(gz|zst|bz2|xz|lz4|Z))?`
)

// newNaming reads Source.Path. Rotation puts its mark behind the name or before the extension:
// audit.log.1, audit.log-20261122.gz, audit-20261122.log.
func newNaming(path string) (naming, error) {
	if path == "" {
		return naming{}, errors.New("no path")
	}
	dir, base := filepath.Split(filepath.Clean(path))
	n := naming{dir: filepath.Clean(dir + ".")}
	if dir == "" {
		n.dir = "."
	}
	if strings.ContainsAny(dir, `*?[`) {
		return naming{}, errors.New("a pattern may stand in the last name only")
	}
	if strings.ContainsAny(base, `*?[`) {
		if _, err := filepath.Match(base, ""); err != nil {
			return naming{}, fmt.Errorf("reading the pattern %q: %w", base, err)
		}
		n.match = func(name string) bool {
			ok, err := filepath.Match(base, name)
			return err == nil && ok
		}
		return n, nil
	}
	ext := filepath.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	marks := []string{regexp.QuoteMeta(base) + `(` + rotated + `)?`}
	if ext != "" && stem != "" {
		marks = append(marks, regexp.QuoteMeta(stem)+rotated+regexp.QuoteMeta(ext))
	}
	names, err := regexp.Compile(`^(` + strings.Join(marks, "|") + `)` + packed + `$`)
	if err != nil {
		return naming{}, fmt.Errorf("matching names like %q: %w", base, err)
	}
	n.base, n.match = base, names.MatchString
	return n, nil
}
