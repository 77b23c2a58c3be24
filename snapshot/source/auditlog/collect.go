package auditlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A collection is every file of a log, open.
type collection struct {
	naming
	files   []*logFile
	at      time.Time // before the first was opened
	missing bool      // there is no file with the log's own name
}

// attempts is how often the files are looked for anew when they were rotated meanwhile.
const attempts = 5

// collect opens every file of the log that has a line in it, oldest first. The folder is listed
// again when all are open: if rotation came in between, a file could have been missed.
func collect(ctx context.Context, n naming) (*collection, error) {
	var moved error
	for attempt := range attempts {
		if err := pause(ctx, time.Duration(attempt)*100*time.Millisecond); err != nil {
			return nil, err
		}
		c := &collection{naming: n}
		if moved = c.open(ctx); moved == nil {
			return c, nil
		}
		if err := c.close(); err != nil || !errors.Is(moved, ErrChanged) {
			return nil, errors.Join(moved, err)
		}
	}
	return nil, moved
}

// open opens the files. An error that matches ErrChanged means that rotation is under way.
func (c *collection) open(ctx context.Context) error {
	c.at = time.Now()
	names, err := c.list()
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := openFile(ctx, c.dir, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%s went away: %w", name, ErrChanged)
		case errors.Is(err, io.ErrUnexpectedEOF) && bare(name) != name && slices.Contains(names, bare(name)):
			continue // it is being packed; what it is made of is still there
		case err != nil:
			return err
		}
		c.files = append(c.files, f)
	}
	if err := c.still(names); err != nil {
		return err
	}
	c.missing = c.base != "" && !slices.Contains(names, c.base)
	return c.arrange()
}

// list returns the names of the log's files.
func (c *collection) list() ([]string, error) {
	entries, err := os.ReadDir(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no folder %s", ErrEmpty, c.dir)
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if c.match(e.Name()) && (!e.IsDir() || e.Name() == c.base) {
			names = append(names, e.Name())
		}
	}
	if len(names) > maxFiles {
		return nil, fmt.Errorf("%d files match, the limit is %d", len(names), maxFiles)
	}
	return names, nil
}

// bare is name without what marks it as packed.
func bare(name string) string {
	switch ext := filepath.Ext(name); ext {
	case ".gz", ".zst", ".bz2":
		return strings.TrimSuffix(name, ext)
	}
	return name
}

// still makes sure that the names stand for the files that were opened.
func (c *collection) still(names []string) error {
	now, err := c.list()
	if err != nil {
		return err
	}
	if !slices.Equal(names, now) {
		return fmt.Errorf("files came or went: %w", ErrChanged)
	}
	for _, f := range c.files {
		info, err := os.Stat(filepath.Join(c.dir, f.name))
		if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(info, f.info) {
			return fmt.Errorf("%s is another file now: %w", f.name, ErrChanged)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// arrange drops files without a line and second names of others, and sorts by age.
func (c *collection) arrange() error {
	of := map[string]*logFile{}
	var files, spare []*logFile
	for _, f := range c.files { // sorted by name, so a packed file comes after what it is made of
		twin := of[f.stream]
		switch {
		case f.stream == "":
			spare = append(spare, f)
		case twin == nil:
			of[f.stream] = f
			files = append(files, f)
		case os.SameFile(f.info, twin.info), bare(f.name) == twin.name:
			spare = append(spare, f)
		default:
			return fmt.Errorf("%s and %s begin with the same entry, as while one is being copied: %w", twin.name, f.name, ErrChanged)
		}
	}
	slices.SortFunc(files, func(a, b *logFile) int {
		return cmp.Or(a.first.Compare(b.first), cmp.Compare(a.stream, b.stream))
	})
	c.files = files
	return closeAll(spare)
}

// close closes every file.
func (c *collection) close() error { return closeAll(c.files) }

func closeAll(files []*logFile) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.file.Close())
	}
	return errors.Join(errs...)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
