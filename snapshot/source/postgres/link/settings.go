package link

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgservicefile"
)

// settings are the options of one connection by libpq's name of them.
type settings map[string]string

// resolve reads a DSN and fills in what it leaves out, in libpq's order: the DSN, the service it
// or the environment names, the environment, defaults.
func resolve(dsn string) (settings, error) {
	given, err := readDSN(dsn)
	if err != nil {
		return nil, err
	}
	s := environment()
	maps.Copy(s, given)
	if s["service"] == "" {
		return s, nil
	}
	service, file, err := readService(s["service"], s["servicefile"])
	if err != nil {
		return nil, err
	}
	s = environment()
	maps.Copy(s, service)
	maps.Copy(s, given)
	s["servicefile"] = file // where pgconn shall find it too
	return s, nil
}

func readDSN(dsn string) (settings, error) {
	if strings.ContainsRune(dsn, 0) {
		return nil, errors.New("the connection string holds a zero byte")
	}
	for _, scheme := range []string{"postgres://", "postgresql://"} {
		if rest, ok := strings.CutPrefix(dsn, scheme); ok {
			return readURL(rest)
		}
	}
	return readPairs(dsn)
}

func environment() settings {
	s := settings{}
	for name, k := range keywords {
		if k.env == "" {
			continue
		}
		if v := os.Getenv(k.env); v != "" {
			s[name] = v
		}
	}
	return s
}

// set refuses what libpq does not know. It names an option by its place alone: in a malformed
// DSN the name may be a piece of the password.
func (s settings) set(place int, name, value string) error {
	if _, ok := keywords[name]; !ok {
		return fmt.Errorf("option %d is not one that libpq knows", place)
	}
	s[name] = value
	return nil
}

// readPairs reads keyword=value pairs. Values may be quoted; a backslash takes the next byte as it is.
func readPairs(dsn string) (settings, error) {
	s := settings{}
	rest := strings.TrimLeft(dsn, space)
	for place := 1; rest != ""; place++ {
		name, after, ok := strings.Cut(rest, "=")
		name = strings.TrimRight(name, space)
		if !ok || name == "" || strings.ContainsAny(name, space) {
			return nil, fmt.Errorf("option %d has no \"=\" after its name", place)
		}
		value, next, err := readValue(strings.TrimLeft(after, space))
		if err != nil {
			return nil, fmt.Errorf("option %d: %w", place, err)
		}
		if err := s.set(place, name, value); err != nil {
			return nil, err
		}
		rest = strings.TrimLeft(next, space)
	}
	return s, nil
}

const space = " \t\n\r\v\f"

func readValue(s string) (value, rest string, err error) {
	ends := space
	quoted := strings.HasPrefix(s, "'")
	if quoted {
		ends, s = "'", s[1:]
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case strings.IndexByte(ends, s[i]) >= 0:
			return b.String(), s[i+1:], nil
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] != '\\':
			b.WriteByte(s[i])
		}
	}
	if quoted {
		return "", "", errors.New("the quoted value does not end")
	}
	return b.String(), "", nil
}

// readService finds a service in the user's file, or else in the system's, and says in which.
func readService(name, file string) (settings, string, error) {
	files := []string{file}
	if file == "" {
		files = files[:0]
		if home, err := os.UserHomeDir(); err == nil {
			files = append(files, filepath.Join(home, ".pg_service.conf"))
		}
	}
	if dir := os.Getenv("PGSYSCONFDIR"); dir != "" {
		files = append(files, filepath.Join(dir, "pg_service.conf"))
	}
	for _, file := range files {
		f, err := os.Open(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, "", fmt.Errorf("opening the service file: %w", err)
		}
		parsed, err := pgservicefile.ParseServicefile(f)
		f.Close() // only read from
		if err != nil {
			return nil, "", fmt.Errorf("reading the service file %s: it is malformed", file)
		}
		if service, err := parsed.GetService(name); err == nil {
			s, err := ofService(file, service)
			return s, file, err
		}
	}
	return nil, "", fmt.Errorf("the service is in none of the service files %s", strings.Join(files, ", "))
}

func ofService(file string, service *pgservicefile.Service) (settings, error) {
	s := settings{}
	for name, value := range service.Settings {
		if _, ok := keywords[name]; !ok || name == "service" || name == "servicefile" {
			return nil, fmt.Errorf("the service in %s has an option that libpq does not know there", file)
		}
		s[name] = value
	}
	return s, nil
}

func (s settings) with(name, value string) settings {
	o := maps.Clone(s)
	o[name] = value
	return o
}
