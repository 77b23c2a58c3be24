package config

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

//go:generate go run ./internal/genschema

// maxFile bounds a configuration file. Real ones are a few KiB.
const maxFile = 1 << 20

// Config is one holdfast.yaml, decoded and checked, with defaults filled in.
type Config struct {
	// Where snapshots are stored.
	Repository Repository `yaml:"repository" jsonschema:"required"`
	// Whom snapshots are encrypted to, and who may sign them.
	Keys Keys `yaml:"keys" jsonschema:"required"`
	// What is protected, by name. A name is 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit.
	Vaults map[string]*Vault `yaml:"vaults" jsonschema:"required"`
	// What is done when, by name.
	Jobs map[string]*Job `yaml:"jobs"`
	// Retention policies that jobs refer to, by name.
	Retention map[string]*Retention `yaml:"retention"`
	// Who hears of failures, and which dead-man's switches are pinged.
	Alerts []Alert `yaml:"alerts"`
	// What compliance reports say about the organization.
	Report Report `yaml:"report"`
	// How the scheduler runs.
	Schedule Schedule `yaml:"schedule"`
	// Where this host remembers what the repository holds. Losing it costs time, never data.
	Cache Cache `yaml:"cache"`
	// Bounds on what a run may use.
	Limits Limits `yaml:"limits"`

	file string
	dir  string
	pos  map[string]position // of every key and value read, by path
}

// Load reads and checks the configuration file at path. Mistakes in it are Errors.
func Load(path string) (*Config, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	return Parse(path, b)
}

// Parse checks b, the contents of a file called name. Relative paths in it are taken from
// the folder that name lies in. Mistakes are Errors. Parse opens no file.
func Parse(name string, b []byte) (*Config, error) {
	c := &Config{file: name, dir: filepath.Dir(name)}
	root, errs := readDocument(name, b)
	if root == nil {
		return nil, errs
	}
	d := newDecoder(name, c.dir)
	d.errs = errs
	d.document(root, c)
	c.pos = d.pos
	check(c, d)
	if len(d.errs) > 0 {
		return nil, d.errs.sorted()
	}
	return c, nil
}

// Dir is the folder that the file lies in; relative paths were taken from there.
func (c *Config) Dir() string { return c.dir }

// File is the name that the configuration was read from.
func (c *Config) File() string { return c.file }

// VaultNames lists the vaults in a fixed order.
func (c *Config) VaultNames() []string { return slices.Sorted(maps.Keys(c.Vaults)) }

// JobNames lists the jobs in a fixed order.
func (c *Config) JobNames() []string { return slices.Sorted(maps.Keys(c.Jobs)) }

// readFile reads a configuration file, refusing one too large to be meant.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	return b, nil
}
