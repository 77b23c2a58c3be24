package link

import (
	"os"
	"slices"
	"strings"
)

// Environ returns the environment for a program that uses libpq: that of this process, with every
// variable of libpq's replaced. Nothing secret has to be among the program's arguments. Resolve s
// first if the program must reach the same server as this process does.
func (s *Server) Environ() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PG") })
	for _, name := range inEnviron {
		if v := s.set[name]; v != "" {
			env = append(env, keywords[name].env+"="+v)
		}
	}
	return append(env, s.hostEnviron()...)
}

// inEnviron are the options to hand on as they are. A service is resolved already.
var inEnviron = []string{
	"user", "dbname", "passfile", "connect_timeout", "application_name", "options",
	"channel_binding", "require_auth", "sslmode", "sslnegotiation", "sslcert", "sslkey", "sslcertmode", "sslsni",
	"ssl_min_protocol_version", "ssl_max_protocol_version", "min_protocol_version", "max_protocol_version",
	"gssencmode", "krbsrvname", "gsslib", "target_session_attrs",
}

func (s *Server) hostEnviron() []string {
	var hosts, addrs, ports []string
	for _, e := range s.hosts {
		hosts, addrs, ports = append(hosts, e.host), append(addrs, e.addr), append(ports, e.port)
	}
	env := []string{
		"PGHOST=" + strings.Join(hosts, ","),
		"PGPORT=" + strings.Join(ports, ","),
		"PGCLIENTENCODING=UTF8",
	}
	if slices.ContainsFunc(addrs, func(a string) bool { return a != "" }) {
		env = append(env, "PGHOSTADDR="+strings.Join(addrs, ","))
	}
	p := s.set["password"]
	if len(s.hosts) == 1 {
		p = s.password(s.hosts[0]) // of several, each may have its own in the password file
	}
	if p != "" {
		env = append(env, "PGPASSWORD="+p)
	}
	if r := rootCert(s.set["sslrootcert"]); r != "" {
		env = append(env, "PGSSLROOTCERT="+r)
	}
	return env
}

// rootCert names the system's certificates by file, since libpq before 16 does not know the word.
func rootCert(given string) string {
	if given != "system" {
		return given
	}
	for _, file := range []string{
		os.Getenv("SSL_CERT_FILE"),
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/cert.pem",
	} {
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return file
		}
	}
	return given
}
