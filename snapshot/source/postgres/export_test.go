package postgres

import (
	"context"
	"errors"

	"holdfast/snapshot"
	"holdfast/snapshot/source/postgres/script"
)

// DumpTwice dumps one and the same snapshot of the database: into d as Dump does, and into full with
// every row read.
func (s *Source) DumpTwice(ctx context.Context, d, full snapshot.Dump) (err error) {
	s = s.withDefaults()
	db, err := s.Server.DB()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	version, product, err := serverVersion(ctx, s.Server, db)
	if err != nil {
		return err
	}
	program, err := script.Find(ctx, s.Program, version)
	if err != nil {
		return err
	}
	session, chosen, err := s.open(ctx, s.Server, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.close()) }()
	r := &run{Source: s, d: d, session: session, chosen: chosen, program: program, version: version, product: product}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	again, whole := *r, *s
	whole.Full = true
	again.Source, again.d, again.parts = &whole, full, nil
	for _, p := range r.parts { // sizes are not of the snapshot, and would be others by now
		c := *p
		again.parts = append(again.parts, &c)
	}
	return errors.Join(r.write(ctx), again.write(ctx))
}
