package link

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

func parse(dsn string) (*Server, error) {
	set, err := resolve(dsn)
	if err != nil {
		return nil, err
	}
	if err := set.fill(); err != nil {
		return nil, err
	}
	s := &Server{&details{set: set}}
	if s.hosts, err = set.endpoints(); err != nil {
		return nil, err
	}
	s.warnings = set.warnings(s.hosts)
	for _, h := range s.hosts {
		if _, err := s.config(h); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// fill sets defaults, and refuses what cannot be honoured.
func (s settings) fill() error {
	if err := s.check(); err != nil {
		return err
	}
	s["gssencmode"] = "disable" // pgconn has none, and libpq's programs shall do the same
	if s["user"] == "" {
		u, err := user.Current()
		if err != nil {
			return fmt.Errorf("finding the name of the user: %w", err)
		}
		s["user"] = u.Username
	}
	s.preset("dbname", s["user"])
	s.preset("connect_timeout", "30")
	s.preset("application_name", "holdfast")
	n, err := strconv.Atoi(s["connect_timeout"])
	if err != nil {
		return errors.New("connect_timeout is not a number of seconds")
	}
	if n <= 0 {
		s["connect_timeout"] = "30" // libpq would wait for ever
	}
	return s.fillTLS()
}

// check names options, never values: a value may be a piece of a password that was not quoted.
func (s settings) check() error {
	for name, value := range s {
		k := keywords[name]
		if k.refused && value != "" {
			return fmt.Errorf("the option %s is not supported", name)
		}
		if value != "" && !k.allows(value) {
			return fmt.Errorf("the option %s does not have one of the values%s", name, k.values)
		}
	}
	for method := range strings.SplitSeq(s["require_auth"], ",") {
		if !authMethods[strings.TrimPrefix(strings.TrimSpace(method), "!")] {
			return errors.New("the option require_auth has a method that libpq does not know")
		}
	}
	return nil
}

var authMethods = map[string]bool{
	"": true, "none": true, "password": true, "md5": true, "gss": true, "sspi": true, "scram-sha-256": true, "oauth": true,
}

func (s settings) preset(name, value string) {
	if s[name] == "" {
		s[name] = value
	}
}

// fillTLS makes pgconn and libpq agree where they do not: on TLS from the first byte, which libpq
// refuses in modes that may do without, and on verification without a certificate of the CA,
// which libpq refuses too.
func (s settings) fillTLS() error {
	if s["sslrootcert"] == "system" {
		s.preset("sslmode", "verify-full")
		if s["sslmode"] != "verify-full" {
			return errors.New("sslrootcert=system is only safe with sslmode=verify-full")
		}
	}
	if s["sslnegotiation"] == "direct" {
		s.preset("sslmode", "require")
		if m := s["sslmode"]; m == "disable" || m == "allow" || m == "prefer" {
			return errors.New("sslnegotiation=direct needs sslmode=require or a stricter one")
		}
	}
	if !strings.HasPrefix(s["sslmode"], "verify-") || s["sslrootcert"] != "" {
		return nil
	}
	if home, err := os.UserHomeDir(); err == nil {
		if _, err := os.Stat(filepath.Join(home, ".postgresql", "root.crt")); err == nil {
			return nil
		}
	}
	return errors.New(`verifying the server needs sslrootcert: a file with the certificates of the CA, or "system"`)
}

// endpoints pairs hosts, addresses and ports.
func (s settings) endpoints() ([]endpoint, error) {
	hosts, addrs, ports := split(s["host"]), split(s["hostaddr"]), split(s["port"])
	n := max(len(hosts), len(addrs))
	if s["hostaddr"] != "" && s["host"] != "" && len(hosts) != len(addrs) {
		return nil, errors.New("there are not as many values of hostaddr as of host")
	}
	if len(ports) != 1 && len(ports) != n {
		return nil, errors.New("there are not as many ports as hosts")
	}
	var all []endpoint
	for i := range n {
		e := endpoint{host: at(hosts, i), addr: at(addrs, i), port: at(ports, i)}
		if len(ports) == 1 {
			e.port = ports[0]
		}
		if err := e.fill(); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	if s["load_balance_hosts"] == "random" {
		rand.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	return all, nil
}

func (e *endpoint) fill() error {
	if e.host == "" {
		e.host = e.addr
	}
	if e.host == "" {
		e.host = defaultHost()
	}
	if e.port == "" {
		e.port = "5432"
	}
	if n, err := strconv.ParseUint(e.port, 10, 16); err != nil || n == 0 {
		return errors.New("a port is not a number between 1 and 65535") // it may be a piece of a password
	}
	if !e.socket() && strings.ContainsAny(e.host, "@/?#%&= \t\r\n") {
		return errors.New("a host has characters that no host name has (in a URL, is the password percent-encoded?)")
	}
	return nil
}

// socketFolders are those that libpq is built with: Debian's and PostgreSQL's own.
var socketFolders = []string{"/var/run/postgresql", "/tmp"}

// defaultHost is a folder of sockets, or localhost where there is none.
func defaultHost() string {
	for _, folder := range socketFolders {
		if _, err := os.Stat(folder); err == nil {
			return folder
		}
	}
	return "localhost"
}

func split(list string) []string { return strings.Split(list, ",") }

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

func (s settings) warnings(hosts []endpoint) []string {
	var all []string
	if w := passfileWarning(s["passfile"]); w != "" && s["password"] == "" {
		all = append(all, w)
	}
	if s["sslpassword"] != "" {
		all = append(all, "sslpassword does not reach pg_dump, since libpq reads it from no environment variable: use a key without a password")
	}
	if s["sslmode"] != "" {
		return all
	}
	for _, h := range hosts {
		if !h.socket() && !h.loopback() {
			all = append(all, fmt.Sprintf("the connection to %s may be unencrypted and the server is not verified: set sslmode=verify-full", h))
		}
	}
	return all
}

// forPgconn are the options that pgconn understands as this package means them.
var forPgconn = []string{
	"user", "dbname", "connect_timeout", "application_name", "options",
	"sslmode", "sslnegotiation", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcertmode", "sslsni",
	"channel_binding", "require_auth", "min_protocol_version", "max_protocol_version", "krbsrvname",
	"target_session_attrs", "service", "servicefile",
}

// config is what pgconn connects to e with. Every option is spelled out, so that nothing that
// pgconn would look for by itself has a say.
func (s *Server) config(e endpoint) (*pgconn.Config, error) {
	pairs := []string{pair("host", e.host), pair("port", e.port), pair("passfile", "")}
	if password := s.password(e); password != "" {
		pairs = append(pairs, pair("password", password))
	}
	for _, name := range forPgconn {
		if v := s.set[name]; v != "" {
			pairs = append(pairs, pair(name, v))
		}
	}
	c, err := pgconn.ParseConfig(strings.Join(pairs, " "))
	if err != nil {
		return nil, configError(err)
	}
	s.adapt(c, e)
	return c, nil
}

var quote = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

func pair(name, value string) string { return name + "='" + quote.Replace(value) + "'" }

// configError keeps what is below pgconn's error, which repeats the connection string.
func configError(err error) error {
	var p *pgconn.ParseConfigError
	if !errors.As(err, &p) {
		return errors.New("the options do not fit together")
	}
	if cause := p.Unwrap(); cause != nil {
		return cause
	}
	return errors.New("an option has a value that libpq does not know")
}
