package script

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// headerAt reads the header that begins where c stands and returns its length, 0 if there is none.
// A header begins a line, between two statements.
func headerAt(c *cursor) (Entry, int, error) {
	rest := c.text[c.at:]
	if c.within || !strings.HasPrefix(rest, "--\n-- ") || (c.at > 0 && c.text[c.at-1] != '\n') {
		return Entry{}, 0, nil
	}
	body, _, ok := strings.Cut(rest[len("--\n"):], "\n--\n")
	length := len("--\n") + len(body) + len("\n--\n")
	if !ok { // the script may end with it
		if body, ok = strings.CutSuffix(trim(body), "\n--"); !ok {
			return Entry{}, 0, nil
		}
		length = len(rest)
	}
	lines := strings.Split(body, "\n")
	var e Entry
	var err error
	switch {
	case strings.HasPrefix(lines[0], "-- Entry "):
		e, err = stored(lines)
	case strings.HasPrefix(lines[0], "-- TOC entry "):
		e, err = verbose(lines)
	case strings.HasPrefix(lines[0], "-- Name: "):
		e, err = plain(lines)
	default:
		return Entry{}, 0, nil
	}
	if err != nil {
		return Entry{}, 0, fmt.Errorf("the header of an entry: %w", err)
	}
	return e, length, nil
}

var errHeader = errors.New("it is not as pg_dump writes it")

// stored reads the header of the stored form.
func stored(lines []string) (e Entry, err error) {
	if len(lines) != 2 {
		return e, errHeader
	}
	words := strings.Split(strings.TrimPrefix(lines[0], "-- Entry "), " ")
	if e.ID, err = positive(words[0]); err != nil {
		return e, err
	}
	words = words[1:]
	if len(words) >= 2 && words[0] == "of" {
		if e.Of, err = positive(words[1]); err != nil {
			return e, err
		}
		words = words[2:]
	}
	if len(words) >= 2 && words[0] == "needs" {
		if e.Needs, err = numbers(words[1:]); err != nil {
			return e, err
		}
		words = nil
	}
	if len(words) > 0 {
		return e, errHeader
	}
	return e, e.storedNames(lines[1])
}

// storedNames reads "-- Name: …", in which no field holds a semicolon.
func (e *Entry) storedNames(line string) error {
	fields := strings.Split(strings.TrimPrefix(line, "-- "), "; ")
	places := []struct {
		label string
		to    *string
	}{{"Name: ", &e.Name}, {"Type: ", &e.Type}, {"Schema: ", &e.Schema}, {"Owner: ", &e.Owner}, {"Tablespace: ", &e.Space}}
	if len(fields) < 4 || len(fields) > 5 {
		return errHeader
	}
	for i, f := range fields {
		value, ok := strings.CutPrefix(f, places[i].label)
		if !ok {
			return errHeader
		}
		var err error
		if *places[i].to, err = unarmour(value); err != nil {
			return err
		}
	}
	if len(fields) == 5 && e.Space == "" {
		return errHeader
	}
	return nil
}

var tocLine = regexp.MustCompile(`^-- TOC entry ([0-9]+) \(class ([0-9]+) OID ([0-9]+)\)$`)

// verbose reads the header that pg_dump --verbose writes.
func verbose(lines []string) (e Entry, err error) {
	m := tocLine.FindStringSubmatch(lines[0])
	if m == nil {
		return e, errHeader
	}
	if e, err = plain(lines[len(lines)-1:]); err != nil {
		return e, err
	}
	if e.ID, err = positive(m[1]); err != nil {
		return e, err
	}
	class, err1 := strconv.ParseUint(m[2], 10, 32)
	oid, err2 := strconv.ParseUint(m[3], 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return e, err
	}
	e.Class, e.OID = uint32(class), uint32(oid)
	for _, line := range lines[1 : len(lines)-1] {
		list, ok := strings.CutPrefix(line, "-- Dependencies: ")
		if !ok {
			return e, errHeader
		}
		if e.Needs, err = numbers(strings.Split(list, " ")); err != nil {
			return e, err
		}
	}
	return e, nil
}

// nameLine takes the last fields that fit: pg_dump does not tell a name that looks like fields from
// fields. It also writes blanks for the line ends in names; Resolve asks the catalogue for the
// names as they are.
var nameLine = regexp.MustCompile(`^-- (?:Data for )?Name: (.*); Type: ([A-Z ]+); Schema: (.*); Owner: (.*)$`)

// plain reads the line of names.
func plain(lines []string) (e Entry, err error) {
	m := nameLine.FindStringSubmatch(lines[0])
	if m == nil || len(lines) != 1 {
		return e, errHeader
	}
	e.Name, e.Type, e.Schema, e.Owner = m[1], m[2], m[3], m[4]
	if i := strings.LastIndex(e.Owner, "; Tablespace: "); i >= 0 {
		e.Owner, e.Space = e.Owner[:i], e.Owner[i+len("; Tablespace: "):]
	}
	return e, nil
}

func positive(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%q is not the number of an entry", s)
	}
	return int(n), nil
}

func numbers(words []string) ([]int, error) {
	list := make([]int, len(words))
	for i, w := range words {
		var err error
		if list[i], err = positive(w); err != nil {
			return nil, err
		}
	}
	return list, nil
}
