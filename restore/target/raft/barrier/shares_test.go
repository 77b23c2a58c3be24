package barrier_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"holdfast/restore/target/raft/barrier"
)

func TestSharesAreReadInHexAndBase64(t *testing.T) {
	long, short := bytes.Repeat([]byte{0xa7, 0x3f, 0x01}, 11), bytes.Repeat([]byte{0x5c}, 32)
	for _, c := range []struct {
		name, text string
		want       barrier.Shares
	}{
		{"hex", hex.EncodeToString(long) + "\n" + hex.EncodeToString(short) + "\n", barrier.Shares{long, short}},
		{"capital hex", strings.ToUpper(hex.EncodeToString(long)), barrier.Shares{long}},
		{"base64", base64.StdEncoding.EncodeToString(long) + "\n" + base64.StdEncoding.EncodeToString(short), barrier.Shares{long, short}},
		{"base64 without padding", base64.RawStdEncoding.EncodeToString(short), barrier.Shares{short}},
		{"both", hex.EncodeToString(long) + "\n" + base64.StdEncoding.EncodeToString(long), barrier.Shares{long, long}},
		{"comments", "# of Anna\n\n  " + hex.EncodeToString(long) + "\t# 2026\r\n#\n", barrier.Shares{long}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := barrier.ParseShares(strings.NewReader(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([][]byte(c.want), [][]byte(got)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestLinesThatAreNoSharesAreRefusedAndNotQuoted(t *testing.T) {
	good := strings.Repeat("ab", 33) + "\n"
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "there are none"},
		{"comments alone", "# a\n\n", "there are none"},
		{"a word", good + "correct-horse-battery-staple", "line 2"},
		{"a share cut", good + good + good[:64-2], "line 3"},
		{"a share with more", good[:66] + "ab", "line 1"},
		{"two on a line", strings.Repeat(good[:66]+" ", 2), "line 1"},
		{"a line of megabytes", strings.Repeat("ab", 1<<20), "longer than any share"},
		{"more than there can be", strings.Repeat(good, 256), "more than 255"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := barrier.ParseShares(strings.NewReader(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
			for _, part := range []string{"abab", "horse"} {
				if strings.Contains(err.Error(), part) {
					t.Errorf("%q quotes a share", err)
				}
			}
		})
	}
	broken := errors.New("broken pipe")
	if _, err := barrier.ParseShares(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestSecretValuesPrintAsWhatTheyAre(t *testing.T) {
	s := theSample(t)
	hidden := string(s.shares[0])
	for name, v := range map[string]any{
		"shares":              s.shares,
		"shares in a struct":  struct{ Given barrier.Shares }{s.shares},
		"keyring":             s.keyring(t),
		"keyring in a struct": struct{ Keys *barrier.Keyring }{s.keyring(t)},
		"secret":              barrier.Secret{Path: "a/b", Versions: []barrier.Version{{Data: json.RawMessage(hidden)}}},
		"version":             &barrier.Version{Number: 3, Data: json.RawMessage(hidden)},
	} {
		var logged bytes.Buffer
		slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "v", v)
		texts := []string{logged.String()}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%08b", "%t"} {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
		for _, text := range texts {
			if len(text) > 200 || strings.Contains(text, fmt.Sprint(s.shares[0][:4])) || strings.Contains(text, fmt.Sprintf("%x", s.shares[0][:4])) ||
				strings.Contains(text, hidden[:4]) {
				t.Errorf("%s prints as %.300s", name, text)
			}
		}
	}
	b, err := json.Marshal(map[string]any{"shares": s.shares})
	if err != nil || string(b) != `{"shares":"[5 unseal shares]"}` {
		t.Errorf("shares are the JSON %s, %v", b, err)
	}
}

func FuzzParseShares(f *testing.F) {
	f.Add([]byte(strings.Repeat("ab", 33) + "\n# x\n" + base64.StdEncoding.EncodeToString(make([]byte, 32))))
	f.Add([]byte("\r\n#\xff\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		shares, err := barrier.ParseShares(bytes.NewReader(text))
		if (err == nil) != (len(shares) > 0) {
			t.Fatalf("%d shares and %v", len(shares), err)
		}
		for _, s := range shares {
			if len(s) != 32 && len(s) != 33 {
				t.Fatalf("a share of %d bytes", len(s))
			}
		}
	})
}
