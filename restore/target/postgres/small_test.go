package postgres_test

import (
	"testing"

	"holdfast/fixtures"
)

// small is a vault that loads in no time and still has every phase of a load.
const small = `
CREATE TYPE public.mood AS ENUM ('calm', 'wild');
CREATE FUNCTION public.twice(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n';
CREATE TABLE public.secrets (id integer PRIMARY KEY, name text NOT NULL, value bytea, mood public.mood);
CREATE TABLE public.audit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, secret integer REFERENCES public.secrets ON DELETE CASCADE, note text);
CREATE TABLE public.counted (id serial PRIMARY KEY);
CREATE SEQUENCE public.lone START 42;
CREATE INDEX ON public.secrets (public.twice(id));
CREATE VIEW public.names AS SELECT id, name FROM public.secrets;
CREATE MATERIALIZED VIEW public.total AS SELECT count(*) AS n FROM public.audit;
INSERT INTO public.secrets SELECT n, 'secret ' || n, decode(md5(n::text), 'hex'), 'calm' FROM generate_series(1, 200) n;
INSERT INTO public.audit (secret, note) SELECT 1 + n % 200, repeat('read ', 5) || n FROM generate_series(1, 400) n;
INSERT INTO public.counted SELECT FROM generate_series(1, 5);
REFRESH MATERIALIZED VIEW public.total;`

// smallVault makes a database with the small vault.
func smallVault(t *testing.T, s *fixtures.PostgresServer) string {
	t.Helper()
	name := s.Create(t, "")
	s.SQL(t, name, small)
	return name
}

// changed makes a database that once was the small vault.
func changed(t *testing.T, s *fixtures.PostgresServer) string {
	t.Helper()
	name := smallVault(t, s)
	s.SQL(t, name, `DELETE FROM secrets WHERE id > 50; UPDATE secrets SET name = 'overwritten'; INSERT INTO audit (note) VALUES ('later');
		SELECT setval('lone', 4711); ALTER TABLE secrets ADD COLUMN more text; CREATE TABLE other (id integer)`)
	return name
}
