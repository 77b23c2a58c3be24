package vaultapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
)

var (
	// ErrSealed means that the node, or every node that answered, is sealed.
	ErrSealed = errors.New("the server is sealed")
	// ErrUninitialized means that the node was never initialised.
	ErrUninitialized = errors.New("the server is not initialised")
	// ErrDenied means that the token's policies do not allow a request, or that a login was refused.
	ErrDenied = errors.New("permission denied")
	// ErrExpired means that the server does not know the token: it has expired, was revoked, or
	// belongs to another cluster. It comes with ErrDenied.
	ErrExpired = errors.New("the token has expired, was revoked or is of another cluster")
	// ErrWrapping means that a response-wrapping token gives nothing: it was used before, has expired, or does
	// not hold what it should. Somebody else may have the secret id.
	ErrWrapping = errors.New("the wrapping token was used before, has expired or was swapped")
	// ErrNotFound means that there is nothing at the path.
	ErrNotFound = errors.New("not found")
	// ErrNoLeader means that no node is active, or that none can be reached that is.
	ErrNoLeader = errors.New("no active node found")
	// ErrUnreachable means that no answer came: connection refused, cut, timed out, or not trusted.
	ErrUnreachable = errors.New("server unreachable")
)

// An Error is an answer that says no. It matches the sentinel for its status.
type Error struct {
	Status   int
	Op, Path string   // "reading", "sys/mounts"
	Messages []string // of the server, cut short
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s %s: status %d", e.Op, e.Path, e.Status)
	if len(e.Messages) > 0 {
		text += ": " + strings.Join(e.Messages, "; ")
	}
	return text
}

// Is reports whether e means target.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrSealed:
		return e.Status >= 500 && e.says("is sealed")
	case ErrNoLeader:
		return e.Status >= 300 && e.Status < 400 || e.Status >= 500 && e.says("node not active")
	case ErrDenied:
		return e.Status == http.StatusForbidden || e.Status == http.StatusUnauthorized
	case ErrExpired:
		return e.Status == http.StatusForbidden && e.says("invalid token")
	case ErrNotFound:
		return e.Status == http.StatusNotFound
	}
	return false
}

func (e *Error) says(text string) bool {
	for _, m := range e.Messages {
		if strings.Contains(strings.ToLower(m), text) {
			return true
		}
	}
	return false
}

const (
	maxMessages = 5
	maxMessage  = 300
)

// messages makes what the server said fit for one line of a log.
func messages(said []string) []string {
	var list []string
	for _, text := range said {
		for line := range strings.Lines(text) {
			line = strings.TrimLeft(strings.TrimSpace(line), "* \t")
			if line == "" || strings.HasSuffix(line, "errors occurred:") || strings.HasSuffix(line, "error occurred:") {
				continue
			}
			if list = append(list, printable(line)); len(list) == maxMessages {
				return list
			}
		}
	}
	return list
}

func printable(line string) string {
	clean := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, line)
	if len(clean) > maxMessage {
		clean = strings.ToValidUTF8(clean[:maxMessage], "") + "..."
	}
	return clean
}
