package snapshot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Format is the repository format that this package writes and reads.
const Format = 1

// ErrNoRepository means that a prefix holds no repository yet.
var ErrNoRepository = errors.New("no repository here")

// A Repository is the signed note at the root of a prefix.
type Repository struct {
	Type    string    `json:"type"` // typeRepository
	Format  int       `json:"format"`
	ID      string    `json:"id"` // random; every other signed document carries it
	Created time.Time `json:"created"`
	Chunker string    `json:"chunker"` // how streams are cut; the sizes are in each epoch
	Signer  string    `json:"-"`       // who signed it
}

const (
	typeRepository = "holdfast/repository/1"
	chunkerName    = "fastcdc-keyed-1"
)

// Create makes the prefix of s a repository, signed by signer. If it is one already, the
// error matches fs.ErrExist.
func Create(ctx context.Context, s Store, signer Signer, now time.Time) (*Repository, error) {
	r := &Repository{Type: typeRepository, Format: Format, ID: rand.Text(), Created: now.UTC().Truncate(time.Second),
		Chunker: chunkerName, Signer: signer.Name()}
	b, err := sign(r, signer)
	if err != nil {
		return nil, fmt.Errorf("signing the repository: %w", err)
	}
	if err := s.Put(ctx, RepositoryKey, b, PutOptions{}); err != nil && samebody(ctx, s, RepositoryKey, b) != nil {
		return nil, fmt.Errorf("creating the repository: %w", err)
	}
	return r, nil
}

// Open reads and checks the repository note of s. Where it is missing although vaults lie
// under the prefix, that is Damage; elsewhere the error matches ErrNoRepository.
func Open(ctx context.Context, s Store, t Trust) (*Repository, error) {
	r := &Repository{}
	signer, err := readNote(ctx, s, RepositoryKey, t, r)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening the repository: %w", missingRepository(ctx, s))
	}
	if err != nil {
		return nil, fmt.Errorf("opening the repository: %w", err)
	}
	r.Signer = signer
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("opening the repository: %w", &Damage{Key: RepositoryKey, Cause: err})
	}
	return r, nil
}

func missingRepository(ctx context.Context, s Store) error {
	for o, err := range s.List(ctx, "vaults/") {
		if err != nil {
			return err
		}
		return Damaged(RepositoryKey, "missing, although %s is there", o.Key)
	}
	return ErrNoRepository
}

// ErrFormat means that a newer Holdfast wrote this repository.
var ErrFormat = errors.New("unknown format")

func (r *Repository) check() error {
	switch {
	case r.Type != typeRepository:
		return fmt.Errorf("it is a %q", r.Type)
	case r.Format != Format || r.Chunker != chunkerName:
		return fmt.Errorf("%w %d (%s), this program knows format %d", ErrFormat, r.Format, r.Chunker, Format)
	case len(r.ID) < 16 || len(r.ID) > 64:
		return errors.New("malformed id")
	}
	return nil
}
