package postgres

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"holdfast/snapshot/source/postgres/link"
)

// A task is one piece of work for one session. Two tasks on one table run side by side only if both
// say that they can: what the server would make wait for a lock must not keep a session busy, and must not
// end in a deadlock.
type task struct {
	run    func(context.Context, *link.Conn) error
	needs  []*task
	table  string
	shared bool // with other shared tasks on the table

	started, done bool
}

// tasks are run by several sessions, in their order as far as needs and tables allow.
type tasks struct {
	mu   sync.Mutex
	wake *sync.Cond
	list []*task
	busy map[string]int // how many shared tasks run on a table; -1: one that shares it with none
}

func newTasks(list []*task) *tasks {
	t := &tasks{list: list, busy: map[string]int{}}
	t.wake = sync.NewCond(&t.mu)
	return t
}

// runAll runs all tasks by as many sessions as open makes, and returns when none runs any more. The
// first error ends it.
func (t *tasks) runAll(ctx context.Context, sessions int, open func(context.Context) (*link.Conn, error)) error {
	g, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.wake.Broadcast()
	})
	defer stop()
	for range sessions {
		g.Go(func() (err error) {
			c, err := open(ctx)
			if err != nil {
				return err
			}
			defer func() {
				if closeErr := hangUp(ctx, c); err == nil {
					err = closeErr
				}
			}()
			return t.work(ctx, c)
		})
	}
	return g.Wait()
}

func (t *tasks) work(ctx context.Context, c *link.Conn) error {
	for {
		next := t.next(ctx)
		if next == nil {
			return ctx.Err()
		}
		if err := next.run(ctx, c); err != nil {
			return err
		}
		t.finish(next)
	}
}

// next waits for a task that can run. It returns nil if there is none left, or ctx ended.
func (t *tasks) next(ctx context.Context) *task {
	t.mu.Lock()
	defer t.mu.Unlock()
	for ctx.Err() == nil {
		left := false
		for _, x := range t.list {
			if x.started {
				continue
			}
			left = true
			if t.ready(x) {
				t.start(x)
				return x
			}
		}
		if !left {
			return nil
		}
		t.wake.Wait()
	}
	return nil
}

func (t *tasks) ready(x *task) bool {
	for _, n := range x.needs {
		if !n.done {
			return false
		}
	}
	busy := t.busy[x.table]
	return x.table == "" || busy == 0 || busy > 0 && x.shared
}

func (t *tasks) start(x *task) {
	x.started = true
	if x.shared {
		t.busy[x.table]++
	} else {
		t.busy[x.table] = -1
	}
}

func (t *tasks) finish(x *task) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x.done = true
	if x.shared {
		t.busy[x.table]--
	} else {
		t.busy[x.table] = 0
	}
	t.wake.Broadcast()
}
