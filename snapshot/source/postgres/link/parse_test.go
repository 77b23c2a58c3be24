package link_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/snapshot/source/postgres/link"
)

// environ returns what a program of libpq's gets to see, without what never changes.
func environ(t testing.TB, dsn string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, v := range parse(t, dsn).Environ() {
		name, value, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "PG") {
			all[name] = value
		}
	}
	for name, value := range map[string]string{
		"PGAPPNAME": "holdfast", "PGCLIENTENCODING": "UTF8", "PGCONNECT_TIMEOUT": "30", "PGGSSENCMODE": "disable",
	} {
		if all[name] == value {
			delete(all, name)
		}
	}
	return all
}

func TestConnectionStringsMeanWhatTheyMeanToLibpq(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	for _, c := range []struct {
		dsn  string
		want map[string]string
	}{
		{"postgres://u:p@h:1/d", map[string]string{"PGHOST": "h", "PGPORT": "1", "PGUSER": "u", "PGPASSWORD": "p", "PGDATABASE": "d"}},
		{"postgresql://u@h/", map[string]string{"PGHOST": "h", "PGPORT": "5432", "PGUSER": "u", "PGDATABASE": "u"}},
		{"postgres://u%40x:p%2F%3A%25%20+@h/a%20b", map[string]string{"PGHOST": "h", "PGPORT": "5432", "PGUSER": "u@x", "PGPASSWORD": "p/:% +", "PGDATABASE": "a b"}},
		{"postgres://u@[::1]:7/d", map[string]string{"PGHOST": "::1", "PGPORT": "7", "PGUSER": "u", "PGDATABASE": "d"}},
		{"postgres://u@a:1,b,c:3/d", map[string]string{"PGHOST": "a,b,c", "PGPORT": "1,5432,3", "PGUSER": "u", "PGDATABASE": "d"}},
		{"postgres://%2Fsocket/d?user=u", map[string]string{"PGHOST": "/socket", "PGPORT": "5432", "PGUSER": "u", "PGDATABASE": "d"}},
		{"postgres:///d?host=/a%20b&user=u&port=2", map[string]string{"PGHOST": "/a b", "PGPORT": "2", "PGUSER": "u", "PGDATABASE": "d"}},
		{"postgres://u@h/d?ssl=true", map[string]string{"PGHOST": "h", "PGPORT": "5432", "PGUSER": "u", "PGDATABASE": "d", "PGSSLMODE": "require"}},
		{"postgres://u@h?dbname=d&password=a%26b", map[string]string{"PGHOST": "h", "PGPORT": "5432", "PGUSER": "u", "PGDATABASE": "d", "PGPASSWORD": "a&b"}},
		{"host=h user=u dbname=d", map[string]string{"PGHOST": "h", "PGPORT": "5432", "PGUSER": "u", "PGDATABASE": "d"}},
		{" host = 'h'\tuser='u\\'\\\\ x' password=a\\ b\n dbname='' ", map[string]string{"PGHOST": "h", "PGPORT": "5432", "PGUSER": `u'\ x`, "PGPASSWORD": "a b", "PGDATABASE": `u'\ x`}},
		{"host=a,b port=9 user=u", map[string]string{"PGHOST": "a,b", "PGPORT": "9,9", "PGUSER": "u", "PGDATABASE": "u"}},
		{"host=h hostaddr=127.0.0.1 user=u", map[string]string{"PGHOST": "h", "PGHOSTADDR": "127.0.0.1", "PGPORT": "5432", "PGUSER": "u", "PGDATABASE": "u"}},
		{"host=h user=u options='-c geqo=off' channel_binding=require require_auth=scram-sha-256 sslmode=require sslnegotiation=direct", map[string]string{
			"PGHOST": "h", "PGPORT": "5432", "PGUSER": "u", "PGDATABASE": "u", "PGOPTIONS": "-c geqo=off", "PGCHANNELBINDING": "require",
			"PGREQUIREAUTH": "scram-sha-256", "PGSSLMODE": "require", "PGSSLNEGOTIATION": "direct"}},
	} {
		if diff := cmp.Diff(c.want, environ(t, c.dsn)); diff != "" {
			t.Errorf("%s:\n%s", c.dsn, diff)
		}
	}
}

func TestDSNBeatsServiceBeatsEnvironment(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	write(t, filepath.Join(home, ".pg_service.conf"), "[vault]\nhost=from-service\nuser=from-service\n[other]\nhost=wrong\n", 0o600)
	t.Setenv("PGHOST", "from-env")
	t.Setenv("PGUSER", "from-env")
	t.Setenv("PGDATABASE", "from-env")
	t.Setenv("PGPORT", "77")
	t.Setenv("PGOPTIONS", "-c geqo=off")
	want := map[string]string{"PGHOST": "from-service", "PGUSER": "from-dsn", "PGDATABASE": "from-env", "PGPORT": "77", "PGOPTIONS": "-c geqo=off"}
	if diff := cmp.Diff(want, environ(t, "service=vault user=from-dsn")); diff != "" {
		t.Error(diff)
	}
	t.Setenv("PGSERVICE", "vault")
	if diff := cmp.Diff(want, environ(t, "user=from-dsn")); diff != "" {
		t.Error(diff)
	}
}

