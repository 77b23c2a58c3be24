package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"holdfast/snapshot"
	"holdfast/snapshot/source/postgres/link"
	"holdfast/snapshot/source/postgres/script"
)

// A run is one dump on an open session.
type run struct {
	*Source
	d       snapshot.Dump
	session *session
	chosen  *chosen
	program *script.Program
	version int
	product string

	tables  []*relation // with rows of their own
	parts   []*part
	earlier *earlier
	facts   Facts
	carried int
}

func (r *run) dump(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	return r.write(ctx)
}

// write reads all that was planned.
func (r *run) write(ctx context.Context) error {
	pre, err := r.d.Stream(ctx, snapshot.Stream{Name: PreData, Format: FormatSQL})
	if err != nil {
		return err
	}
	workers, err := r.session.workers(ctx, r.Workers, r.LockTimeout)
	if err != nil {
		return err
	}
	if err := errors.Join(r.watched(ctx, func(ctx context.Context) error { return r.stream(ctx, workers, pre) }), workers.close()); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	r.d.About(r.about())
	return pre.Seal(0, r.facts) // definitions are no rows
}

// stream writes definitions and rows at the same time.
func (r *run) stream(ctx context.Context, w workers, pre io.Writer) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.writeDefinitions(ctx, pre) })
	g.Go(func() error { return r.writeRows(ctx, w) })
	return g.Wait()
}

// watched does work while looking whether anybody waits for it. If it gives way, that is the reason
// for whatever else fails then.
func (r *run) watched(ctx context.Context, work func(context.Context) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	gaveWay := make(chan error, 1)
	go func() {
		err := r.session.watch(ctx, r.LockTimeout)
		stop(err)
		gaveWay <- err
	}()
	err := work(ctx)
	stop(nil)
	if watched := <-gaveWay; watched != nil {
		return watched
	}
	return err
}

// prepare decides what is read how, before anything is written.
func (r *run) prepare(ctx context.Context) error {
	if r.session.origin.Standby {
		if err := r.chosen.noUnlogged(); err != nil {
			return err
		}
	}
	tx := r.session.tx
	r.tables = r.chosen.withRows()
	if err := describe(ctx, tx, r.tables); err != nil {
		return err
	}
	if err := define(ctx, tx, r.version, r.tables); err != nil {
		return err
	}
	r.facts = Facts{Origin: r.session.origin, Client: r.program.Version, Selection: r.Selection,
		Sequences: len(r.chosen.sequences), Tables: len(r.tables)}
	if err := readFacts(ctx, tx, r.version, &r.facts); err != nil {
		return err
	}
	var err error
	if r.facts.Outside, err = r.chosen.outside(ctx, tx); err != nil {
		return err
	}
	if r.earlier, err = readEarlier(ctx, r.d); err != nil {
		return err
	}
	p := planner{q: tx, version: r.version, partSize: r.PartSize, earlier: r.earlier.byTable}
	if r.parts, err = p.plan(ctx, r.tables); err != nil {
		return err
	}
	r.warn()
	return nil
}

func (r *run) warn() {
	r.flag("a pattern of exclude matches nothing", r.chosen.warnings...)
	r.flag("the connection to the server is not as safe as it should be", r.session.server.Warnings()...)
	if len(r.facts.Outside) > 0 {
		var keys []string
		for _, o := range r.facts.Outside {
			keys = append(keys, o.String())
		}
		const text = "foreign keys lead to tables that are not in the dump"
		r.flag(text, text+": "+list(keys))
	}
	if off := time.Until(r.session.asOf).Abs(); off > maxClockDifference {
		r.d.Warn(fmt.Sprintf("the clocks of the server and of this host differ by %s", off.Round(time.Second)))
	}
}

// flag warns of what is found, if anything is. Manifests are public: names of tables, files and hosts are for
// the log of whoever takes the snapshot.
func (r *run) flag(public string, found ...string) {
	for _, text := range found {
		r.Log.Warn(text)
	}
	if len(found) > 0 {
		r.d.Warn(public + " (the log of the run says more)")
	}
}

// maxClockDifference includes the time that preparing a dump takes.
const maxClockDifference = 5 * time.Minute

