package snapshot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

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
	Damage     []Complaint `json:"damage,omitempty"` // at most maxComplaints
	More       int         `json:"more,omitempty"`   // complaints beyond those
	Signer     string      `json:"-"`
}

// A Complaint names one damaged object.
type Complaint struct {
	Key     string `json:"key"`
	Problem string `json:"problem"`
}

const maxComplaints = 100

// WriteFinding signs and stores f.
func WriteFinding(ctx context.Context, s Store, f *Finding, signer Signer) error {
	f.Type = typeFinding
	if n := len(f.Damage); n > maxComplaints {
		f.Damage, f.More = f.Damage[:maxComplaints], f.More+n-maxComplaints
	}
	b, err := sign(f, signer)
	if err != nil {
		return fmt.Errorf("signing a finding: %w", err)
	}
	name := f.Finished.UTC().Format("20060102T150405.000000000Z") + "-" + f.Level
	key := ChecksPrefix(f.Vault) + string(f.ID) + "/" + name
	if err := s.Put(ctx, key, b, PutOptions{}); err != nil {
		return fmt.Errorf("storing a finding: %w", err)
	}
	return nil
}

// ReadFindings reads the findings about one snapshot of a vault, oldest first. Those that are damaged
// or not signed by a trusted signer are left out of the list and named in the joined error.
func ReadFindings(ctx context.Context, s Store, repository, vault string, id ID, t Trust) ([]Finding, error) {
	prefix := ChecksPrefix(vault)
	if id != "" {
		prefix += string(id) + "/"
	}
	var list []Finding
	var errs []error
	for o, err := range s.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("listing findings: %w", err)
		}
		var f Finding
		f.Signer, err = readNote(ctx, s, o.Key, t, &f)
		if err == nil {
			err = f.belongs(repository, vault, o.Key)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, f)
	}
	return list, errors.Join(errs...)
}

func (f *Finding) belongs(repository, vault, key string) error {
	name := strings.TrimPrefix(key, ChecksPrefix(vault))
	id, file, _ := strings.Cut(name, "/")
	stamp := f.Finished.UTC().Format("20060102T150405.000000000Z") + "-" + f.Level
	if f.Type != typeFinding || f.Repository != repository || f.Vault != vault || string(f.ID) != id || file != stamp {
		return Damaged(key, "it is about snapshot %s of vault %q", f.ID, f.Vault)
	}
	return nil
}

// suspects are the packs that findings about a snapshot called damaged. A run does not build on
// them, so what they held is stored again while the source still has it.
func suspects(vault string, findings []Finding) map[pack.Sum]bool {
	list := map[pack.Sum]bool{}
	for _, f := range findings {
		for _, c := range f.Damage {
			if sum, ok := parsePackKey(vault, c.Key); ok {
				list[sum] = true
			}
		}
	}
	return list
}
