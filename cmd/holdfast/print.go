package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// print shows a result: with --json v as one document, otherwise what people writes.
func (a *app) print(v any, people func()) error {
	if !a.json {
		people()
		return a.writeErr
	}
	return a.printJSON(v)
}

// printJSON writes v as the one document of this run. An error afterwards changes the exit
// code and is told on stderr, but adds no second document.
func (a *app) printJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("writing result: %w", err)
	}
	a.printed = true
	a.printf("%s\n", b)
	return a.writeErr
}

// printf writes to stdout. The first failure is kept for flush: a result that nobody can
// read is a failure.
func (a *app) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(a.stdout, format, args...); err != nil && a.writeErr == nil {
		a.writeErr = fmt.Errorf("writing result: %w", err)
	}
}

// flush returns the first failure to write a result.
func (a *app) flush() error { return a.writeErr }

// note tells people something that is not the result.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}

// warn tells people something they should look at.
func (a *app) warn(message, hint string) {
	fmt.Fprintf(a.stderr, "warning: %s\n", message)
	if hint != "" {
		fmt.Fprintf(a.stderr, "hint: %s\n", hint)
	}
}

// table prints rows for people. The columns that right names, from 0, line up on the right,
// as numbers and sizes should.
func (a *app) table(header []string, rows [][]string, right ...int) {
	w := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatUpper
	w.SetStyle(style)
	w.SuppressTrailingSpaces()
	var columns []table.ColumnConfig
	for _, n := range right {
		columns = append(columns, table.ColumnConfig{Number: n + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	w.SetColumnConfigs(columns)
	w.AppendHeader(cells(header))
	for _, r := range rows {
		w.AppendRow(cells(r))
	}
	a.printf("%s\n", w.Render())
}

func cells(texts []string) table.Row {
	row := make(table.Row, len(texts))
	for i, t := range texts {
		row[i] = visible(t)
	}
	return row
}

// visible replaces what would move a terminal's cursor or change its colours. Names and tags
// come out of repositories, which others may write to.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// bytesText writes a number of bytes for people.
func bytesText(n int64) string { return humanize.IBytes(uint64(max(0, n))) }

// ageText writes for people how long before now t was.
func ageText(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return humanize.RelTime(t, now, "ago", "from now")
}

// document prints a result that is whole already.
func (a *app) document(b []byte) {
	a.printed = true
	a.printf("%s", b)
}
