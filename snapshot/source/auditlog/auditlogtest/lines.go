package auditlogtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// A Maker writes the entries of one request after another, two lines each.
type Maker struct {
	Now  time.Time     // of the next entry
	Step time.Duration // between requests

	rng *rand.ChaCha8
	n   int
}

// Begin is when a Maker's log begins.
var Begin = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// NewMaker returns a Maker whose lines depend on seed alone.
func NewMaker(seed byte) *Maker {
	return &Maker{Now: Begin, Step: 7 * time.Second, rng: rand.NewChaCha8([32]byte{seed})}
}

// A Request is what one pair of entries tells. Zero fields are chosen by the Maker.
type Request struct {
	Operation, Path, Actor, Address, Error string
	Raw                                    bool // as a device with log_raw writes it
}

// Lines returns the entries of n requests, of which one in twenty fails.
func (m *Maker) Lines(n int) []byte {
	var b bytes.Buffer
	for range n {
		r := Request{}
		if m.pick(20) == 0 {
			r.Error = "1 error occurred:\n\t* permission denied\n\n"
		}
		b.Write(m.Pair(r))
	}
	return b.Bytes()
}

// Pair returns the entry of a request and that of its response.
func (m *Maker) Pair(r Request) []byte {
	m.choose(&r)
	m.n++
	auth := map[string]any{
		"accessor": m.hmac(), "client_token": m.hmac(), "display_name": r.Actor, "entity_id": id("entity", r.Actor),
		"policies": []string{"default", "app"}, "token_type": "service",
	}
	request := map[string]any{
		"client_token": auth["client_token"], "id": id("request", fmt.Sprint(m.n)), "mount_point": "secret/", "mount_type": "kv",
		"namespace": map[string]any{"id": "root"}, "operation": r.Operation, "path": r.Path,
		"remote_address": r.Address, "remote_port": 40000 + m.pick(20000),
		"data": map[string]any{"password": m.hmac(), "ttl": 3600},
	}
	if r.Raw {
		auth["client_token"], request["client_token"] = "hvs.in-the-clear", "hvs.in-the-clear"
		request["data"] = map[string]any{"password": "in-the-clear"}
	}
	entry := map[string]any{"type": "request", "time": m.Now.Format(time.RFC3339Nano), "auth": auth, "request": request}
	if r.Error != "" {
		entry["error"] = r.Error
	}
	line := encode(entry)
	m.Now = m.Now.Add(time.Duration(m.pick(2_000_000)))
	entry["type"], entry["time"] = "response", m.Now.Format(time.RFC3339Nano)
	entry["response"] = map[string]any{"mount_type": "kv", "data": map[string]any{"value": m.hmac(), "version": 3}}
	m.Now = m.Now.Add(m.Step)
	return append(line, encode(entry)...)
}

func (m *Maker) choose(r *Request) {
	set := func(field *string, values ...string) {
		if *field == "" {
			*field = values[m.pick(len(values))]
		}
	}
	set(&r.Operation, "read", "read", "read", "list", "update", "delete")
	set(&r.Path, fmt.Sprintf("secret/data/team-%d/app-%d/key", m.pick(5), m.pick(40)))
	set(&r.Actor, "approle", "kubernetes-payments", "userpass-ada", "userpass-grace", "token")
	set(&r.Address, fmt.Sprintf("10.1.%d.%d", m.pick(3), m.pick(50)))
}

func (m *Maker) pick(n int) int { return int(m.rng.Uint64() % uint64(n)) }

// hmac is the HMAC of some value.
func (m *Maker) hmac() string {
	var b [32]byte
	m.rng.Read(b[:]) // never fails
	return "hmac-sha256:" + hex.EncodeToString(b[:])
}

// id is a UUID that stays the same for the same name.
func id(kind, name string) string {
	s := sha256.Sum256([]byte(kind + " " + name))
	return fmt.Sprintf("%x-%x-%x-%x-%x", s[:4], s[4:6], s[6:8], s[8:10], s[10:16])
}

func encode(entry map[string]any) []byte {
	b, err := json.Marshal(entry)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return append(b, '\n')
}
