package postgres

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/lib/pq"

	"holdfast/restore"
	"holdfast/snapshot"
	source "holdfast/snapshot/source/postgres"
	"holdfast/snapshot/source/postgres/link"
	"holdfast/snapshot/source/postgres/script"
)

// A sequence is where one sequence stood.
type sequence struct {
	name   string // quoted, with its schema
	of     script.Relation
	last   string
	called bool
}

// setval is the one kind of statement in the stream Sequences.
var setval = regexp.MustCompile(`^SELECT pg_catalog\.setval\('((?:[^']|'')+)'(?:::regclass)?, (-?[0-9]+), (true|false)\);$`)

// readSequences reads the stream Sequences.
func (p *plan) readSequences(ctx context.Context, d restore.Dump) error {
	err := p.readStream(ctx, d, source.Sequences, func(r io.Reader) (err error) {
		p.sequences, err = parseSequences(r)
		return err
	})
	if err != nil {
		return err
	}
	if len(p.sequences) != p.facts.Sequences {
		return snapshot.Damaged(source.Sequences, "it has %d sequences instead of %d", len(p.sequences), p.facts.Sequences)
	}
	return nil
}

func parseSequences(r io.Reader) ([]sequence, error) {
	var list []sequence
	lines := bufio.NewReader(r)
	for statement := ""; ; {
		line, err := lines.ReadString('\n')
		if err != nil && err != io.EOF {
			return nil, err
		}
		statement += line // a name may have a line break
		text := strings.TrimSuffix(statement, "\n")
		if m := setval.FindStringSubmatch(text); m != nil {
			name := strings.ReplaceAll(m[1], "''", "'")
			of, err := parseName(name)
			if err != nil {
				return nil, err
			}
			list = append(list, sequence{name, of, m[2], m[3] == "true"})
			statement = ""
		} else if text == "" || strings.HasPrefix(text, "--") {
			statement = ""
		}
		if err == io.EOF {
			if strings.TrimSpace(statement) != "" {
				return nil, fmt.Errorf("parsing sequences: a statement after number %d is no setval", len(list))
			}
			return list, nil
		}
	}
}

// setSequences puts every sequence where it stood. A sequence that was there before this
// transaction is restarted first: that gives it a new file, so that a rollback brings the old
// one back, which setval alone does not. One that something outside of the dump takes numbers from, too,
// never goes back: that would give out the same numbers twice.
func (l *loading) setSequences(ctx context.Context, c *link.Conn, r *room) error {
	for i, s := range l.sequences {
		if r.shared[s.of] {
			further, err := furtherOn(ctx, c, r.twinOf(s.of), &l.sequences[i])
			if err != nil {
				return fmt.Errorf("reading sequence %s: %w", s.name, err)
			}
			if further {
				l.note("sequence %s stayed where it was, further on than in the dump, since not only the dump's tables use it", s.of)
				continue
			}
		}
		if r.stood[s.of] {
			if err := c.Exec(ctx, "ALTER SEQUENCE "+s.name+" RESTART"); err != nil {
				return fmt.Errorf("restarting sequence %s: %w", s.name, err)
			}
		}
		sql := fmt.Sprintf("SELECT pg_catalog.setval(%s::pg_catalog.regclass, %s, %t)", pq.QuoteLiteral(s.name), s.last, s.called)
		if _, err := c.Query(ctx, sql); err != nil {
			return fmt.Errorf("setting sequence %s: %w", s.name, err)
		}
	}
	return nil
}

// furtherOn locks a sequence and reports whether it is further on than s says, which then says where it is.
func furtherOn(ctx context.Context, c *link.Conn, twin script.Entry, s *sequence) (bool, error) {
	// The server locks no sequence by LOCK. This changes nothing.
	if err := c.Exec(ctx, "ALTER TABLE "+s.name+" OWNER TO "+pq.QuoteIdentifier(twin.Owner)); err != nil {
		return false, err
	}
	rows, err := c.Query(ctx, `SELECT last_value, is_called,
		CASE WHEN last_value = $1::bigint THEN is_called AND NOT $2::boolean ELSE (last_value > $1::bigint) = (seqincrement > 0) END
		FROM `+s.name+`, pg_catalog.pg_sequence WHERE seqrelid = `+pq.QuoteLiteral(s.name)+"::pg_catalog.regclass", s.last, fmt.Sprint(s.called))
	if err != nil {
		return false, err
	}
	further := text(rows[0][2]) == "t"
	if further {
		s.last, s.called = text(rows[0][0]), text(rows[0][1]) == "t"
	}
	return further, nil
}

// verifySequences reads every sequence back.
func (l *loading) verifySequences(ctx context.Context, c *link.Conn) error {
	for _, s := range l.sequences {
		rows, err := c.Query(ctx, "SELECT last_value, is_called FROM "+s.name)
		if err != nil {
			return fmt.Errorf("reading sequence %s back: %w", s.name, err)
		}
		if len(rows) != 1 || text(rows[0][0]) != s.last || (text(rows[0][1]) == "t") != s.called {
			return fmt.Errorf("reading sequence %s back: %w", s.name, ErrDiffers)
		}
	}
	return nil
}

// parseName reads a name with its schema as SQL has it.
func parseName(sql string) (script.Relation, error) {
	var names []string
	for rest := sql; ; {
		name, after, err := parseIdentifier(rest)
		if err != nil {
			return script.Relation{}, fmt.Errorf("parsing the name %s: %w", sql, err)
		}
		names = append(names, name)
		if after == "" {
			break
		}
		rest = after[1:]
	}
	if len(names) != 2 {
		return script.Relation{}, fmt.Errorf("parsing the name %s: it is not one of a schema and one in it", sql)
	}
	return script.Relation{Schema: names[0], Name: names[1]}, nil
}

var errName = errors.New("it is no identifier")

// parseIdentifier reads an identifier; what comes after it is empty or begins with a dot.
func parseIdentifier(sql string) (name, after string, err error) {
	if !strings.HasPrefix(sql, `"`) {
		end := strings.IndexByte(sql+".", '.')
		if end == 0 {
			return "", "", errName
		}
		return sql[:end], sql[end:], nil
	}
	for rest := sql[1:]; ; {
		piece, more, closed := strings.Cut(rest, `"`)
		name += piece
		switch {
		case !closed:
			return "", "", errName
		case strings.HasPrefix(more, `"`):
			name += `"`
			rest = more[1:]
		case more != "" && more[0] != '.':
			return "", "", errName
		default:
			return name, more, nil
		}
	}
}
