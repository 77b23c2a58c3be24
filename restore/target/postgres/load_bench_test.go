package postgres_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/fixtures"
	"holdfast/fixtures/vaulta"
	"holdfast/restore/target/postgres"
	source "holdfast/snapshot/source/postgres"
	"holdfast/snapshot/source/postgres/link"
)

// BenchmarkRestore loads 256 MiB of vault A by each road, and by psql in one transaction, in turn.
// client-s and server-s are CPU seconds.
func BenchmarkRestore(b *testing.B) {
	s := fixtures.Postgres(b)
	from := s.Create(b, "")
	if err := vaulta.Generate(b.Context(), s.SocketURL(from), vaulta.Options{Secrets: 200_000, Audit: 550_000}); err != nil {
		b.Fatal(err)
	}
	server, err := link.Parse(s.SocketURL(from))
	if err != nil {
		b.Fatal(err)
	}
	d := take(b, &source.Source{Server: server})
	plain, err := s.DumpText(from)
	if err != nil {
		b.Fatal(err)
	}
	roads := []struct {
		name string
		run  func(to string) error
	}{
		{"psql", func(to string) error { return psql(s, to, plain) }},
		{"transaction", func(to string) error {
			_, err := (&postgres.Target{Server: server.WithDatabase(to)}).Load(b.Context(), d)
			return err
		}},
		{"create", func(to string) error {
			_, err := (&postgres.Target{Server: server.WithDatabase(to), Create: true, Replace: true}).Load(b.Context(), d)
			return err
		}},
	}
	for range 3 {
		for _, road := range roads {
			b.Run(road.name, func(b *testing.B) {
				for b.Loop() {
					to := s.Create(b, "")
					client, cluster := cpu(syscall.RUSAGE_SELF)+cpu(syscall.RUSAGE_CHILDREN), serverCPU(b, s)
					if err := road.run(to); err != nil {
						b.Fatal(err)
					}
					b.ReportMetric((cpu(syscall.RUSAGE_SELF) + cpu(syscall.RUSAGE_CHILDREN) - client).Seconds(), "client-s")
					time.Sleep(100 * time.Millisecond) // until its processes are counted
					b.ReportMetric((serverCPU(b, s) - cluster).Seconds(), "server-s")
				}
				b.SetBytes(int64(len(plain)))
			})
		}
	}
}

func psql(s *fixtures.PostgresServer, to, plain string) error {
	c := exec.Command(filepath.Join(s.Bin, "psql"), "-q", "-1", "-v", "ON_ERROR_STOP=1", "-o", os.DevNull, s.SocketURL(to))
	c.Stdin = strings.NewReader(plain)
	return c.Run()
}

func cpu(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serverCPU is what the server and those of its processes that ended have used.
func serverCPU(b *testing.B, s *fixtures.PostgresServer) time.Duration {
	b.Helper()
	pid, err := os.ReadFile(filepath.Join(s.Data, "postmaster.pid"))
	if err != nil {
		b.Fatal(err)
	}
	first, _, _ := bytes.Cut(pid, []byte("\n"))
	stat, err := os.ReadFile(filepath.Join("/proc", string(first), "stat"))
	if err != nil {
		b.Fatal(err)
	}
	var ticks int64
	for _, f := range strings.Fields(string(stat[bytes.LastIndexByte(stat, ')'):]))[12:16] { // utime, stime and those of children
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