func TestServiceOfTheSystemIsFound(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	system := t.TempDir()
	t.Setenv("PGSYSCONFDIR", system)
	write(t, filepath.Join(system, "pg_service.conf"), "[vault]\nhost=of-system\nuser=u\n", 0o644)
	if got := environ(t, "service=vault")["PGHOST"]; got != "of-system" {
		t.Errorf("the host is %q", got)
	}
}

// Each has a password, whole or in pieces, at a place where a message might repeat it.
func TestRefusedConnectionStringsAreNotRepeated(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	for _, dsn := range []string{
		"postgres://u:hunt/er2@h/d",
		"postgres://u:5/hunter2@h/d",
		"postgres://u:a@hunter2@h/d",
		"postgres://hunter2:hunter2:h/d",
		"postgres://u:p@h:hunter2/d",
		"postgres://u:%zzhunter2@h/d",
		"postgres://u:hunter2%00@h/d",
		"postgres://u:hunter2@[::1/d",
		"postgres://u:hunter2@h/d?hunter2=1",
		"postgres://u:hunter2@h/d?hunter2",
		"postgres://u:hunter2@h/d?sslmode=hunter2",
		"postgres://u:hunter2@h/d?connect_timeout=hunter2",
		"postgres://u:hunter2@h/d?target_session_attrs=hunter2",
		"postgres://u:hunter2@h/d?require_auth=hunter2",
		"postgres://u:hunter2@h/d?sslmode=verify-full",
		"postgres://u:hunter2@h,i:1,j:2,k/d?port=1,2",
		"u:hunter2@h/d",
		"u:hunt=hunter2@h/d",
		"password=my hunter2 host=h",
		"password=my hunter2=x host=h",
		"password='hunter2 host=h",
		"password=hunter2 host='a@hunter2'",
		"password=hunter2 sslcrl=/hunter2",
		"password=hunter2 requirepeer=hunter2",
		"password=hunter2 gssencmode=require",
		"password=hunter2 sslrootcert=system sslmode=require",
		"password=hunter2 sslnegotiation=direct sslmode=prefer",
		"password=hunter2 host=a,b hostaddr=127.0.0.1",
		"password=hunter2 service=hunter2",
		"password=hunter2\x00",
	} {
		s, err := link.Parse(dsn)
		if err == nil {
			t.Errorf("%q is taken as %s", dsn, s)
			continue
		}
		if strings.Contains(err.Error(), "hunt") || strings.Contains(err.Error(), "er2") {
			t.Errorf("%q: the error repeats it: %v", dsn, err)
		}
	}
}

func TestServerIsPrintedWithoutItsPassword(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	s := parse(t, "postgres://u:hunter2@h:1,[::1]:2/d?sslmode=require")
	if got, want := s.String(), "u@h:1,[::1]:2/d"; got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		if got := fmt.Sprintf(format, s) + fmt.Sprintf(format, *s); strings.Contains(got, "hunter2") {
			t.Errorf("%s prints %s", format, got)
		}
	}
	other := s.WithDatabase("e")
	if other.Database() != "e" || s.Database() != "d" || other.String() != "u@h:1,[::1]:2/e" {
		t.Errorf("another database is %s of %s, the first %s", other.Database(), other, s.Database())
	}
}

func TestConnectionThatMayBeUnencryptedIsWarnedOf(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	for dsn, want := range map[string]int{
		"host=db.example.com user=u":                  1,
		"host=db.example.com,10.0.0.1 user=u":         2,
		"host=db.example.com user=u sslmode=prefer":   0,
		"host=localhost user=u":                       0,
		"host=127.0.0.1 user=u":                       0,
		"host=::1 user=u":                             0,
		"host=localhost hostaddr=192.0.2.1 user=u":    1,
		"host=/run/postgresql user=u":                 0,
		"host=db.example.com user=u sslmode=disable":  0,
		"postgres://db.example.com/d?user=u&ssl=true": 0,
	} {
		if got := parse(t, dsn).Warnings(); len(got) != want {
			t.Errorf("%s has the warnings %q, want %d", dsn, got, want)
		}
	}
}

func TestVariablesOfThisProcessDoNotReachPrograms(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	s := parse(t, "host=h user=u")
	t.Setenv("PGHOST", "elsewhere")
	t.Setenv("PGSERVICE", "elsewhere")
	t.Setenv("PGSSLMODE", "disable")
	for _, v := range s.Environ() {
		if strings.Contains(v, "elsewhere") || v == "PGSSLMODE=disable" {
			t.Errorf("%s is handed on", v)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Setenv("HOME", f.TempDir())
	for _, seed := range []string{
		"postgres://u:p@h:1,[::1]:2/d?sslmode=require&options=-c%20geqo%3Doff", "host=h user='a\\'b' password=\\ ", "postgres://@/?",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, dsn string) {
		s, err := link.Parse(dsn)
		if err != nil {
			if len(dsn) > 10 && strings.Contains(err.Error(), dsn) {
				t.Errorf("the error repeats %q: %v", dsn, err)
			}
			return
		}
		if len(s.Environ()) == 0 || s.String() == "" {
			t.Errorf("%q says nothing", dsn)
		}
	})
}

func write(t testing.TB, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
