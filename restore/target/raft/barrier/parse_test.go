package barrier

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
)

func TestMetadataOfASecretIsReadWhole(t *testing.T) {
	bytesField := func(b []byte, n protowire.Number, v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
	}
	number := func(b []byte, n protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
	}
	at := func(seconds, nanos uint64) []byte { return number(number(nil, 1, seconds), 2, nanos) }
	version := func(n uint64, rest []byte) []byte { return bytesField(number(nil, 1, n), 2, rest) }

	b := bytesField(nil, 1, []byte("app/db"))
	b = bytesField(b, 2, version(12, number(bytesField(nil, 1, at(1_700_000_012, 5)), 3, 1)))
	b = bytesField(b, 2, version(11, bytesField(bytesField(nil, 1, at(1_700_000_011, 0)), 2, at(1_800_000_000, 999_999_999))))
	b = number(number(b, 3, 12), 4, 11)
	b = bytesField(bytesField(b, 5, at(1_600_000_000, 0)), 6, at(1_700_000_012, 5))
	b = number(number(b, 7, 20), 8, 1)
	b = bytesField(b, 9, at(90, 500_000_000))
	b = bytesField(b, 10, bytesField(bytesField(nil, 1, []byte("owner")), 2, []byte("team")))
	b = bytesField(b, 10, bytesField(nil, 1, []byte("empty")))
	b = bytesField(b, 11, []byte("attribution, which is left out"))
	got, err := parseMetadata(b)
	if err != nil {
		t.Fatal(err)
	}
	want := Secret{
		Path: "app/db", Current: 12, Oldest: 11, MaxVersions: 20, CASRequired: true, DeleteVersionAfter: 90500 * time.Millisecond,
		Created: time.Unix(1_600_000_000, 0).UTC(), Updated: time.Unix(1_700_000_012, 5).UTC(),
		CustomMetadata: map[string]string{"owner": "team", "empty": ""},
		Versions: []Version{
			{Number: 11, Created: time.Unix(1_700_000_011, 0).UTC(), Deleted: time.Unix(1_800_000_000, 999_999_999).UTC()},
			{Number: 12, Created: time.Unix(1_700_000_012, 5).UTC(), Destroyed: true},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// What is parsed is authentic, but a server of a later version may have written it.
func FuzzDecrypted(f *testing.F) {
	f.Add([]byte("\x0a\x03a/b\x12\x04\x08\x01\x12\x00"))
	f.Add([]byte("multiwrapvalue:1\x00\x00\x00\x04\x12\x02\x0a\x00"))
	f.Add([]byte("G\x1f\x8b\x08\x00"))
	f.Add([]byte(`{"entries":[{"path":"a/","uuid":"b"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseMetadata(b); err == nil && s.Path == "" {
			t.Error("a secret without a path")
		}
		if data, err := parseData(b); err == nil && !json.Valid(data) {
			t.Error("data that is no JSON")
		}
		if list, err := blobs(b); err == nil && len(list) == 0 {
			t.Error("no ciphertext and no error")
		}
		if mounts, err := mountsOf("core/audit", b); err == nil {
			for _, m := range mounts {
				if m.Options != nil {
					t.Error("options of an audit device")
				}
			}
		}
	})
}
