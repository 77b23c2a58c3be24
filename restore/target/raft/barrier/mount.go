package barrier

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// A Mount is a secrets engine, an auth method or an audit device, as the server's tables have it.
type Mount struct {
	Path      string            `json:"path"` // with a slash at its end, and without "auth/"
	Type      string            `json:"type"` // "kv", "approle", "file", ...
	UUID      string            `json:"uuid"` // it is in the keys of what it stores
	Namespace string            `json:"namespace,omitempty"`
	Local     bool              `json:"local,omitempty"`
	Options   map[string]string `json:"options,omitempty"` // of secrets engines alone, such as version: 2

	// BackendUUID names the folder in which KV v2 keeps everything.
	BackendUUID string `json:"backend_uuid,omitempty"`
}

// Versioned reports whether m is a KV mount of version 2.
func (m Mount) Versioned() bool { return m.kv() && m.Options["version"] == "2" }

func (m Mount) kv() bool { return m.Type == "kv" || m.Type == "generic" }

// A kind of table says what a table lists.
type kind int

const (
	noTable kind = iota
	engines
	authMethods
	auditDevices
)

// tableAt tells whether a table of mounts is at key, and of which namespace. Servers that can keep
// a table as one entry, or one entry for each mount below the same key.
func tableAt(key string) (what kind, namespace string, local bool) {
	key, namespace = cutNamespace(key)
	rest, ok := strings.CutPrefix(key, "core/")
	if !ok {
		return noTable, "", false
	}
	name, _, _ := strings.Cut(rest, "/")
	name, local = strings.CutPrefix(name, "local-")
	switch name {
	case "mounts":
		what = engines
	case "auth":
		what = authMethods
	case "audit":
		what = auditDevices
	}
	return what, namespace, local
}

// cutNamespace returns what key is within its namespace, and the namespace's id, "" for the root.
func cutNamespace(key string) (inner, namespace string) {
	rest, ok := strings.CutPrefix(key, "namespaces/")
	if !ok {
		return key, ""
	}
	namespace, inner, ok = strings.Cut(rest, "/")
	if !ok {
		return key, ""
	}
	return inner, namespace
}

// policyAt returns the name of the policy at key. Names are part of the key, so they are known
// without its value.
func policyAt(key string) (name string, ok bool) {
	key, namespace := cutNamespace(key)
	for _, prefix := range []string{"sys/policy/", "sys/policy-rgp/", "sys/policy-egp/"} {
		if name, ok = strings.CutPrefix(key, prefix); ok {
			if namespace != "" {
				name = namespace + "/" + name
			}
			return name, true
		}
	}
	return "", false
}

// errCompression means that a value was compressed in a way that is not read here. The server itself
// uses gzip for its tables.
var errCompression = errors.New("it is compressed in a way that is not known here")

// maxTable bounds a table once it is decompressed.
const maxTable = 256 << 20

// mountsOf reads a table, or the one mount of it that has an entry of its own.
func mountsOf(key string, value []byte) ([]Mount, error) {
	what, namespace, local := tableAt(key)
	value, err := decompress(value)
	if err != nil {
		return nil, err
	}
	type entry struct {
		Mount
		Backend string `json:"backend_aware_uuid"`
	}
	var table struct {
		Entries []entry `json:"entries"`
		entry
	}
	if err := json.Unmarshal(value, &table); err != nil {
		return nil, errors.New("it is not a table of mounts") // err could quote an option
	}
	if table.Entries == nil && table.UUID != "" {
		table.Entries = []entry{table.entry}
	}
	mounts := make([]Mount, 0, len(table.Entries))
	for _, e := range table.Entries {
		m := e.Mount
		m.BackendUUID, m.Namespace, m.Local = e.Backend, namespace, local
		if what != engines {
			m.Options = nil // those of an audit device may hold a password
		}
		mounts = append(mounts, m)
	}
	return mounts, nil
}

// decompress undoes what the server does to tables. JSON begins with none of these letters.
func decompress(value []byte) ([]byte, error) {
	if len(value) == 0 {
		return value, nil
	}
	switch value[0] {
	case 'G':
		z, err := gzip.NewReader(bytes.NewReader(value[1:]))
		if err != nil {
			return nil, fmt.Errorf("decompressing: %w", err)
		}
		b, err := io.ReadAll(io.LimitReader(z, maxTable+1))
		if err != nil {
			return nil, fmt.Errorf("decompressing: %w", err)
		}
		if len(b) > maxTable {
			return nil, fmt.Errorf("decompressing: it has more than %d bytes", maxTable)
		}
		return b, nil
	case 'S', 'L', '4': // snappy, LZW, LZ4
		return nil, errCompression
	}
	return value, nil
}

func sortMounts(list []Mount) {
	slices.SortFunc(list, func(a, b Mount) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Path, b.Path))
	})
}
