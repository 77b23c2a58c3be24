package link_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/fixtures"
	"holdfast/snapshot/source/postgres/link"
)

// ways are the three users of a Server: each logs in and runs one query.
var ways = map[string]func(ctx context.Context, s *link.Server, query string) (string, error){
	"Connect": func(ctx context.Context, s *link.Server, query string) (string, error) {
		c, err := s.Connect(ctx)
		if err != nil {
			return "", err
		}
		rows, err := c.Query(ctx, query)
		if err := errors.Join(err, c.Close(ctx)); err != nil {
			return "", err
		}
		return *rows[0][0], nil
	},
	"DB": func(ctx context.Context, s *link.Server, query string) (string, error) {
		db, err := s.DB()
		if err != nil {
			return "", err
		}
		var got string
		err = db.QueryRowContext(ctx, query).Scan(&got)
		return got, errors.Join(err, db.Close())
	},
	"psql": func(ctx context.Context, s *link.Server, query string) (string, error) {
		cmd := exec.CommandContext(ctx, "psql", "-XAtq", "-c", query)
		cmd.Env = s.Environ()
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
		return strings.TrimSpace(string(out)), nil
	},
}

// everyWay wants each of ways to log in and see the same.
func everyWay(t *testing.T, dsn, query, want string) {
	t.Helper()
	s := parse(t, dsn)
	for name, way := range ways {
		got, err := way(t.Context(), s, query)
		if err != nil || got != want {
			t.Errorf("%s: %s by %s is %q, %v; want %q", s, query, name, got, err, want)
		}
	}
}

// noWay wants each of ways to be refused, and returns our own error.
func noWay(t *testing.T, dsn string) error {
	t.Helper()
	s := parse(t, dsn)
	var ours error
	for name, way := range ways {
		_, err := way(t.Context(), s, "SELECT 1")
		if err == nil {
			t.Errorf("%s logs in by %s", s, name)
		}
		if name == "Connect" {
			ours = err
		}
	}
	return ours
}

const secured = "SELECT ssl::text || ' ' || coalesce(version, '-') FROM pg_stat_ssl WHERE pid = pg_backend_pid()"

