package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const canary = "c4nary-hunter2"

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Setenv("CANARY", canary)
	c := parse(t, base+"alerts: [{ping: \"https://hc.example/"+canary+"\"}, {url: env:CANARY}]\n")
	type wrapper struct {
		S      Secret
		hidden Secret
		deeper *Alert
	}
	ping, url := c.Alerts[0].Ping, c.Alerts[1].URL
	if v, err := url.Resolve(); err != nil || v != canary {
		t.Fatalf("resolved %q, %v", v, err)
	}
	var out bytes.Buffer
	for _, x := range []any{ping, url, &ping, wrapper{ping, url, &c.Alerts[0]}, &wrapper{url, ping, &c.Alerts[1]}, c.Alerts, *c, c} {
		fmt.Fprintf(&out, "%v %+v %#v %s %q %x %d\n", x, x, x, x, x, x, x)
		for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
			b, err := marshal(x)
			if err != nil {
				continue // what cannot be written shows nothing
			}
			out.Write(b)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", x)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", x)
	}
	if s := out.String(); strings.Contains(s, canary) || strings.Contains(s, fmt.Sprintf("%x", canary)) {
		t.Errorf("printed:\n%s", s)
	}
	if !strings.Contains(out.String(), redacted) {
		t.Error("nothing says that something was left out")
	}
}

// Wherever a file is broken, its errors must not repeat what stands around the place. The
// canary stands in every field that can hold a secret, and the file is cut and garbled at
// every byte.
func TestErrorsDoNotRepeatTheFile(t *testing.T) {
	text := base + "alerts:\n  - {url: \"slack://" + canary + "\"}\n  - url: " + canary + "\n" + `schedule: {engine: river, url: "postgres://u:` + canary + `@h/d"}
vaults2:
  p: {kind: postgres, url: "host=h password=` + canary + `"}
  q: {kind: raft, address: "https://` + canary + `@h:1", auth: {method: token, token: ` + canary + `}}
`
	text = strings.Replace(text, "s3://bucket/prefix", "s3://key:"+canary+"@bucket/p?secret="+canary, 1)
	text = strings.Replace(text, classicKey2, "AGE-SECRET-KEY-1"+strings.ToUpper(canary), 1)
	text = strings.Replace(text, "vaults2:\n", "", 1)
	check := func(b []byte) {
		t.Helper()
		_, err := Parse("h.yaml", b)
		if s := strings.ToLower(fmt.Sprint(err)); err != nil && strings.Contains(s, canary[2:]) {
			t.Fatalf("for\n%s\nthe error is\n%s", b, err)
		}
	}
	check([]byte(text))
	for i := range len(text) {
		check([]byte(text[:i]))
		for _, with := range []string{"\"", "'", "{", "[", ":", "\n", "\t", "|", "*", "&", "!", "%", "- ", "@"} {
			check([]byte(text[:i] + with + text[i:]))
			check([]byte(text[:i] + with + text[i+1:]))
		}
	}
}

func TestInlineCredentialsAreRefused(t *testing.T) {
	head := "repository: {url: \"s3://b\"}\nkeys: {recipients: [" + classicKey + "]}\n"
	for _, vault := range []string{
		`{kind: postgres, url: "postgres://u:x@h/d"}`,
		`{kind: postgres, url: "postgres://h/d?user=u&password=x"}`,
		`{kind: postgres, url: "postgres://h/d?user=u&pass%77ord=x"}`,
		`{kind: postgres, url: "host=h password = x"}`,
		`{kind: postgres, url: "host=h PASSWORD=x"}`,
		`{kind: postgres, url: "postgres://u:%zz@h/d"}`,
		`{kind: raft, address: "https://v", auth: {method: token, token: hvs.abc}}`,
		`{kind: raft, address: "https://v", auth: {method: approle, role_id: r, secret_id: abc}}`,
	} {
		_, err := Parse("h.yaml", []byte(head+"vaults: {a: "+vault+"}\n"))
		if err == nil || !strings.Contains(err.Error(), "env:NAME or file:PATH") {
			t.Errorf("%s: %v", vault, err)
		}
	}
	for _, vault := range []string{
		`{kind: postgres, url: "postgres://u@h/d?sslmode=verify-full"}`,
		`{kind: postgres, url: "host=h user=u dbname=d passfile=/x"}`,
		`{kind: raft, address: "https://v", auth: {method: approle, role_id: r, secret_id: env:S}}`,
	} {
		if _, err := Parse("h.yaml", []byte(head+"vaults: {a: "+vault+"}\n")); err != nil {
			t.Errorf("%s: %v", vault, err)
		}
	}
}

func TestSecretFileIsReadWithoutItsLastNewline(t *testing.T) {
	for content, want := range map[string]string{"s\n": "s", "s\n\n": "s\n", "s": "s", " s \r\n": " s ", "s\r": "s\r"} {
		s := secretFile(t, content, 0o600)
		if got, err := s.Resolve(); err != nil || got != want {
			t.Errorf("%q reads %q, %v; want %q", content, got, err, want)
		}
	}
}

func TestSecretFileThatOthersCanReadIsRefused(t *testing.T) {
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o601, 0o644} {
		if _, err := secretFile(t, canary, mode).Resolve(); !errors.Is(err, ErrSecretOpen) || strings.Contains(err.Error(), canary) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

func TestUnusableSecretsNameFieldAndReference(t *testing.T) {
	t.Setenv("EMPTY", "")
	c := parse(t, base+"alerts: [{url: env:EMPTY}, {url: env:NOT_THERE_AT_ALL}]\n")
	for i, want := range []string{"resolving alerts.0.url (env:EMPTY): ", "resolving alerts.1.url (env:NOT_THERE_AT_ALL): "} {
		_, err := c.Alerts[i].URL.Resolve()
		if !errors.Is(err, ErrSecretMissing) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s…", err, want)
		}
	}
	for name, s := range map[string]Secret{
		"empty": secretFile(t, "\n", 0o600), "large": secretFile(t, strings.Repeat("x", maxSecret+1), 0o600),
		"folder": secretAt(t, t.TempDir()), "missing": secretAt(t, filepath.Join(t.TempDir(), "none")),
	} {
		if v, err := s.Resolve(); err == nil || v != "" {
			t.Errorf("%s: resolved to %q", name, v)
		}
	}
}

func secretFile(t *testing.T, content string, mode os.FileMode) Secret {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
	return secretAt(t, name)
}

func secretAt(t *testing.T, name string) Secret {
	t.Helper()
	return parse(t, base+"alerts: [{url: file:"+name+"}]\n").Alerts[0].URL
}
