package link_test

import (
	"bufio"
	"context"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// BenchmarkCopyOut compares CopyOut with pgconn's CopyTo behind a buffer, over the same rows in
// the same run: wide ones, as of secrets, and narrow ones, as of an audit trail.
func BenchmarkCopyOut(b *testing.B) {
	p := postgres.Get(b)
	name := p.Create(b, "")
	p.SQL(b, name, `CREATE TABLE wide AS SELECT i, repeat(md5(i::text), 32) x FROM generate_series(1, 100000) i;
		CREATE TABLE narrow AS SELECT i, md5(i::text) x, now() at FROM generate_series(1, 500000) i`)
	for _, table := range []string{"wide", "narrow"} {
		sql := "COPY public." + table + " TO STDOUT"
		for transport, dsn := range map[string]string{"socket": p.SocketURL(name), "TLS": p.URL(name)} {
			b.Run(table+"/"+transport+"/link", func(b *testing.B) {
				c := open(b, dsn)
				measure(b, func(w io.Writer) error { _, err := c.CopyOut(b.Context(), w, sql); return err })
			})
			b.Run(table+"/"+transport+"/pgconn", func(b *testing.B) {
				c, err := pgconn.Connect(b.Context(), dsn)
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close(context.Background())
				measure(b, func(w io.Writer) error {
					buffer := bufio.NewWriterSize(w, 256<<10)
					_, err := c.CopyTo(b.Context(), buffer, sql)
					if err != nil {
						return err
					}
					return buffer.Flush()
				})
			})
		}
	}
}

// BenchmarkCopyIn is the same for rows that go in.
func BenchmarkCopyIn(b *testing.B) {
	p := postgres.Get(b)
	name := p.Create(b, "")
	const row = "some text of a row that is neither wide nor narrow\t42\n"
	for transport, dsn := range map[string]string{"socket": p.SocketURL(name), "TLS": p.URL(name)} {
		b.Run(transport, func(b *testing.B) {
			c := open(b, dsn)
			run(b, c, "CREATE TEMP TABLE t (x text, n int)")
			var sent int64
			begun := processorTime(b)
			for b.Loop() {
				run(b, c, "TRUNCATE t")
				n, err := c.CopyIn(b.Context(), &repeated{row: row, left: 1000000}, "COPY t FROM STDIN")
				if err != nil {
					b.Fatal(err)
				}
				sent += n * int64(len(row))
			}
			report(b, sent, begun)
		})
	}
}

// repeated yields a row, again and again.
type repeated struct {
	row  string
	left int // rows
	at   int // in the row
}

func (r *repeated) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) && r.left > 0 {
		k := copy(p[n:], r.row[r.at:])
		n += k
		if r.at += k; r.at == len(r.row) {
			r.at, r.left = 0, r.left-1
		}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

type counting struct{ n int64 }

func (c *counting) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

func measure(b *testing.B, copyTo func(w io.Writer) error) {
	b.ReportAllocs()
	var w counting
	begun := processorTime(b)
	for b.Loop() {
		if err := copyTo(&w); err != nil {
			b.Fatal(err)
		}
	}
	report(b, w.n, begun)
}

// report says how much processor time of this process, not the server's, a gigabyte took.
func report(b *testing.B, bytes int64, begun time.Duration) {
	used := processorTime(b) - begun
	b.ReportMetric(used.Seconds()/(float64(bytes)/1e9), "cpu-s/GB")
	b.ReportMetric(float64(bytes)/1e6/b.Elapsed().Seconds(), "MB/s")
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
