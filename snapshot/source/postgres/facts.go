package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"holdfast/snapshot/source/postgres/script"
)

// readFacts fills in what the database itself is like.
func readFacts(ctx context.Context, q querier, version int, f *Facts) error {
	provider, locale := "'libc'", "''"
	switch {
	case version >= 170000:
		provider, locale = providers, "COALESCE(datlocale, '')"
	case version >= 150000:
		provider, locale = providers, "COALESCE(daticulocale, '')"
	}
	f.Version = version
	err := q.QueryRowContext(ctx, fmt.Sprintf(`SELECT datname, pg_encoding_to_char(encoding), datcollate, datctype, %s, %s
		FROM pg_catalog.pg_database WHERE datname = current_database()`, provider, locale)).
		Scan(&f.Database, &f.Encoding, &f.Collate, &f.CType, &f.Provider, &f.Locale)
	if err != nil {
		return fmt.Errorf("reading the properties of the database: %w", err)
	}
	return nil
}

const providers = "CASE datlocprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE datlocprovider::text END"

// describe adds what the definitions name outside of themselves.
func (f *Facts) describe(ctx context.Context, q querier, d *definitions) error {
	f.Roles, f.Spaces = d.roles(), d.tablespaces()
	installed, err := collect(ctx, q, func(rows *sql.Rows, e *Extension) error { return rows.Scan(&e.Name, &e.Version, &e.Schema) },
		`SELECT extname, extversion, nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace ORDER BY extname`)
	if err != nil {
		return fmt.Errorf("listing extensions: %w", err)
	}
	for _, e := range installed {
		if slices.ContainsFunc(d.pre.Entries, func(x script.Entry) bool { return x.Type == "EXTENSION" && x.Name == e.Name }) {
			f.Extensions = append(f.Extensions, e)
		}
	}
	populated, err := collect(ctx, q, func(rows *sql.Rows, v *View) error { return rows.Scan(&v.Schema, &v.Name, &v.Populated) },
		`SELECT nspname, relname, relispopulated FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE relkind = 'm'`)
	if err != nil {
		return fmt.Errorf("listing materialized views: %w", err)
	}
	// One that relies on a primary key, by GROUP BY, is made after the keys.
	for _, e := range slices.Concat(d.pre.Entries, d.post.Entries) {
		for _, v := range populated {
			if e.Type == "MATERIALIZED VIEW" && e.Schema == v.Schema && e.Name == v.Name {
				f.Views = append(f.Views, v) // in the order in which they can be filled
			}
		}
	}
	return nil
}
