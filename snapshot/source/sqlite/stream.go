package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"

	"holdfast/snapshot"
)

// writeSize gathers pages, which may be as small as 512 bytes, into writes worth making.
const writeSize = 256 << 10

// stream writes every page of the database into one stream of d, in order.
func (s *Source) stream(ctx context.Context, conn *sql.Conn, d snapshot.Dump, facts *Facts) error {
	w, err := d.Stream(ctx, snapshot.Stream{Name: StreamName(s.Path), Format: Format, Size: facts.Bytes()})
	if err != nil {
		return err
	}
	write := s.pages
	if facts.Checked == CheckedStructure {
		write = s.checkedPages
	}
	if err := write(ctx, conn, facts, w); err != nil {
		return err
	}
	return w.Seal(facts.Rows(), facts)
}

// checkedPages is pages with Check reading along, for what SQLite cannot check.
func (s *Source) checkedPages(ctx context.Context, conn *sql.Conn, facts *Facts, w io.Writer) error {
	pr, pw := io.Pipe()
	result := make(chan error, 1)
	go func() {
		_, err := Check(pr, facts)
		pr.CloseWithError(err) // whoever still writes must not wait
		result <- err
	}()
	err := s.pages(ctx, conn, facts, io.MultiWriter(w, pw))
	pw.CloseWithError(err)
	if checked := <-result; err == nil && checked != nil {
		return snapshot.Damaged(s.Path, "%w", checked)
	}
	return err
}

// pages reads the database through sqlite_dbpage, which sees the transaction's own pages,
// whether they are in the file or in the log. Each one is copied once by the driver;
// RawBytes hands that copy on. Fewer pages than were announced is an error, never the end.
func (s *Source) pages(ctx context.Context, conn *sql.Conn, facts *Facts, out io.Writer) error {
	w := bufio.NewWriterSize(out, writeSize)
	rows, err := conn.QueryContext(ctx, "SELECT pgno, data FROM sqlite_dbpage('main') ORDER BY pgno")
	if err != nil {
		return Explain(ctx, s.Path, err)
	}
	defer rows.Close()
	var (
		count, pgno int64
		page        sql.RawBytes
	)
	for rows.Next() {
		if err := rows.Scan(&pgno, &page); err != nil {
			return Explain(ctx, s.Path, err)
		}
		count++
		if pgno != count || len(page) != facts.PageSize {
			return snapshot.Damaged(s.Path, "page %d of %d bytes came where page %d of %d bytes belongs", pgno, len(page), count, facts.PageSize)
		}
		if count == 1 {
			if err := s.firstPage(page, facts); err != nil {
				return err
			}
		}
		if _, err := w.Write(page); err != nil {
			return fmt.Errorf("writing page %d: %w", pgno, err)
		}
	}
	if err := rows.Err(); err != nil {
		return Explain(ctx, s.Path, err)
	}
	if count != facts.Pages {
		return snapshot.Damaged(s.Path, "%d pages read of %d", count, facts.Pages)
	}
	return w.Flush()
}

// firstPage checks that the header agrees with what SQLite said of the database, so that
// the stored bytes mean the same to whoever opens them.
func (s *Source) firstPage(page []byte, facts *Facts) error {
	h, err := parseHeader(page)
	if err != nil {
		return snapshot.Damaged(s.Path, "%w", err)
	}
	if err := h.matches(facts); err != nil {
		return snapshot.Damaged(s.Path, "%w", err)
	}
	return nil
}
