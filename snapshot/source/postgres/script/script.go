package script

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A Script is one of the two halves of a database's definitions, in the order in which they
// have to be executed.
type Script struct {
	Preamble string // settings of the session that all entries rely on
	Entries  []Entry
}

// An Entry defines one object, or one thing about an object, such as its comment.
type Entry struct {
	ID    int   // unique in the dump
	Of    int   // the entry that this one is a part of; 0: it stands for itself
	Needs []int // entries that must be there before, rising

	Name   string // as pg_dump has it: a constraint's is "table constraint"
	Type   string // TABLE, INDEX, ACL, ...
	Schema string // "-": in no schema
	Owner  string
	Space  string // tablespace, if it is not the database's

	SQL string

	// Known of entries fresh from pg_dump, and not stored.
	Class, OID uint32   // where the object is in the catalogue
	Lacks      []string // what it needs that no entry defines, as the server describes it
}

// Whole returns the number of the entry that e stands and falls with: e itself if it is not a part.
func (e Entry) Whole() int {
	if e.Of != 0 {
		return e.Of
	}
	return e.ID
}

// Statements returns the statements of e, each with its semicolon and without the comments around it.
// An entry from Parse has only whole ones.
func (e Entry) Statements() []string {
	list, _ := split(e.SQL)
	return list
}

// Settings returns the statements of the preamble.
func (s *Script) Settings() []string {
	list, _ := split(s.Preamble)
	return list
}

// WriteTo writes the stored form of s.
func (s *Script) WriteTo(w io.Writer) (int64, error) {
	var n counter
	b := bufio.NewWriter(io.MultiWriter(w, &n))
	if s.Preamble != "" {
		b.WriteString(s.Preamble + "\n\n")
	}
	for _, e := range s.Entries {
		b.WriteString(e.header())
		if e.SQL != "" {
			b.WriteString("\n" + e.SQL + "\n")
		}
		b.WriteByte('\n')
	}
	err := b.Flush()
	return int64(n), err
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// header is the comment before an entry in the stored form.
func (e Entry) header() string {
	var b strings.Builder
	fmt.Fprintf(&b, "--\n-- Entry %d", e.ID)
	if e.Of != 0 {
		fmt.Fprintf(&b, " of %d", e.Of)
	}
	if len(e.Needs) > 0 {
		b.WriteString(" needs")
		for _, id := range e.Needs {
			b.WriteByte(' ')
			b.WriteString(strconv.Itoa(id))
		}
	}
	fmt.Fprintf(&b, "\n-- Name: %s; Type: %s; Schema: %s; Owner: %s", armour(e.Name), armour(e.Type), armour(e.Schema), armour(e.Owner))
	if e.Space != "" {
		b.WriteString("; Tablespace: " + armour(e.Space))
	}
	b.WriteString("\n--\n")
	return b.String()
}

// armour writes a name so that it ends neither its line nor its field.
func armour(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; c < ' ' || c == ';' || c == '%' || c == 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unarmour is the inverse of armour; anything that armour does not write is refused.
func unarmour(text string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		if len(text) < i+3 {
			return "", fmt.Errorf("%q ends in half a character", text)
		}
		c, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
		if err != nil {
			return "", fmt.Errorf("%q is not a character", text[i:i+3])
		}
		b.WriteByte(byte(c))
		i += 2
	}
	if armour(b.String()) != text {
		return "", fmt.Errorf("%q has a character that is not armoured", text)
	}
	return b.String(), nil
}
