package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"filippo.io/age"

	"holdfast/snapshot"
)

// A collector gathers complaints, each object once, and errors of objects that could not be read, so
// that one bad sector does not hide what else is wrong.
type collector struct {
	mu     sync.Mutex
	list   []snapshot.Complaint
	unread []error
	notes  []string // what a checker remarked
}

// maxUnread is how many objects may be unreadable before it must be the store that is.
const maxUnread = 16

// add notes that key is damaged.
func (c *collector) add(key string, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.list {
		if x.Key == key {
			return
		}
	}
	c.list = append(c.list, snapshot.Complaint{Key: key, Problem: cause.Error()})
}

// take sorts an error: damage becomes a complaint, what could not be read is kept, and nil is
// returned; an error that would meet every other object too comes back. key is the object that
// was being looked at, for damage that names none. Errors about several objects, as errors.Join
// makes them, are sorted one by one.
func (c *collector) take(key string, err error) error {
	if err == nil {
		return nil
	}
	var d *snapshot.Damage
	// Not errors.As: what a store wraps, its meaning and the client's words for it, is one error.
	if joined, ok := err.(interface{ Unwrap() []error }); ok && !isDamage(err) {
		for _, e := range joined.Unwrap() {
			if err := c.take(key, e); err != nil {
				return err
			}
		}
		return nil
	}
	switch {
	case errors.As(err, &d):
		c.add(d.Key, d.Cause)
	case errors.Is(err, fs.ErrNotExist):
		c.add(key, errors.New("missing"))
	case errors.Is(err, snapshot.ErrDamaged):
		c.add(key, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, snapshot.ErrDenied),
		errors.Is(err, snapshot.ErrNoBucket), isIdentity(err):
		return err
	default:
		return c.skip(err)
	}
	return nil
}

// skip keeps the error of an object that could not be read, unless there are too many.
func (c *collector) skip(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unread = append(c.unread, err)
	if len(c.unread) >= maxUnread {
		return fmt.Errorf("%d objects could not be read: %w", len(c.unread), err)
	}
	return nil
}

// isIdentity tells of an identity that opens nothing: no other object will be opened by it either.
func isIdentity(err error) bool {
	var none *age.NoIdentityMatchError
	return errors.As(err, &none)
}

func isDamage(err error) bool {
	_, ok := err.(*snapshot.Damage)
	return ok
}
