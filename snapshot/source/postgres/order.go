package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/lib/pq"
)

// An order is that of the rows of one table, and what its parts are ranges of.
type order struct {
	column   string // "": the heap's
	scale    scale
	timezone bool
}

// key is what Part.Order says.
func (o order) key() string {
	if o.column == "" {
		return "ctid"
	}
	return o.column
}

func (o order) expression() string {
	if o.column == "" {
		return "ctid"
	}
	return pq.QuoteIdentifier(o.column)
}

// value writes a point for SQL, compared as the index has it.
func (o order) value(text string) string {
	if o.scale == pages {
		return "'(" + text + ",0)'::tid"
	}
	return "'" + text + "'::" + o.scale.sqlType(o.timezone)
}

// A candidate is a column that a valid index begins with.
type candidate struct {
	column
	unique      bool
	correlation float64
	bounds      []string // of pg_stats' histogram
}

// These columns tell when a row was made, or something happened.
var (
	creation = regexp.MustCompile(`(?i)creat|insert|added|occur|logged|recorded|received|event|(^|_)(time|timestamp|date|at|ts)$`)
	touched  = regexp.MustCompile(`(?i)updat|modif|chang|access|seen|expir|valid|until|delet|last|next|end|start|rotat`)
)

// Columns that pg_stats shows to follow the heap this well rise as rows are added.
const rising = 0.9

const (
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidTimestamp   = 1114
	oidTimestamptz = 1184
	oidUUID        = 2950
)

// rank returns how well rows in the order of c keep what was dumped before in place: 0 if not at
// all, as with random keys, where every new row lands somewhere else.
func (c candidate) rank() (int, order) {
	if !c.notNull {
		return 0, order{}
	}
	switch c.typ {
	case oidInt2, oidInt4, oidInt8:
		switch {
		case !c.unique:
		case c.identity || strings.HasPrefix(c.deflt, "nextval("):
			return 4, order{column: c.Name, scale: numbers}
		case c.correlation >= rising:
			return 3, order{column: c.Name, scale: numbers}
		}
	case oidUUID:
		if c.unique && allVersion7(c.bounds) {
			return 2, order{column: c.Name, scale: uuid7}
		}
	case oidTimestamp, oidTimestamptz:
		if c.correlation >= rising && creation.MatchString(c.Name) && !touched.MatchString(c.Name) {
			return 1, order{column: c.Name, scale: instant, timezone: c.typ == oidTimestamptz}
		}
	}
	return 0, order{}
}

// allVersion7 looks at the values of a histogram, of which there are a hundred as a rule.
func allVersion7(bounds []string) bool {
	for _, v := range bounds {
		if len(v) != 36 || v[14] != '7' {
			return false
		}
	}
	return len(bounds) > 1
}

// orderOf picks the order of a table. One that an earlier dump had stays as long as there is an
// index for it, since another would have every row stored again.
func orderOf(t *relation, candidates []candidate, earlier []Part) order {
	var best order
	top := 0
	for _, c := range candidates {
		rank, o := c.rank()
		if len(earlier) > 0 && earlier[0].Order == c.Name && c.steady() {
			return c.order()
		}
		if rank > top {
			top, best = rank, o
		}
	}
	return best
}

// steady reports whether c can be ordered by at all, whatever the statistics say today.
func (c candidate) steady() bool {
	o := c.order()
	return c.notNull && o.column != "" && (c.unique || o.scale == instant)
}

func (c candidate) order() order {
	switch c.typ {
	case oidInt2, oidInt4, oidInt8:
		return order{column: c.Name, scale: numbers}
	case oidUUID:
		return order{column: c.Name, scale: uuid7}
	case oidTimestamp, oidTimestamptz:
		return order{column: c.Name, scale: instant, timezone: c.typ == oidTimestamptz}
	}
	return order{}
}

// readCandidates lists the columns of tables that a whole and valid B-tree begins with.
func readCandidates(ctx context.Context, q querier, tables []*relation) (map[uint32][]candidate, error) {
	byColumn := map[[2]int64]column{}
	ids := make([]int64, len(tables))
	for i, t := range tables {
		ids[i] = int64(t.oid)
		for _, c := range t.columns {
			byColumn[[2]int64{int64(t.oid), int64(c.number)}] = c
		}
	}
	all := map[uint32][]candidate{}
	_, err := collect(ctx, q, func(rows *sql.Rows, _ *struct{}) error {
		var table uint32
		var number int
		var c candidate
		if err := rows.Scan(&table, &number, &c.unique, &c.correlation, pq.Array(&c.bounds)); err != nil {
			return err
		}
		column, ok := byColumn[[2]int64{int64(table), int64(number)}]
		if ok {
			c.column = column
			all[table] = append(all[table], c)
		}
		return nil
	}, `SELECT i.indrelid, i.indkey[0], bool_or(i.indisunique AND i.indnkeyatts = 1),
			COALESCE(max(abs(s.correlation)), 0), 
			max(CASE WHEN a.atttypid IN (20, 21, 23, 1114, 1184, 2950) THEN s.histogram_bounds::text END)::text[]
		FROM pg_catalog.pg_index i
		JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_am m ON m.oid = c.relam AND m.amname = 'btree'
		JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[0] AND o.opcdefault
		JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
		JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
		LEFT JOIN pg_catalog.pg_stats s ON s.schemaname = n.nspname AND s.tablename = t.relname AND s.attname = a.attname AND NOT s.inherited
		WHERE i.indrelid = ANY ($1) AND i.indisvalid AND i.indisready AND i.indislive AND i.indpred IS NULL
		GROUP BY i.indrelid, i.indkey[0] ORDER BY i.indrelid, i.indkey[0]`, pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("reading indexes: %w", err)
	}
	return all, nil
}

// ends returns the lowest and the highest point of the key of a table, by its index; ok is false if
// it has no rows, or one whose key is off the line, such as an infinite time.
func ends(ctx context.Context, q querier, t *relation, o order) (e extent, ok bool, err error) {
	for _, end := range []struct {
		at   *int64
		sort string
	}{{&e.low, "ASC"}, {&e.high, "DESC"}} {
		var text string
		err := q.QueryRowContext(ctx, fmt.Sprintf("SELECT key::text FROM (SELECT %[1]s AS key FROM ONLY %[2]s ORDER BY 1 %[3]s LIMIT 1) t",
			o.expression(), t.quoted(), end.sort)).Scan(&text)
		if errors.Is(err, sql.ErrNoRows) {
			return e, false, nil
		}
		if err != nil {
			return e, false, fmt.Errorf("looking for the ends of %s: %w", t.name, err)
		}
		if *end.at, err = o.scale.read(text); err != nil {
			return e, false, nil
		}
	}
	onLine := o.scale != instant || e.low >= earliest && e.high <= latest
	return e, onLine && e.low <= e.high, nil
}

// cast brings the key to the type of the points it is compared with.
func (o order) cast() string {
	if o.scale == numbers {
		return "::bigint"
	}
	return ""
}
