package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"holdfast/cmd/holdfast/config"
	"holdfast/snapshot/source/files"
	"holdfast/snapshot/store/dir"
)

// This file keeps a restore from taking with it what restores are made of, and a vault from
// holding what opens it.

// A keepsake is a place that no restore may replace, write into or do away with.
type keepsake struct{ what, path string }

// guard refuses a target that holds a keepsake, is one or lies in one, whichever links lead
// there. It comes before Preflight, whose advice would be --replace.
func (s *session) guard(to string, identityFiles []string) error {
	target, err := realPath(to)
	if err != nil {
		return fmt.Errorf("looking at %s: %w", to, err)
	}
	for _, k := range s.keepsakes(identityFiles) {
		path, err := realPath(k.path)
		if err != nil {
			return fmt.Errorf("looking at %s %s: %w", k.what, k.path, err)
		}
		if how := relation(target, path); how != "" {
			err := fmt.Errorf("restoring to %s: %w: it %s %s %s", to, errRefused, how, k.what, k.path)
			return advise(err, "restore to another place with --to, and bring over what is needed")
		}
	}
	return nil
}

func (s *session) keepsakes(identityFiles []string) []keepsake {
	list := []keepsake{
		{"the configuration", s.cfg.File()},
		{"the host key", string(s.cfg.Keys.Host)},
		{"the identity", identityBeside(s.cfg)},
	}
	if path := repositoryFolder(s.cfg); path != "" {
		list = append(list, keepsake{"the repository", path})
	}
	for _, path := range identityFiles {
		if path != "-" {
			list = append(list, keepsake{"the identity", path})
		}
	}
	if c := s.cache(); c != nil {
		list = append(list, keepsake{"the cache", filepath.Dir(c.Dir)})
	}
	return list
}

// repositoryFolder is where a file:// repository lies, "" for others.
func repositoryFolder(c *config.Config) string {
	if path, err := dir.ParseURL(c.Repository.URL); err == nil { // of others it is an error
		return path
	}
	return ""
}

// identityBeside is where init puts the identity of a new repository.
func identityBeside(c *config.Config) string { return filepath.Join(c.Dir(), "identity.txt") }

// checkPlacement refuses a folder to dump that holds the repository: each snapshot would hold
// all before it, and be changed while it is read. One that lies in it is no better.
func checkPlacement(c *config.Config, v *config.Vault) error {
	repository := repositoryFolder(c)
	if v.Files == nil || repository == "" {
		return nil
	}
	how, err := relationOf(string(v.Files.Path), repository)
	if err != nil || how == "" {
		return err
	}
	return advise(misuse(fmt.Errorf("vault %s: its folder %s %s the repository %s", v.Name, v.Files.Path, how, repository)),
		"give the repository a place outside of every vault")
}

// strayKeys lists the key files that snapshots of v hold. Whoever can open one can then open
// all, or sign as this host, and a restore in place is refused.
func strayKeys(c *config.Config, v *config.Vault) ([]string, error) {
	if v.Files == nil {
		return nil, nil
	}
	exclude, err := files.ParsePatterns(v.Files.Exclude)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, k := range []keepsake{{"the host key", string(c.Keys.Host)}, {"an identity", identityBeside(c)}} {
		if _, err := os.Stat(k.path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		below, err := pathBelow(k.path, string(v.Files.Path))
		if err != nil {
			return nil, err
		}
		if below == "" || excluded(exclude, below) {
			continue
		}
		found = append(found, fmt.Sprintf("vault %s: its snapshots hold %s, %s", v.Name, k.what, k.path))
	}
	return found, nil
}

// placement is doctor's word on where a vault lies.
func (d *diagnosis) placement(c *config.Config, v *config.Vault) {
	what := "vault " + v.Name + ": placement"
	if err := checkPlacement(c, v); err != nil {
		d.check(what, "", err)
		return
	}
	stray, err := strayKeys(c, v)
	if err != nil {
		d.check(what, "", err)
	}
	for _, text := range stray {
		d.warn(what, text+"; "+strayHint)
	}
}

// checkPlacement is the word of config check.
func (r *checkResult) checkPlacement(c *config.Config, v *config.Vault) error {
	if err := checkPlacement(c, v); err != nil {
		return err
	}
	stray, err := strayKeys(c, v)
	for _, text := range stray {
		r.Warnings = append(r.Warnings, checkNotice{text, strayHint})
	}
	return err
}

const strayHint = "move it out of the vault's folder, or list it under `exclude`"

// pathBelow is what leads from dir to path, "" if path does not lie in it.
func pathBelow(path, dir string) (string, error) {
	path, err := realPath(path)
	if err != nil {
		return "", fmt.Errorf("looking at %s: %w", path, err)
	}
	if dir, err = realPath(dir); err != nil {
		return "", fmt.Errorf("looking at %s: %w", dir, err)
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return "", nil
	}
	return rel, nil
}

func excluded(patterns []files.Pattern, path string) bool {
	for _, p := range patterns {
		if p.Match(path) {
			return true
		}
	}
	return false
}

// relationOf is relation of paths that links may lead to.
func relationOf(a, b string) (string, error) {
	x, err := realPath(a)
	if err != nil {
		return "", fmt.Errorf("looking at %s: %w", a, err)
	}
	y, err := realPath(b)
	if err != nil {
		return "", fmt.Errorf("looking at %s: %w", b, err)
	}
	return relation(x, y), nil
}

// relation says how one real path stands to another: "is", "holds", "lies in", or "" for not at
// all.
func relation(a, b string) string {
	in, around := within(a, b), within(b, a)
	switch {
	case in && around:
		return "is"
	case around:
		return "holds"
	case in:
		return "lies in"
	}
	return ""
}

// within reports whether path is dir or lies below it, also where a mount or a file system that
// ignores case gives the same folder two names.
func within(path, dir string) bool {
	at, err := os.Stat(dir)
	for {
		if path == dir {
			return true
		}
		if info, e := os.Stat(path); err == nil && e == nil && os.SameFile(info, at) {
			return true
		}
		above := filepath.Dir(path)
		if above == path {
			return false
		}
		path = above
	}
}

// realPath makes path absolute and follows the links in it, as far as it exists.
func realPath(path string) (string, error) {
	at, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rest := ""
	for {
		real, err := filepath.EvalSymlinks(at)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		above := filepath.Dir(at)
		if !errors.Is(err, fs.ErrNotExist) || above == at {
			return "", err
		}
		rest = filepath.Join(filepath.Base(at), rest)
		at = above
	}
}
