package link

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

var (
	errPercent = errors.New("a percent sign in the URL is not followed by two hex digits")
	errAt      = errors.New("the URL has an \"@\" where none can be: write those of a user or password as %40, and \"/\" as %2F")
	errBracket = errors.New("an IPv6 address in the URL does not end in \"]\"")
)

// readURL reads what follows postgres://, as libpq does: [user[:password]@][host[:port],...][/dbname][?name=value&...].
func readURL(rest string) (settings, error) {
	s := settings{}
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		user, password, has := strings.Cut(rest[:i], ":")
		if err := s.decode("user", user); err != nil {
			return nil, err
		}
		if err := s.decode("password", password); err != nil {
			return nil, err
		}
		if !has || password == "" {
			delete(s, "password")
		}
		if user == "" {
			delete(s, "user")
		}
		rest = rest[i+1:]
	}
	where, query, _ := strings.Cut(rest, "?")
	hosts, database, _ := strings.Cut(where, "/")
	if strings.Contains(where, "@") {
		return nil, errAt
	}
	if err := s.readHosts(hosts); err != nil {
		return nil, err
	}
	if database != "" {
		if err := s.decode("dbname", database); err != nil {
			return nil, err
		}
	}
	return s, s.readQuery(query)
}

func (s settings) decode(name, raw string) error {
	value, err := unescape(raw)
	if err != nil {
		return err
	}
	s[name] = value
	return nil
}

func (s settings) readHosts(raw string) error {
	if raw == "" {
		return nil
	}
	var hosts, ports []string
	named := false
	for one := range strings.SplitSeq(raw, ",") {
		host, port, err := splitHost(one)
		if err != nil {
			return err
		}
		if host, err = unescape(host); err != nil {
			return err
		}
		if port, err = unescape(port); err != nil {
			return err
		}
		hosts, ports = append(hosts, host), append(ports, port)
		named = named || port != ""
	}
	s["host"] = strings.Join(hosts, ",")
	if named {
		s["port"] = strings.Join(ports, ",")
	}
	return nil
}

func splitHost(s string) (host, port string, err error) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		host, after, ok := strings.Cut(inner, "]")
		if !ok {
			return "", "", errBracket
		}
		port, ok = strings.CutPrefix(after, ":")
		if !ok && after != "" {
			return "", "", errBracket
		}
		return host, port, nil
	}
	host, port, _ = strings.Cut(s, ":")
	return host, port, nil
}

func (s settings) readQuery(raw string) error {
	if raw == "" {
		return nil
	}
	place := 0
	for pair := range strings.SplitSeq(raw, "&") {
		place++
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("option %d of the URL has no \"=\" after its name", place)
		}
		name, err := unescape(name)
		if err != nil {
			return err
		}
		if value, err = unescape(value); err != nil {
			return err
		}
		if name == "ssl" && value == "true" {
			name, value = "sslmode", "require" // as JDBC writes it
		}
		if err := s.set(place, name, value); err != nil {
			return err
		}
	}
	return nil
}

// unescape replaces %XX. Unlike in forms of the web, a plus sign is a plus sign.
func unescape(s string) (string, error) {
	var b strings.Builder
	for {
		plain, rest, ok := strings.Cut(s, "%")
		b.WriteString(plain)
		if !ok {
			return b.String(), nil
		}
		if len(rest) < 2 {
			return "", errPercent
		}
		c, err := hex.DecodeString(rest[:2])
		if err != nil || c[0] == 0 {
			return "", errPercent
		}
		b.WriteByte(c[0])
		s = rest[2:]
	}
}
