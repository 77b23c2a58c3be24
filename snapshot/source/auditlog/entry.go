package auditlog

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// An entry is the part of an audit entry that is looked at. Data is looked through for values that
// are not HMACed and never kept.
type entry struct {
	Type     string    `json:"type"`
	Time     time.Time `json:"time"`
	Error    string    `json:"error"`
	Auth     *auth     `json:"auth"`
	Request  *request  `json:"request"`
	Response *response `json:"response"`
}

type auth struct {
	ClientToken string `json:"client_token"`
	DisplayName string `json:"display_name"`
	EntityID    string `json:"entity_id"`
}

type request struct {
	ClientToken   string          `json:"client_token"`
	Data          json.RawMessage `json:"data"`
	ID            string          `json:"id"`
	MountPoint    string          `json:"mount_point"`
	MountType     string          `json:"mount_type"`
	Operation     string          `json:"operation"`
	Path          string          `json:"path"`
	RemoteAddress string          `json:"remote_address"`
}

type response struct {
	Auth *auth           `json:"auth"`
	Data json.RawMessage `json:"data"`
	Wrap *struct {
		Token string `json:"token"`
	} `json:"wrap_info"`
}

// longestPrefix is how far into a line the JSON may begin: a device can be told to write a prefix.
const longestPrefix = 256

// EntryTime returns when the audit entry in line was written, and whether it is one.
func EntryTime(line []byte) (time.Time, bool) {
	var e entry
	return e.parse(line)
}

// parse reads one line. Whatever is no request or response with a time is no audit entry.
func (e *entry) parse(line []byte) (time.Time, bool) {
	begin := bytes.IndexByte(line[:min(len(line), longestPrefix)], '{')
	if begin < 0 || json.Unmarshal(line[begin:], e) != nil {
		return time.Time{}, false
	}
	if e.Request == nil || e.Time.IsZero() || e.Type != "request" && e.Type != "response" {
		return time.Time{}, false
	}
	return e.Time.UTC(), true
}

// anonymous reports whether the request came without a token, as a login does.
func (e *entry) anonymous() bool { return e.Request.ClientToken == "" && e.Request.Path != selfTest }

// actor tells who asked. Of a login the response names who it was.
func (e *entry) actor() string {
	for _, a := range []*auth{e.Auth, e.answered()} {
		switch {
		case a == nil:
		case a.DisplayName != "":
			return a.DisplayName
		case a.EntityID != "":
			return a.EntityID
		}
	}
	return "(not authenticated)"
}

// entity is the id of who asked, if there is one.
func (e *entry) entity() string {
	for _, a := range []*auth{e.Auth, e.answered()} {
		if a != nil && a.EntityID != "" {
			return a.EntityID
		}
	}
	return ""
}

func (e *entry) answered() *auth {
	if e.Response == nil {
		return nil
	}
	return e.Response.Auth
}

// problem is what was answered, in one line: "1 error occurred:\n\t* permission denied\n\n" is
// "permission denied".
func (e *entry) problem() string {
	text := e.Error
	if head, rest, ok := strings.Cut(text, "\n\t* "); ok && strings.HasSuffix(head, "occurred:") {
		text = rest
	}
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	return text
}

// rawToken reports whether there is a token that is not HMACed.
func (e *entry) rawToken() bool {
	tokens := []string{e.Request.ClientToken}
	for _, a := range []*auth{e.Auth, e.answered()} {
		if a != nil {
			tokens = append(tokens, a.ClientToken)
		}
	}
	if e.Response != nil && e.Response.Wrap != nil {
		tokens = append(tokens, e.Response.Wrap.Token)
	}
	for _, token := range tokens {
		if token != "" && !strings.HasPrefix(token, hmacPrefix) {
			return true
		}
	}
	return false
}

// rawValue reports whether a request or response has a value that is not HMACed.
func (e *entry) rawValue() bool {
	return hasRaw(e.Request.Data) || e.Response != nil && hasRaw(e.Response.Data)
}

// hmacPrefix begins every value that the server HMACed.
const hmacPrefix = "hmac-sha256:"

// hasRaw looks through valid JSON for a string that is neither a name in an object, nor empty,
// nor HMACed. Numbers and booleans are never HMACed by the server.
func hasRaw(data []byte) bool {
	for {
		begin := bytes.IndexByte(data, '"')
		if begin < 0 {
			return false
		}
		data = data[begin+1:]
		end := closing(data)
		if end < 0 {
			return false
		}
		text := data[:end]
		data = bytes.TrimLeft(data[end+1:], " \t\r\n")
		name := len(data) > 0 && data[0] == ':'
		if !name && end > 0 && !bytes.HasPrefix(text, []byte(hmacPrefix)) {
			return true
		}
	}
}

// closing finds the quote that ends a string; -1 is for what is not JSON.
func closing(data []byte) int {
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}
