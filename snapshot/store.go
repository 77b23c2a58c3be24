package snapshot

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// A Store holds the immutable objects of one repository. Keys are slash-separated,
// relative to the repository's prefix, and match fs.ValidPath. All methods may be called
// concurrently; a method that returns an error because ctx ended matches ctx's error.
type Store interface {
	// Put stores body under key. On nil the object is durable and whole; on error nothing
	// new is visible under key, unless the store stored it and only its answer was lost.
	// If key exists, the error matches fs.ErrExist and the object is as it was.
	// The store checks body's SHA-256 on arrival. Put does not keep body.
	Put(ctx context.Context, key string, body []byte, o PutOptions) error
	// Get opens the bytes r of key; the zero Range is all of it. The caller closes the
	// reader. A missing key is an error matching fs.ErrNotExist; a range that begins at or
	// after the object's end is an error, one that reaches past it is cut short.
	Get(ctx context.Context, key string, r Range) (io.ReadCloser, error)
	// List yields the objects whose keys begin with prefix, in key order (bytewise).
	// The prefix need not end at a slash. An error ends the sequence.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// Delete removes key. A missing key is fine; one that the store keeps under a lock is
	// an error matching ErrRetained.
	Delete(ctx context.Context, key string) error
}

// Registers are the few small objects of a repository that change: leases, and epochs
// when their recipients do. Both stores implement it beside Store.
type Registers interface {
	// Load reads key with its version and the store's clock. A missing key is an error
	// matching fs.ErrNotExist; Register.Now is set even then.
	Load(ctx context.Context, key string) (Register, error)
	// Swap replaces key's body if its version is still old ("" means: if key is missing)
	// and returns the new version. If it is not, the error matches ErrConflict and the
	// object is as it was.
	Swap(ctx context.Context, key string, body []byte, old string) (version string, err error)
}

// A Register is one version of a changing object.
type Register struct {
	Body     []byte
	Version  string    // opaque; differs after every Swap
	Modified time.Time // when this version was stored, by the store's clock
	Now      time.Time // the store's clock when it answered
}

// An Object is one listed object.
type Object struct {
	Key      string
	Size     int64
	Modified time.Time // by the store's clock
}

// A Range is a run of an object's bytes. The zero Range is the whole object; a Length of
// zero with an Offset means all that follows.
type Range struct{ Offset, Length int64 }

// PutOptions say how an object is stored.
type PutOptions struct {
	SHA256 [32]byte // of the body; zero means the store computes it
	Lock   Lock     // zero means none
}

// A Lock keeps an object from being deleted or overwritten until a time, by the store's
// own means (S3 Object Lock). A store that cannot lock refuses a Put that asks for it.
type Lock struct {
	Mode  string // "governance" or "compliance"; empty means no lock
	Until time.Time
}

var (
	// ErrConflict means a Register was changed by someone else since it was loaded.
	ErrConflict = errors.New("changed by someone else")
	// ErrRetained means the store refuses to delete an object because it is locked. It is
	// a state, not a failure of the store.
	ErrRetained = errors.New("retained by the store's lock")
	// ErrDenied means the store refused the credentials or their rights.
	ErrDenied = errors.New("access denied")
	// ErrNoBucket means the bucket or folder that holds the repository does not exist.
	ErrNoBucket = errors.New("no such bucket or folder")
	// ErrFull means the store has no room left.
	ErrFull = errors.New("no space left in the store")
	// ErrUnsupported means the store lacks something that was asked of it.
	ErrUnsupported = errors.New("not supported by this store")
)
