package verify

import (
	"errors"
	"io/fs"
	"sync"

	"holdfast/snapshot"
)

// A collector gathers complaints, each object once.
type collector struct {
	mu   sync.Mutex
	list []snapshot.Complaint
}

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

// take sorts an error: damage becomes a complaint and nil is returned, any other error comes
// back. key is the object that was being looked at, for damage that names none. Errors about
// several objects, as errors.Join makes them, are sorted one by one.
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
	default:
		return err
	}
	return nil
}

func isDamage(err error) bool {
	_, ok := err.(*snapshot.Damage)
	return ok
}
