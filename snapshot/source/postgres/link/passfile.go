package link

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// password is the one given, or what the password file has for e.
func (s *Server) password(e endpoint) string {
	if p := s.set["password"]; p != "" {
		return p
	}
	path := passfilePath(s.set["passfile"])
	if path == "" || passfileWarning(s.set["passfile"]) != "" {
		return ""
	}
	host := e.host
	if slices.Contains(socketFolders, host) {
		host = "localhost"
	}
	f, err := os.Open(path)
	if err != nil {
		return "" // as for libpq, a password file need not be there
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if p, ok := passfileLine(lines.Text(), host, e.port, s.set["dbname"], s.set["user"]); ok {
			return p
		}
	}
	return ""
}

func passfilePath(given string) string {
	if given != "" {
		return given
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".pgpass")
}

// passfileWarning says why libpq would not use a password file that is there.
func passfileWarning(given string) string {
	path := passfilePath(given)
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return ""
	case !info.Mode().IsRegular():
		return fmt.Sprintf("the password file %s is not used: it is not a plain file", path)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Sprintf("the password file %s is not used: others may read it (chmod 600)", path)
	}
	return ""
}

// passfileLine matches one line host:port:database:user:password, where a field may be * and a
// backslash escapes a colon or a backslash.
func passfileLine(line string, want ...string) (string, bool) {
	line = strings.TrimRight(line, "\r\n")
	if strings.HasPrefix(line, "#") {
		return "", false
	}
	for _, w := range want {
		field, rest, ok := passfileField(line)
		if !ok || field != "*" && unslash(field) != w {
			return "", false
		}
		line = rest
	}
	return unslash(line), line != ""
}

// passfileField cuts line at its first colon without a backslash.
func passfileField(line string) (field, rest string, ok bool) {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case ':':
			return line[:i], line[i+1:], true
		}
	}
	return "", "", false
}

func unslash(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