func TestLoginsByTCPAreEncryptedAndVerified(t *testing.T) {
	p := postgres.Get(t)
	everyWay(t, p.URL("postgres"), secured, "true TLSv1.3")
	everyWay(t, p.URL("postgres", "sslmode", "verify-ca"), secured, "true TLSv1.3")
	everyWay(t, p.URL("postgres", "sslmode", "require"), secured, "true TLSv1.3")
	everyWay(t, p.URL("postgres", "ssl_max_protocol_version", "TLSv1.2"), secured, "true TLSv1.2")
	everyWay(t, p.URL("postgres", "channel_binding", "require"), secured, "true TLSv1.3")
	everyWay(t, p.URL("postgres", "hostaddr", "127.0.0.1", "host", "localhost"), secured, "true TLSv1.3")
	everyWay(t, fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=%s dbname=postgres", p.Port, p.User, p.Password), secured, "true TLSv1.3")
	everyWay(t, p.SocketURL("postgres"), secured, "false -")
}

func TestServerThatIsNotTheRightOneIsRefused(t *testing.T) {
	p := postgres.Get(t)
	other, _ := authority(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	write(t, file, other.pem(), 0o600)
	err := noWay(t, p.URL("postgres", "sslrootcert", file))
	if !errors.As(err, new(x509.UnknownAuthorityError)) {
		t.Errorf("with a foreign authority: %v", err)
	}
	err = noWay(t, p.URL("postgres", "host", "wrong.invalid", "hostaddr", "127.0.0.1"))
	if !errors.As(err, new(x509.HostnameError)) {
		t.Errorf("with a wrong name: %v", err)
	}
	_ = noWay(t, p.URL("postgres", "sslrootcert", file, "sslmode", "verify-ca"))
	everyWay(t, p.URL("postgres", "host", "wrong.invalid", "hostaddr", "127.0.0.1", "sslmode", "verify-ca"), secured, "true TLSv1.3")
}

func TestServerThatDemandsTLSIsNotServedWithout(t *testing.T) {
	p := postgres.Get(t)
	err := noWay(t, p.URL("postgres", "sslmode", "disable"))
	var e *link.Error
	if !errors.As(err, &e) || e.Code != "28000" || errors.Is(err, link.ErrLost) {
		t.Errorf("without TLS: %v, want SQLSTATE 28000 and no lost connection", err)
	}
}

func TestMethodThatIsNotWantedIsRefused(t *testing.T) {
	p := postgres.Get(t)
	s := parse(t, p.URL("postgres", "require_auth", "md5"))
	for _, name := range []string{"Connect", "DB"} { // psql has require_auth from 16 on
		if _, err := ways[name](t.Context(), s, "SELECT 1"); err == nil {
			t.Errorf("%s logs in by SCRAM where md5 is required", name)
		}
	}
	_ = noWay(t, p.SocketURL("postgres", "channel_binding", "require"))
}

func TestClientCertificateLogsIn(t *testing.T) {
	p := fixtures.Postgres(t)
	ca, key := authority(t)
	files := t.TempDir()
	signCertificate(t, ca, key, "certified", files)
	write(t, filepath.Join(p.Data, "clients.pem"), ca.pem(), 0o644)
	appendTo(t, filepath.Join(p.Data, "postgresql.conf"), "\nssl_ca_file = 'clients.pem'\n")
	prepend(t, filepath.Join(p.Data, "pg_hba.conf"), "hostssl all certified 127.0.0.1/32 cert\n")
	if err := p.Restart(); err != nil {
		t.Fatal(err)
	}
	p.SQL(t, "postgres", "CREATE ROLE certified LOGIN")
	cert, private := filepath.Join(files, "certified.pem"), filepath.Join(files, "certified.key")
	everyWay(t, p.URLAs("certified", "", "postgres", "sslcert", cert, "sslkey", private), "SELECT current_user", "certified")
	_ = noWay(t, p.URLAs("certified", "", "postgres"))
	everyWay(t, p.URL("postgres"), "SELECT 1", "1")
}

func TestPasswordFileIsReadAsLibpqReadsIt(t *testing.T) {
	p := postgres.Get(t)
	const password = `od:d\ "pass' word`
	p.SQL(t, "postgres", `CREATE ROLE filed LOGIN PASSWORD 'od:d\ "pass'' word'`)
	defer p.SQL(t, "postgres", "DROP ROLE filed")
	file := filepath.Join(t.TempDir(), "pgpass")
	line := fmt.Sprintf("# hosts\nelsewhere:*:*:*:wrong\n127.0.0.1:%d:*:filed:%s\n%s:*:post\\gres:filed:%s\n", p.Port,
		`od\:d\\ "pass' word`, p.Socket, `od:d\\ "pass' word`)
	write(t, file, line, 0o600)
	bare := fmt.Sprintf("host=127.0.0.1 port=%d user=filed dbname=postgres passfile=%s", p.Port, file)
	everyWay(t, bare, "SELECT current_user", "filed")
	everyWay(t, fmt.Sprintf("host=%s port=%d user=filed dbname=postgres passfile=%s", p.Socket, p.Port, file), "SELECT current_user", "filed")

	write(t, file, line, 0o640)
	if w := parse(t, bare).Warnings(); len(w) != 1 || !strings.Contains(w[0], file) {
		t.Errorf("a password file that others can read is warned of by %q", w)
	}
	err := noWay(t, bare+" sslmode=require")
	if err == nil || strings.Contains(err.Error(), "pass'") {
		t.Errorf("a password file that others can read: %v", err)
	}
	everyWay(t, bare+" password="+strings.NewReplacer(`\`, `\\`, ` `, `\ `, `'`, `\'`).Replace(password), "SELECT current_user", "filed")
}

func TestServiceReachesPrograms(t *testing.T) {
	p := postgres.Get(t)
	t.Setenv("HOME", t.TempDir())
	file := filepath.Join(t.TempDir(), "services")
	write(t, file, fmt.Sprintf("[vault]\nhost=127.0.0.1\nport=%d\nuser=%s\npassword=%s\nsslmode=verify-full\nsslrootcert=%s\ndbname=postgres\n",
		p.Port, p.User, p.Password, p.CA), 0o600)
	t.Setenv("PGSERVICEFILE", file)
	everyWay(t, "service=vault", secured, "true TLSv1.3")
}

func TestSessionsDoNotDependOnHowRoleAndDatabaseAreSetUp(t *testing.T) {
	p := postgres.Get(t)
	name := p.Create(t, "")
	p.SQL(t, "postgres", `CREATE ROLE twisted LOGIN PASSWORD 'x' SUPERUSER`)
	defer p.SQL(t, "postgres", "DROP ROLE twisted")
	want := map[string]string{
		"client_encoding": "UTF8", "standard_conforming_strings": "on", "DateStyle": "ISO, MDY", "IntervalStyle": "postgres",
		"TimeZone": "UTC", "extra_float_digits": "3", "bytea_output": "hex", "xmlbinary": "base64", "row_security": "off",
		"synchronize_seqscans": "off", "statement_timeout": "0", "idle_in_transaction_session_timeout": "0",
		"idle_session_timeout": "0", "search_path": `""`, "application_name": "holdfast", "lock_timeout": "7s",
	}
	for setting, twist := range map[string]string{
		"client_encoding": "LATIN1", "standard_conforming_strings": "off", "DateStyle": "German", "IntervalStyle": "iso_8601",
		"TimeZone": "Asia/Tokyo", "extra_float_digits": "-1", "bytea_output": "escape", "xmlbinary": "hex", "row_security": "on",
		"synchronize_seqscans": "on", "statement_timeout": "10s", "idle_in_transaction_session_timeout": "10s",
		"idle_session_timeout": "10s", "search_path": "public", "application_name": "else", "lock_timeout": "7s",
	} {
		p.SQL(t, name, fmt.Sprintf("ALTER ROLE twisted IN DATABASE %s SET %s = '%s'", name, setting, twist))
	}
	s := parse(t, p.URLAs("twisted", "x", name))
	for _, way := range []string{"Connect", "DB"} {
		got := map[string]string{}
		for setting := range want {
			v, err := ways[way](t.Context(), s, "SELECT current_setting('"+setting+"')")
			if err != nil {
				t.Fatal(err)
			}
			got[setting] = v
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", way, diff)
		}
	}
}

func TestFailedLoginsDoNotRepeatThePassword(t *testing.T) {
	p := postgres.Get(t)
	dead := strconv.Itoa(freePort(t))
	for _, dsn := range []string{
		p.URLAs(p.User, "hunter2", "postgres"),
		p.URLAs("nobody", "hunter2", "postgres"),
		p.URLAs("nobody", "hunter2%/@:", "no database"),
		p.SocketURLAs(p.User, "hunter2", "postgres"),
		"postgres://u:hunter2@127.0.0.1:" + dead + "/d",
		"postgres://u:hunter2@nowhere.invalid/d",
		"postgres://u:hunter2@127.0.0.1:" + dead + ",nowhere.invalid:" + dead + "/d",
		"host=/nowhere user=u password=hunter2",
	} {
		err := noWay(t, dsn)
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "hunter2") {
			t.Errorf("%s: the error is %v", dsn, err)
		}
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
