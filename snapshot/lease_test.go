package snapshot_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"holdfast/fixtures/testrepo"
	"holdfast/snapshot"
)

func TestFiftyRacingWritersTakeTurns(t *testing.T) {
	r := testrepo.Dir(t)
	var writing, most, done int
	var mu sync.Mutex
	src := sourceFunc(func(ctx context.Context, d snapshot.Dump) error {
		mu.Lock()
		writing++
		most = max(most, writing)
		mu.Unlock()
		err := testrepo.Source{"db": testrepo.Secrets(10_000, 1)}.Dump(ctx, d)
		mu.Lock()
		writing--
		mu.Unlock()
		return err
	})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, err := r.Taker("vault", nil).Take(t.Context(), src)
			switch {
			case err == nil:
				mu.Lock()
				done++
				mu.Unlock()
			case !errors.Is(err, snapshot.ErrLeaseHeld):
				t.Errorf("a racer failed: %v", err)
			}
		})
	}
	wg.Wait()
	list, err := r.Catalog().List(t.Context(), "vault")
	if err != nil {
		t.Fatal(err)
	}
	if done == 0 || len(list) != done {
		t.Errorf("%d snapshots are listed, %d writers succeeded", len(list), done)
	}
	if most != 1 {
		t.Errorf("%d writers at the same time", most)
	}
}

type sourceFunc func(ctx context.Context, d snapshot.Dump) error

func (f sourceFunc) Dump(ctx context.Context, d snapshot.Dump) error { return f(ctx, d) }

// TestAWriterThatLostItsLeaseCommitsNothing lets another host's lease appear while the dump
// is under way, as it would after a long pause of this one.
func TestAWriterThatLostItsLeaseCommitsNothing(t *testing.T) {
	r := testrepo.Dir(t)
	src := sourceFunc(func(ctx context.Context, d snapshot.Dump) error {
		if err := (testrepo.Source{"db": testrepo.Secrets(100_000, 1)}).Dump(ctx, d); err != nil {
			return err
		}
		key := snapshot.LeaseKey("vault")
		reg, err := r.Store.Load(ctx, key)
		if err != nil {
			return err
		}
		_, err = r.Store.Swap(ctx, key, []byte("somebody else's\n"), reg.Version)
		return err
	})
	_, err := r.Taker("vault", nil).Take(t.Context(), src)
	if !errors.Is(err, snapshot.ErrLeaseLost) {
		t.Errorf("it ended with %v", err)
	}
	if list, err := r.Catalog().List(t.Context(), "vault"); err != nil || len(list) != 0 {
		t.Errorf("listed: %v, %v", list, err)
	}
}

func TestALeaseIsRenewedDuringALongDump(t *testing.T) {
	r := testrepo.Dir(t)
	taker := r.Taker("vault", nil)
	taker.LeaseTTL = time.Second
	inside, leave := make(chan struct{}), make(chan struct{})
	ended := make(chan error)
	go func() {
		_, err := taker.Take(t.Context(), sourceFunc(func(ctx context.Context, d snapshot.Dump) error {
			close(inside)
			<-leave
			return testrepo.Source{"db": []byte("x")}.Dump(ctx, d)
		}))
		ended <- err
	}()
	<-inside
	time.Sleep(1500 * time.Millisecond)
	if _, err := r.Taker("vault", nil).Take(t.Context(), testrepo.Source{"db": []byte("y")}); !errors.Is(err, snapshot.ErrLeaseHeld) {
		t.Errorf("a second writer got %v", err)
	}
	close(leave)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAVanishedHostsLeaseExpires(t *testing.T) {
	r := testrepo.Dir(t)
	stale := r.Taker("vault", nil)
	stale.HostName = "vanished"
	ctx, cancel := context.WithCancel(t.Context())
	inside := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // never renewed: the clock of its lease stands still once the store is gone
		stale.Registers = &once{Registers: r.Store}
		_, err := stale.Take(ctx, sourceFunc(func(ctx context.Context, d snapshot.Dump) error {
			close(inside)
			<-ctx.Done()
			return ctx.Err()
		}))
		if err == nil {
			t.Error("a run whose lease ran out committed")
		}
	})
	<-inside
	if _, err := r.Taker("vault", nil).Take(t.Context(), testrepo.Source{"db": []byte("y")}); !errors.Is(err, snapshot.ErrLeaseHeld) {
		t.Errorf("before it expired: %v", err)
	}
	next := r.Taker("vault", nil)
	next.Wait = 20 * time.Second
	if _, err := next.Take(t.Context(), testrepo.Source{"db": []byte("y")}); err != nil {
		t.Errorf("after it expired: %v", err)
	}
	cancel()
	wg.Wait()
}

// once lets one Swap through.
type once struct {
	snapshot.Registers
	used bool
}

func (o *once) Swap(ctx context.Context, key string, body []byte, old string) (string, error) {
	if o.used {
		return "", errors.New("network is down")
	}
	o.used = true
	return o.Registers.Swap(ctx, key, body, old)
}

func TestAWrongClockIsRefused(t *testing.T) {
	r := testrepo.Dir(t)
	taker := r.Taker("vault", nil)
	taker.Now = func() time.Time { return time.Now().Add(time.Hour) }
	if _, err := taker.Take(t.Context(), testrepo.Source{"db": []byte("x")}); !errors.Is(err, snapshot.ErrClockSkew) {
		t.Errorf("got %v", err)
	}
}
