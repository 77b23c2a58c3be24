package script

import (
	"fmt"
	"io"
	"strings"
)

// maxScript bounds what Parse reads: the definitions of some hundred thousand tables.
const maxScript = 256 << 20

// Parse reads a script: the stored form, or what pg_dump --verbose writes. Every statement of it is
// whole and every entry has a number of its own.
func Parse(r io.Reader) (*Script, error) {
	var b strings.Builder
	n, err := io.Copy(&b, io.LimitReader(r, maxScript+1))
	if err != nil {
		return nil, fmt.Errorf("reading a script: %w", err)
	}
	if n > maxScript {
		return nil, fmt.Errorf("reading a script: it is larger than %d MiB", maxScript>>20)
	}
	s, err := parse(b.String())
	if err != nil {
		return nil, fmt.Errorf("reading a script: %w", err)
	}
	return s, nil
}

func parse(text string) (*Script, error) {
	s := &Script{}
	c := cursor{text: text}
	begun := 0 // where the SQL of the entry at hand begins
	seal := func(until int) {
		sql := trim(text[begun:until])
		if len(s.Entries) == 0 {
			s.Preamble = sql
		} else {
			s.Entries[len(s.Entries)-1].SQL = sql
		}
	}
	for {
		if e, n, err := headerAt(&c); err != nil {
			return nil, fmt.Errorf("line %d: %w", 1+strings.Count(text[:c.at], "\n"), err)
		} else if n > 0 {
			seal(c.at)
			s.Entries = append(s.Entries, e)
			c.at += n
			begun = c.at
			continue
		}
		t, err := c.next()
		if err != nil {
			return nil, err
		}
		if t.kind == end {
			break
		}
	}
	if err := c.whole(); err != nil {
		return nil, err
	}
	seal(len(text))
	return s, s.number()
}

// trim takes empty lines away. Blanks before a comment stay: they tell it from a header.
func trim(sql string) string {
	return strings.TrimRight(strings.TrimLeft(sql, "\n"), " \t\r\n\f\v")
}

// number gives numbers to entries of a plain dump that has none, and refuses one that is there twice.
func (s *Script) number() error {
	seen := make(map[int]bool, len(s.Entries))
	for i := range s.Entries {
		e := &s.Entries[i]
		if e.ID == 0 {
			e.ID = i + 1
		}
		if seen[e.ID] {
			return fmt.Errorf("two entries have the number %d", e.ID)
		}
		seen[e.ID] = true
	}
	return nil
}
