package script

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMissingRolesAreTakenOut(t *testing.T) {
	gone := map[string]bool{"gone": true, "Gone Too": true}
	for _, c := range []struct{ sql, want, left string }{
		{"CREATE TABLE t ();\n\n\nALTER TABLE t OWNER TO gone;", "CREATE TABLE t ();", `owner for the missing role "gone" left out: x s.n`},
		{"ALTER TABLE gone OWNER TO there;", "ALTER TABLE gone OWNER TO there;", ""},
		{`ALTER FUNCTION f(gone integer) OWNER TO "Gone Too";`, "", `owner for the missing role "Gone Too" left out: x s.n`},
		{"GRANT SELECT ON TABLE gone TO there;\nGRANT SELECT ON TABLE t TO gone WITH GRANT OPTION;", "GRANT SELECT ON TABLE gone TO there;", `rights for the missing role "gone" left out: x s.n`},
		{"GRANT ALL ON TABLE t TO there GRANTED BY gone;", "", `rights for the missing role "gone" left out: x s.n`},
		{"REVOKE ALL ON TABLE t FROM gone;\nREVOKE ALL ON TABLE t FROM PUBLIC;", "REVOKE ALL ON TABLE t FROM PUBLIC;", `rights for the missing role "gone" left out: x s.n`},
		{"SET SESSION AUTHORIZATION gone;\nGRANT SELECT ON TABLE t TO there;\nRESET SESSION AUTHORIZATION;\nGRANT SELECT ON TABLE u TO there;", "GRANT SELECT ON TABLE u TO there;", ""},
		{"SET SESSION AUTHORIZATION there;\nGRANT SELECT ON TABLE t TO gone;\nRESET SESSION AUTHORIZATION;", "SET SESSION AUTHORIZATION there;\nRESET SESSION AUTHORIZATION;", `rights for the missing role "gone" left out: x s.n`},
		{"ALTER DEFAULT PRIVILEGES FOR ROLE gone IN SCHEMA s GRANT SELECT ON TABLES  TO there;", "", `rights for the missing role "gone" left out: x s.n`},
		{"ALTER DEFAULT PRIVILEGES FOR ROLE there IN SCHEMA s GRANT SELECT ON TABLES  TO gone;", "", `rights for the missing role "gone" left out: x s.n`},
		{"CREATE POLICY gone ON t FOR SELECT TO there, gone, \"Gone Too\" USING ((a = 'gone'::text));", "CREATE POLICY gone ON t FOR SELECT TO there USING ((a = 'gone'::text));",
			`policy for the missing role "gone" left out: x s.n|policy for the missing role "Gone Too" left out: x s.n`},
		{"CREATE POLICY p ON t TO gone USING (true);", "", `policy for the missing role "gone" left out: x s.n`},
		{"CREATE POLICY p ON t USING ((EXISTS ( SELECT 1 WHERE (a = 'x'::text))));", "CREATE POLICY p ON t USING ((EXISTS ( SELECT 1 WHERE (a = 'x'::text))));", ""},
		{"CREATE USER MAPPING FOR gone SERVER s;", "", `user mapping for the missing role "gone" left out: x s.n`},
		{"CREATE SCHEMA s AUTHORIZATION gone;", "CREATE SCHEMA s ;", `owner for the missing role "gone" left out: x s.n`},
		{"COMMENT ON TABLE t IS 'OWNER TO gone';", "COMMENT ON TABLE t IS 'OWNER TO gone';", ""},
	} {
		s := &Script{Entries: []Entry{{ID: 1, Type: "X", Schema: "s", Name: "n", SQL: c.sql}}}
		got, left := s.WithoutRoles(func(r string) bool { return gone[r] })
		if got.Entries[0].SQL != c.want {
			t.Errorf("%s\nbecame %s", c.sql, got.Entries[0].SQL)
		}
		if s.Entries[0].SQL != c.sql {
			t.Errorf("the script itself changed: %s", s.Entries[0].SQL)
		}
		if d := cmp.Diff(c.left, strings.Join(left, "|")); d != "" {
			t.Errorf("%s: %s", c.sql, d)
		}
	}
}

func TestRolesAreThoseThatStatementsName(t *testing.T) {
	s := &Script{Entries: []Entry{{SQL: `GRANT SELECT ON TABLE "to" TO a; REVOKE ALL ON SCHEMA x FROM PUBLIC; ALTER TABLE t OWNER TO "B b";
		CREATE POLICY p ON t TO c, d USING (true); ALTER DEFAULT PRIVILEGES FOR ROLE e GRANT SELECT ON TABLES TO f; ALTER TABLE t ENABLE TRIGGER g;
		SET SESSION AUTHORIZATION h; CREATE USER MAPPING FOR i SERVER s;`}}}
	if d := cmp.Diff([]string{"B b", "a", "c", "d", "e", "f", "h", "i"}, s.Roles()); d != "" {
		t.Error(d)
	}
}
