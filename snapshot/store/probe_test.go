package store_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"holdfast/fixtures/faulty"
	"holdfast/snapshot"
	"holdfast/snapshot/store"
)

func probe(t *testing.T, s store.Store) map[string]store.Capability {
	t.Helper()
	caps, err := store.Probe(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]store.Capability{}
	for _, c := range caps {
		byName[c.Name] = c
	}
	return byName
}

func TestProbeOfAGoodStoreFindsAllAndLeavesNothing(t *testing.T) {
	s := open(t)
	for name, c := range probe(t, s) {
		if !c.OK {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if left := keys(t, s); len(left) != 0 {
		t.Errorf("left %q", left)
	}
}

// broken is a store that breaks one promise.
type broken struct {
	store.Store
	name string
}

func (b broken) Put(ctx context.Context, key string, body []byte, o snapshot.PutOptions) error {
	switch b.name {
	case "ignores If-None-Match":
		if err := b.Delete(ctx, key); err != nil {
			return err
		}
	case "ignores checksums":
		o.SHA256 = [32]byte{}
	}
	return b.Store.Put(ctx, key, body, o)
}

func (b broken) Swap(ctx context.Context, key string, body []byte, old string) (string, error) {
	if b.name == "ignores If-Match" {
		r, err := b.Load(ctx, key)
		if err == nil {
			old = r.Version
		}
	}
	return b.Store.Swap(ctx, key, body, old)
}

func (b broken) Get(ctx context.Context, key string, r snapshot.Range) (io.ReadCloser, error) {
	if b.name == "ignores ranges" {
		r = snapshot.Range{}
	}
	return b.Store.Get(ctx, key, r)
}

func (b broken) List(ctx context.Context, prefix string) iter.Seq2[snapshot.Object, error] {
	if b.name == "lists late" {
		return func(func(snapshot.Object, error) bool) {}
	}
	return b.Store.List(ctx, prefix)
}

func (b broken) Load(ctx context.Context, key string) (snapshot.Register, error) {
	r, err := b.Store.Load(ctx, key)
	switch b.name {
	case "has a fast clock":
		r.Now = r.Now.Add(6 * time.Minute)
	case "has no clock":
		r.Now = time.Time{}
	}
	return r, err
}

func TestProbeNamesTheBrokenPromise(t *testing.T) {
	for name, want := range map[string]struct {
		capability, detail string
		required           bool
	}{
		"ignores If-None-Match": {store.ConditionalPut, "two writers", true},
		"ignores If-Match":      {store.ConditionalSwap, "was not refused", true},
		"ignores checksums":     {store.ChecksumCheck, "wrong SHA-256 was accepted", false},
		"ignores ranges":        {store.RangeRead, "5 bytes were asked for", true},
		"lists late":            {store.ListAfterPut, "not listed", true},
		"has a fast clock":      {store.ClockAgrees, "6m0s apart", true},
		"has no clock":          {store.ClockAgrees, "does not tell the time", true},
	} {
		t.Run(name, func(t *testing.T) {
			under := open(t)
			for _, c := range probe(t, broken{under, name}) {
				switch {
				case c.Name != want.capability && !c.OK:
					t.Errorf("also %+v", c)
				case c.Name == want.capability && (c.OK || c.Required != want.required || !strings.Contains(c.Detail, want.detail)):
					t.Errorf("%+v, want required %v and %q", c, want.required, want.detail)
				}
			}
			if left := keys(t, under); len(left) != 0 {
				t.Errorf("left %q", left)
			}
		})
	}
}

func TestProbeSaysWhatItMayNotDelete(t *testing.T) {
	caps := probe(t, faulty.New(open(t), faulty.Fault{Verb: faulty.Delete, Err: snapshot.ErrDenied}))
	c := caps[store.DeleteObjects]
	if c.OK || c.Required || !strings.Contains(c.Detail, "may not delete") {
		t.Errorf("%+v", c)
	}
	if _, ok := caps[store.PutAfterDelete]; ok {
		t.Error("it tells of putting after a delete that did not happen")
	}
}

func TestProbeOfAnUnusableStoreIsAnError(t *testing.T) {
	for _, want := range []error{snapshot.ErrDenied, snapshot.ErrNoBucket, snapshot.ErrFull} {
		_, err := store.Probe(t.Context(), faulty.New(open(t), faulty.Fault{Verb: faulty.Put, Err: want}))
		if !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	if _, err := store.Probe(t.Context(), store.ReadOnly(open(t))); !errors.Is(err, snapshot.ErrDenied) {
		t.Errorf("error %v", err)
	}
}

func TestCanceledProbeCleansUp(t *testing.T) {
	under := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := store.Probe(ctx, cancelOn{under, cancel})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if left := keys(t, under); len(left) != 0 {
		t.Errorf("left %q", left)
	}
}

// cancelOn ends the context in the middle of a probe.
type cancelOn struct {
	store.Store
	cancel context.CancelFunc
}

func (c cancelOn) Swap(ctx context.Context, key string, body []byte, old string) (string, error) {
	v, err := c.Store.Swap(ctx, key, body, old)
	c.cancel()
	return v, err
}

// inspected is a store that knows something about itself.
type inspected struct{ store.Store }

func (inspected) Inspect(context.Context) []store.Capability {
	return []store.Capability{{Name: "object lock", Detail: "off"}}
}

func TestProbeAsksTheStoreUnderWrappers(t *testing.T) {
	if _, ok := probe(t, store.Counted(store.Counted(inspected{open(t)})))["object lock"]; !ok {
		t.Error("nothing is said about object lock")
	}
}
