package link_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/fixtures"
)

func TestResolveKeepsToTheHostThatAnswers(t *testing.T) {
	p, other := postgres.Get(t), fixtures.Postgres(t)
	user := roleOnBoth(t, p, other)
	dead := freePort(t)
	dsn := fmt.Sprintf("postgres://%s:x@127.0.0.1:%d,localhost:%d,127.0.0.1:%d/postgres?sslmode=require", user, dead, p.Port, other.Port)
	s, err := parse(t, dsn).Resolve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%s@localhost:%d/postgres", user, p.Port); s.String() != want {
		t.Errorf("it is %s, want %s", s, want)
	}
	if !slices.ContainsFunc(s.Environ(), func(v string) bool { return v == "PGHOSTADDR=127.0.0.1" }) {
		t.Error("programs are left to look up the address again")
	}
	for name, way := range ways {
		if got, err := way(t.Context(), s, "SELECT current_setting('port')"); got != strconv.Itoa(p.Port) {
			t.Errorf("%s reaches port %s, %v", name, got, err)
		}
	}
	everyWay(t, dsn, "SELECT current_setting('port')", strconv.Itoa(p.Port))
}

func TestTargetSessionAttributesPickTheHost(t *testing.T) {
	p, readOnly := postgres.Get(t), fixtures.Postgres(t)
	user := roleOnBoth(t, p, readOnly)
	appendTo(t, filepath.Join(readOnly.Data, "postgresql.conf"), "\ndefault_transaction_read_only = on\n")
	if err := readOnly.Restart(); err != nil {
		t.Fatal(err)
	}
	dsn := fmt.Sprintf("postgres://%s:x@127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=require&target_session_attrs=",
		user, readOnly.Port, p.Port)
	for attrs, port := range map[string]int{
		"any": readOnly.Port, "read-only": readOnly.Port, "primary": readOnly.Port, "read-write": p.Port, "prefer-standby": readOnly.Port,
	} {
		everyWay(t, dsn+attrs, "SELECT current_setting('port')", strconv.Itoa(port))
	}
	_ = noWay(t, dsn+"standby")
}

func TestHostThatDoesNotAnswerIsGivenUp(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s := parse(t, "host=127.0.0.1 port="+strconv.Itoa(silent.Addr().(*net.TCPAddr).Port)+" user=u connect_timeout=1")
	begun := time.Now()
	if _, err := s.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "no answer within 1s") {
		t.Errorf("a silent host: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Connect(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a silent host with a deadline: %v", err)
	}
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
}

// roleOnBoth makes a role with the password x on two servers, of which the second is of this test alone.
func roleOnBoth(t *testing.T, a, b *fixtures.PostgresServer) string {
	t.Helper()
	a.SQL(t, "postgres", "CREATE ROLE anywhere LOGIN PASSWORD 'x'")
	t.Cleanup(func() { a.SQL(t, "postgres", "DROP ROLE anywhere") })
	b.SQL(t, "postgres", "CREATE ROLE anywhere LOGIN PASSWORD 'x'")
	return "anywhere"
}