// writeDefinitions writes the scripts and the sequences; the pre-data is sealed when all is known that
// its facts tell.
func (r *run) writeDefinitions(ctx context.Context, pre io.Writer) error {
	if err := r.writeSequences(ctx); err != nil {
		return err
	}
	var said []string
	hear := func(text string) { said = append(said, text) }
	// pg_dump waits longer than we do, who can tell why.
	d, err := r.session.readDefinitions(ctx, r.chosen, r.Selection, r.program, 2*r.LockTimeout, hear)
	if err != nil {
		return err
	}
	r.flag("pg_dump warned of something", said...)
	if err := r.facts.describe(ctx, r.session.tx, d); err != nil {
		return err
	}
	if _, err := d.pre.WriteTo(pre); err != nil {
		return err
	}
	post, err := r.d.Stream(ctx, snapshot.Stream{Name: PostData, Format: FormatSQL})
	if err != nil {
		return err
	}
	if _, err := d.post.WriteTo(post); err != nil {
		return err
	}
	return post.Seal(0, nil)
}

func (r *run) writeSequences(ctx context.Context) error {
	w, err := r.d.Stream(ctx, snapshot.Stream{Name: Sequences, Format: FormatSQL})
	if err != nil {
		return err
	}
	for _, s := range r.chosen.sequences {
		statement, err := position(ctx, r.session.tx, s)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, statement); err != nil {
			return err
		}
	}
	return w.Seal(0, nil)
}

// writeRows carries over the parts that are unchanged and reads the others.
func (r *run) writeRows(ctx context.Context, w workers) error {
	if r.mayCarry() {
		if err := markUnchanged(ctx, w, r.version, r.earlier, r.parts); err != nil {
			return err
		}
	}
	var changed []*part
	for _, p := range r.parts {
		if !p.same {
			changed = append(changed, p)
			continue
		}
		if err := r.d.(snapshot.Carrier).Carry(ctx, p.name()); err != nil {
			return fmt.Errorf("carrying over unchanged rows of %s: %w", p.table.name, err)
		}
		r.carried++
	}
	if err := w.each(ctx, len(changed), func(ctx context.Context, c *link.Conn, i int) error {
		return changed[i].read(ctx, c, r.d)
	}); err != nil {
		return err
	}
	return recount(ctx, w, r.version, r.parts)
}

// mayCarry reports whether anything may be carried over from the dump before at all.
func (r *run) mayCarry() bool {
	before := r.earlier.facts
	if r.Full || before == nil || !r.session.origin.follows(before.Origin) {
		return false
	}
	age := r.session.asOf.Sub(before.FullAt)
	return age >= 0 && age < r.FullEvery
}

// settle makes sure that what was read is of one piece: that the transaction with the locks is still
// there, and that no type was altered and no schema renamed, which no lock on a table prevents.
func (r *run) settle(ctx context.Context) error {
	var one int
	if err := r.session.tx.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("asking whether the tables are still locked: %w", err)
	}
	again := make([]*relation, len(r.tables))
	for i, t := range r.tables {
		again[i] = &relation{oid: t.oid}
	}
	if err := define(ctx, r.session.db, r.version, again); err != nil {
		return err
	}
	altered, err := moved(ctx, r.session.db, append(r.chosen.tables(), r.chosen.sequences...))
	if err != nil {
		return err
	}
	for i, t := range r.tables {
		if again[i].definition != t.definition {
			altered = append(altered, t.name.String())
		}
	}
	if len(altered) > 0 {
		return fmt.Errorf("%w: %s", ErrChanged, list(altered))
	}
	r.facts.FullAt = r.session.asOf
	if r.carried > 0 {
		r.facts.FullAt = r.earlier.facts.FullAt
	}
	r.Log.Debug("read the database", "source", r.session.server.String(), "tables", len(r.tables), "read", len(r.parts)-r.carried, "carried", r.carried)
	return nil
}

func (r *run) about() snapshot.About {
	version, _, _ := strings.Cut(r.product, " ") // without the packager's words
	return snapshot.About{AsOf: r.session.asOf, Server: snapshot.Server{
		Product: "PostgreSQL",
		Version: version,
		Facts: map[string]string{
			"encoding":      r.facts.Encoding,
			"size":          strconv.FormatInt(totalBytes(r.tables), 10),
			"tables":        strconv.Itoa(len(r.tables)),
			"parts_read":    strconv.Itoa(len(r.parts) - r.carried),
			"parts_carried": strconv.Itoa(r.carried),
		},
	}}
}
