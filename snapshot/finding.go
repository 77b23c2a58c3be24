package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/snapshot/pack"
)

const typeFinding = "holdfast/finding/1"

// Levels of verification, from the cheapest to the most telling.
const (
	LevelChecksum = "checksum" // every object is what was signed; needs no key
	LevelContent  = "content"  // every stream decrypts to what was dumped, and makes sense
	LevelRestore  = "restore"  // it was really restored and compared
)

// A Finding is the dated, signed result of one check of one snapshot.
type Finding struct {
	Type       string      `json:"type"`
	Repository string      `json:"repository"`
	Vault      string      `json:"vault"`
	ID         ID          `json:"id"`
	DataAsOf   time.Time   `json:"data_as_of"` // of the snapshot, so that nobody mistakes which was checked
	Level      string      `json:"level"`
	Sample     int         `json:"sample,omitempty"` // percent of the packs that were read; 0 means all
	Started    time.Time   `json:"started"`
	Finished   time.Time   `json:"finished"`
	Host       string      `json:"host"`
	Tool       string      `json:"tool"`
	Good       bool        `json:"good"`
	Objects    int         `json:"objects"` // that were checked
	Bytes      int64       `json:"bytes"`   // stored bytes that were checked
	Rows       int64       `json:"rows,omitempty"`
	Unsealed   bool        `json:"unsealed,omitempty"` // unseal shares opened every entry of a cluster's storage
	Drill      *Drill      `json:"drill,omitempty"`    // of level restore
	Damage     []Complaint `json:"damage,omitempty"`   // at most maxComplaints
	More       int         `json:"more,omitempty"`     // complaints beyond those
	Signer     string      `json:"-"`
}

// A Complaint names one damaged object.
type Complaint struct {
	Key     string `json:"key"`
	Problem string `json:"problem"`
}

// A Drill is what a rehearsed restore came to. A finding is public, so it names nothing that
// is in the vault.
type Drill struct {
	Phases []Phase  `json:"phases"`
	Checks int      `json:"checks"` // of what was restored
	Failed int      `json:"failed"` // of Checks
	Limits []string `json:"limits,omitempty"`
}

// A Phase is one timed part of a drill.
type Phase struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Failed  bool    `json:"failed,omitempty"`
}

const maxComplaints = 100

// WriteFinding signs and stores f. What it complains of in streams is stored without their names.
func WriteFinding(ctx context.Context, s Store, f *Finding, signer Signer, lock Lock) error {
	f.Type = typeFinding
	if n := len(f.Damage); n > maxComplaints {
		f.Damage, f.More = f.Damage[:maxComplaints], f.More+n-maxComplaints
	}
	public := *f
	public.Damage = f.public()
	b, err := sign(&public, signer)
	if err != nil {
		return fmt.Errorf("signing a finding: %w", err)
	}
	if err := s.Put(ctx, f.Key(), b, PutOptions{Lock: lock}); err != nil {
		return fmt.Errorf("storing a finding: %w", err)
	}
	return nil
}

// public returns the complaints as anyone may read them who can read the bucket. What a kind says of a
// stream that makes no sense has its name in it, and names of tables and secrets: that is for who
// verifies, and is kept here as a complaint about the contents.
func (f *Finding) public() []Complaint {
	list := slices.Clone(f.Damage)
	for i, c := range list {
		if c.Key != RepositoryKey && !strings.HasPrefix(c.Key, vaultPrefix(f.Vault)) {
			list[i] = Complaint{Key: ContentsKey(f.Vault, f.ID), Problem: "a stream in it makes no sense; `holdfast verify --level content` tells which"}
		}
	}
	return list
}

// Key is where f is stored.
func (f *Finding) Key() string {
	return ChecksPrefix(f.Vault) + string(f.ID) + "/" + f.Finished.UTC().Format("20060102T150405.000000000Z") + "-" + f.Level
}

// ReadFindings reads the findings about one snapshot of a vault, oldest first. Those that are damaged
// or not signed by a trusted signer are left out of the list and named in the joined error.
func ReadFindings(ctx context.Context, s Store, repository, vault string, id ID, t Trust) ([]Finding, error) {
	var list []Finding
	var errs []error
	for o, err := range s.List(ctx, ChecksPrefix(vault)+string(id)+"/") {
		if err != nil {
			return nil, fmt.Errorf("listing findings: %w", err)
		}
		f, err := readFinding(ctx, s, repository, vault, o.Key, t)
		switch {
		case err == nil:
			list = append(list, *f)
		case errors.Is(err, ErrDamaged):
			errs = append(errs, err)
		default:
			return nil, err
		}
	}
	return list, errors.Join(errs...)
}

// CheckFindings reads every finding about a vault, several at once, and hands each error to
// complain, which may be called concurrently. It returns the keys of those that can be believed.
func CheckFindings(ctx context.Context, s Store, repository, vault string, t Trust, complain func(key string, err error) error) ([]string, error) {
	var mu sync.Mutex
	var keys []string
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for o, err := range s.List(ctx, ChecksPrefix(vault)) {
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listing findings: %w", err), g.Wait())
		}
		g.Go(func() error {
			_, err := readFinding(ctx, s, repository, vault, o.Key, t)
			if err != nil {
				return complain(o.Key, err)
			}
			mu.Lock()
			defer mu.Unlock()
			keys = append(keys, o.Key)
			return nil
		})
	}
	err := g.Wait()
	return keys, err
}

func readFinding(ctx context.Context, s getter, repository, vault, key string, t Trust) (*Finding, error) {
	f := &Finding{}
	signer, err := readNote(ctx, s, key, t, f)
	if err != nil {
		return nil, err
	}
	f.Signer = signer
	return f, f.belongs(repository, vault, key)
}

func (f *Finding) belongs(repository, vault, key string) error {
	if f.Type != typeFinding || f.Repository != repository || f.Vault != vault || f.Key() != key {
		return Damaged(key, "it is about snapshot %s of vault %q", f.ID, f.Vault)
	}
	return nil
}

// suspects are the packs that the newest findings of a vault called damaged. A run does not build
// on them, so what they held is stored again while the source still has it.
func suspects(ctx context.Context, s Store, repository, vault string, t Trust) (map[pack.Sum]bool, error) {
	var keys []string
	for o, err := range s.List(ctx, ChecksPrefix(vault)) {
		if err != nil {
			return nil, fmt.Errorf("listing findings: %w", err)
		}
		keys = append(keys, o.Key)
	}
	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(path.Base(b), path.Base(a)) })
	list := map[pack.Sum]bool{}
	for _, key := range keys[:min(len(keys), maxSuspects)] {
		f, err := readFinding(ctx, s, repository, vault, key, t)
		if errors.Is(err, ErrDamaged) || errors.Is(err, fs.ErrNotExist) {
			continue // a finding that cannot be believed accuses nobody
		}
		if err != nil {
			return nil, err
		}
		for _, c := range f.Damage {
			if sum, ok := parsePackKey(vault, c.Key); ok {
				list[sum] = true
			}
		}
	}
	return list, nil
}

// maxSuspects bounds how many findings a run looks at: the newest, of whichever snapshots.
const maxSuspects = 32
