package postgres

import (
	"context"
	"fmt"

	"holdfast/snapshot/source/postgres/link"
)

// defaults are the default privileges of the role that restores. pg_dump writes grants as if nobody had any:
// so they are suspended while objects are made, and put back afterwards.
type defaults struct{ suspend, resume []string }

// defaultsQuery lists by what the default privileges of this role differ from those built in.
const defaultsQuery = `SELECT pg_catalog.quote_ident(n.nspname), CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
		WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END,
	x.privilege_type, COALESCE((SELECT pg_catalog.quote_ident(rolname) FROM pg_catalog.pg_roles WHERE oid = x.grantee), 'PUBLIC'), x.is_grantable, x.extra
	FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
	CROSS JOIN LATERAL (SELECT CASE WHEN d.defaclnamespace = 0
		THEN pg_catalog.acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole) END) usual (acl)
	CROSS JOIN LATERAL (
		(SELECT e.grantee, e.privilege_type, e.is_grantable, true FROM pg_catalog.aclexplode(d.defaclacl) e
		EXCEPT SELECT e.grantee, e.privilege_type, e.is_grantable, true FROM pg_catalog.aclexplode(usual.acl) e)
		UNION ALL
		(SELECT e.grantee, e.privilege_type, e.is_grantable, false FROM pg_catalog.aclexplode(usual.acl) e
		EXCEPT SELECT e.grantee, e.privilege_type, e.is_grantable, false FROM pg_catalog.aclexplode(d.defaclacl) e)
	) x (grantee, privilege_type, is_grantable, extra)
	WHERE d.defaclrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER)
	ORDER BY 1, 2, 3, 4`

func suspendDefaults(ctx context.Context, c *link.Conn) (defaults, error) {
	var d defaults
	rows, err := c.Query(ctx, defaultsQuery)
	if err != nil {
		return d, fmt.Errorf("reading default privileges: %w", err)
	}
	for _, row := range rows {
		where := "ALTER DEFAULT PRIVILEGES "
		if row[0] != nil {
			where += "IN SCHEMA " + *row[0] + " "
		}
		what := text(row[2]) + " ON " + text(row[1])
		grant, revoke := where+"GRANT "+what+" TO "+text(row[3]), where+"REVOKE "+what+" FROM "+text(row[3])
		if text(row[4]) == "t" {
			grant += " WITH GRANT OPTION"
		}
		if text(row[5]) == "t" {
			d.suspend, d.resume = append(d.suspend, revoke), append(d.resume, grant)
		} else {
			d.suspend, d.resume = append(d.suspend, grant), append(d.resume, revoke)
		}
	}
	return d, run(ctx, c, d.suspend)
}

func run(ctx context.Context, c *link.Conn, statements []string) error {
	for _, sql := range statements {
		if err := c.Exec(ctx, sql); err != nil {
			return fmt.Errorf("changing default privileges: %w", err)
		}
	}
	return nil
}
