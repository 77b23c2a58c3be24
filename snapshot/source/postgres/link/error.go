package link

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrLost means that the connection to the server broke, or that the server ended it.
var ErrLost = errors.New("the connection to the server is lost")

// ErrCopy means that a COPY did not end as the protocol says: what was read of it is not whole.
var ErrCopy = errors.New("the copy is not whole")

// An Error is what the server answered. It holds nothing that may be a value of a row: where a
// message, detail or hint of its class may be one, the name of the condition stands for all three.
type Error struct {
	Severity   string // ERROR, FATAL or PANIC
	Code       string // SQLSTATE
	Message    string
	Detail     string
	Hint       string
	Schema     string
	Table      string
	Column     string
	Constraint string
	Line       int // of the rows given to COPY, from 1; 0 if unknown
	Position   int // of the character in the statement, from 1; 0 if unknown

	last bool // the server ended the session with it
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	if e.Table != "" && !strings.Contains(e.Message, e.Table) {
		fmt.Fprintf(&b, ", table %s", e.Table)
	}
	if e.Constraint != "" && !strings.Contains(e.Message, e.Constraint) {
		fmt.Fprintf(&b, ", constraint %s", e.Constraint)
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, ", line %d", e.Line)
	}
	fmt.Fprintf(&b, " (SQLSTATE %s)", e.Code)
	return b.String()
}

// Is makes an Error match ErrLost if the server ended the session with it. A refused login does
// not match: there was nothing to lose.
func (e *Error) Is(target error) bool { return target == ErrLost && e.last }

// raised is the routine of the server that speaks for RAISE in a function.
const raised = "exec_stmt_raise"

func newError(p *pgconn.PgError) *Error {
	e := &Error{
		Severity: p.SeverityUnlocalized, Code: p.Code,
		Schema: p.SchemaName, Table: p.TableName, Column: p.ColumnName, Constraint: p.ConstraintName,
		Line: copyLine(p.Where), Position: int(p.Position),
	}
	if e.Severity == "" {
		e.Severity = p.Severity
	}
	name, hidden := concealed(p.Code)
	if p.Routine == raised { // with whatever SQLSTATE and text it pleased
		name, hidden = concealedClasses["P0"], true
	}
	if hidden {
		e.Message = name
		return e
	}
	e.Message, e.Detail, e.Hint = p.Message, p.Detail, p.Hint
	return e
}

var copyContext = regexp.MustCompile(`(?m)^COPY .+?, line (\d+)`)

// copyLine takes the number of the line, and nothing else, out of the context of an error in COPY.
func copyLine(where string) int {
	m := copyContext.FindStringSubmatch(where)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n
}

// lost marks a broken connection.
func lost(err error) error {
	if err == nil || errors.Is(err, ErrLost) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrLost, err)
}
