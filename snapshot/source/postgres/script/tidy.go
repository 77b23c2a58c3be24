package script

import (
	"slices"
	"strings"
)

// tidy takes out of a fresh dump what differs from run to run and makes every entry stand by itself.
//
// pg_dump sets the tablespace and the access method for tables in between entries, for
// all that follow; whoever picks entries would put tables in the wrong place. So
// the preamble sets what is usual, and an entry that wants something else says so and sets it back.
func tidy(raw *Script) (*Script, error) {
	now := storage{space: "SET default_tablespace = '';", method: "SET default_table_access_method = heap;"}
	usual := now
	settings, err := now.take(raw.Preamble)
	if err != nil {
		return nil, err
	}
	settings = slices.DeleteFunc(settings, func(s string) bool {
		// Unknown to servers before 17, and off unless someone sets it.
		return strings.HasPrefix(s, "SET transaction_timeout")
	})
	settings = append(settings, usual.space, usual.method)
	s := &Script{Preamble: strings.Join(settings, "\n")}
	for _, e := range raw.Entries {
		want := now
		if _, err := now.take(e.SQL); err != nil {
			return nil, err
		}
		e.SQL = withoutTail(e.SQL)
		if e.Space == "" {
			want.space = usual.space
		}
		if e.Type != "TABLE" && e.Type != "MATERIALIZED VIEW" {
			want.method = usual.method
		}
		e.SQL = around(e.SQL, want.space, usual.space)
		e.SQL = around(e.SQL, want.method, usual.method)
		s.Entries = append(s.Entries, e)
	}
	return s, nil
}

// storage is where pg_dump has tables created, as statements.
type storage struct{ space, method string }

// take follows the settings in sql and returns its other statements.
func (s *storage) take(sql string) ([]string, error) {
	list, err := split(sql)
	if err != nil {
		return nil, err
	}
	var others []string
	for _, text := range list {
		switch {
		case strings.HasPrefix(text, "SET default_tablespace = "):
			s.space = text
		case strings.HasPrefix(text, "SET default_table_access_method = "):
			s.method = text
		default:
			others = append(others, text)
		}
	}
	return others, nil
}

// withoutTail cuts off what follows the last statement of the entry itself: settings for those that
// come next, and the comments that end a dump. An entry may be a comment and nothing else.
func withoutTail(sql string) string {
	c := cursor{text: sql}
	last, some := 0, false
	for {
		t, err := c.next()
		if err != nil || t.kind == end {
			break
		}
		if !c.closed {
			continue
		}
		some = true
		if !strings.HasPrefix(sql[c.from:], "SET default_table") {
			last = t.end
		}
	}
	if last == 0 && !some {
		return beforeEnd(sql)
	}
	if last == 0 {
		return ""
	}
	return sql[:last]
}

// beforeEnd drops the comments that end a dump from an entry without statements.
func beforeEnd(sql string) string {
	for _, mark := range []string{"-- Completed on ", "--\n-- PostgreSQL database dump complete"} {
		if i := strings.Index(sql, mark); i >= 0 {
			sql = trim(sql[:i])
		}
	}
	return sql
}

func around(sql, set, back string) string {
	if set == back {
		return sql
	}
	return set + "\n\n" + sql + "\n\n" + back
}

// after are the types of entries that come after the data. What has none of these types but comes after
// one is there because it needs it, such as a view that relies on a primary key.
var after = map[string]bool{
	"INDEX": true, "INDEX ATTACH": true, "STATISTICS": true, "CONSTRAINT": true, "CHECK CONSTRAINT": true,
	"FK CONSTRAINT": true, "TRIGGER": true, "EVENT TRIGGER": true, "RULE": true, "POLICY": true,
	"ROW SECURITY": true, "PUBLICATION": true, "PUBLICATION TABLE": true, "PUBLICATION TABLES IN SCHEMA": true,
	"SUBSCRIPTION": true, "SUBSCRIPTION TABLE": true, "DEFAULT ACL": true, "ACL": true,
}

// divide cuts a dump where what comes after the data begins.
func divide(s *Script) (pre, post *Script) {
	i := slices.IndexFunc(s.Entries, func(e Entry) bool { return after[e.Type] })
	if i < 0 {
		i = len(s.Entries)
	}
	return &Script{Preamble: s.Preamble, Entries: s.Entries[:i:i]}, &Script{Preamble: s.Preamble, Entries: s.Entries[i:]}
}
