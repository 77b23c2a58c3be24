package snapshot

import (
	"errors"
	"fmt"
)

// ErrDamaged matches every error that means: an object of the repository is not what it
// was when it was signed (missing, altered, cut, swapped, replayed, forged).
var ErrDamaged = errors.New("damage found")

// Damage is an error that names the damaged object. It matches ErrDamaged and its cause.
type Damage struct {
	Key   string // the object, relative to the repository
	Cause error
}

// Damaged builds a Damage error about key.
func Damaged(key, format string, args ...any) error {
	return &Damage{Key: key, Cause: fmt.Errorf(format, args...)}
}

func (d *Damage) Error() string { return fmt.Sprintf("%s is damaged: %v", d.Key, d.Cause) }

// Unwrap lets errors.Is find ErrDamaged and the cause.
func (d *Damage) Unwrap() []error { return []error{ErrDamaged, d.Cause} }
