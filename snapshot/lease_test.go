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
	taker.LeaseTTL = 3 * time.Second
	swaps := announced{r.Store, make(chan struct{}, 100)}
	taker.Registers = swaps
	leave := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		_, err := taker.Take(t.Context(), sourceFunc(func(ctx context.Context, d snapshot.Dump) error {
			<-leave
			return testrepo.Source{"db": []byte("x")}.Dump(ctx, d)
		}))
		ended <- err
	}()
	for range 1 + 4 { // taken, and then renewed every third of its time: it would have run out without
		select {
		case <-swaps.done:
		case err := <-ended:
			t.Fatal(err)
		}
	}
	if _, err := r.Taker("vault", nil).Take(t.Context(), testrepo.Source{"db": []byte("y")}); !errors.Is(err, snapshot.ErrLeaseHeld) {
		t.Errorf("a second writer got %v", err)
	}
	close(leave)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// announced tells of every Swap that was done.
type announced struct {
	snapshot.Registers
	done chan struct{}
}

func (a announced) Swap(ctx context.Context, key string, body []byte, old string) (string, error) {
	version, err := a.Registers.Swap(ctx, key, body, old)
	if err == nil {
		a.done <- struct{}{}
	}
	return version, err
}

func TestAVanishedHostsLeaseExpires(t *testing.T) {
	r := testrepo.Dir(t)
	stale := r.Taker("vault", nil)
	stale.HostName, stale.LeaseTTL = "vanished", 2*time.Second
	ctx, cancel := context.WithCancel(t.Context())
	taken := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // never renewed: the clock of its lease stands still once the store is gone
		stale.Registers = &once{Registers: r.Store, done: taken}
		_, err := stale.Take(ctx, sourceFunc(func(ctx context.Context, d snapshot.Dump) error {
			<-ctx.Done()
			return ctx.Err()
		}))
		if err == nil {
			t.Error("a run whose lease ran out committed")
		}
	})
	<-taken
	early := r.Taker("vault", nil)
	early.Registers = soon{r.Store}
	if _, err := early.Take(t.Context(), testrepo.Source{"db": []byte("y")}); !errors.Is(err, snapshot.ErrLeaseHeld) {
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

// soon is read a second after the last change, by the store's clock, however long a busy machine takes to ask.
type soon struct{ snapshot.Registers }

func (s soon) Load(ctx context.Context, key string) (snapshot.Register, error) {
	r, err := s.Registers.Load(ctx, key)
	r.Now = r.Modified.Add(time.Second)
	return r, err
}

// once lets one Swap through.
type once struct {
	snapshot.Registers
	used bool
	done chan struct{} // closed after it
}

func (o *once) Swap(ctx context.Context, key string, body []byte, old string) (string, error) {
	if o.used {
		return "", errors.New("network is down")
	}
	o.used = true
	defer close(o.done)
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
