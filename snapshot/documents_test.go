package snapshot

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/snapshot/pack"
)

func hostKey(t testing.TB) (*HostKey, Trust) {
	t.Helper()
	h, err := NewHostKey("host")
	if err != nil {
		t.Fatal(err)
	}
	trust, err := NewTrust(h.Signer.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	return h, trust
}

func TestAHostKeyReadsBackAndShowsNothing(t *testing.T) {
	h, _ := hostKey(t)
	again, err := ParseHostKey(strings.NewReader(h.Text()))
	if err != nil {
		t.Fatal(err)
	}
	if again.Text() != h.Text() || again.idKey("r", "v", "e") != h.idKey("r", "v", "e") {
		t.Error("it reads back as another key")
	}
	for _, shown := range []string{fmt.Sprint(h), fmt.Sprintf("%v %s", h, h), fmt.Sprintf("%#v", h)} {
		for _, line := range h.lines {
			if _, secret, ok := strings.Cut(line, " "); ok && line[0] != '#' && strings.Contains(shown, secret) {
				t.Errorf("%q shows a secret", shown)
			}
		}
	}
}

func TestAMixedUpHostKeyIsRefused(t *testing.T) {
	a, _ := hostKey(t)
	b, _ := hostKey(t)
	lines := strings.Split(a.Text(), "\n")
	for i, line := range strings.Split(b.Text(), "\n") {
		if !strings.HasPrefix(line, "sign ") && !strings.HasPrefix(line, "# verifier") {
			continue
		}
		mixed := slices.Clone(lines)
		mixed[i] = line
		if _, err := ParseHostKey(strings.NewReader(strings.Join(mixed, "\n"))); err == nil {
			t.Errorf("%s of another key is accepted", strings.Fields(line)[0])
		}
	}
	for i := range lines {
		cut := slices.Delete(slices.Clone(lines), i, i+1)
		_, err := ParseHostKey(strings.NewReader(strings.Join(cut, "\n")))
		if needed := strings.HasPrefix(lines[i], "sign ") || strings.HasPrefix(lines[i], "chunks ") || strings.HasPrefix(lines[i], "# verifier"); needed && err == nil {
			t.Errorf("without line %d it is accepted", i+1)
		}
	}
}

func manifestOf(id ID) *Manifest {
	return &Manifest{Type: typeManifest, Format: Format, Repository: "REPOSITORY", ID: id, Vault: "v", Kind: "test", Epoch: string(NewID(time.Now())),
		Contents: Blob{Size: 10}, Packs: Blob{Size: 10}, Totals: Totals{Streams: 1}}
}

func TestAManifestWithImpossibleNumbersIsDamage(t *testing.T) {
	h, trust := hostKey(t)
	id := NewID(time.Now())
	for name, spoil := range map[string]func(*Manifest){
		"another type":       func(m *Manifest) { m.Type = typeFinding },
		"another format":     func(m *Manifest) { m.Format = 2 },
		"another repository": func(m *Manifest) { m.Repository = "OTHER" },
		"another vault":      func(m *Manifest) { m.Vault = "w" },
		"another id":         func(m *Manifest) { m.ID = NewID(time.Now()) },
		"no contents":        func(m *Manifest) { m.Contents.Size = 0 },
		"huge contents":      func(m *Manifest) { m.Contents.Size = 1 << 60 },
		"huge pack list":     func(m *Manifest) { m.Packs.Size = 1 << 60 },
		"negative pack list": func(m *Manifest) { m.Packs.Size = -1 },
		"huge index":         func(m *Manifest) { m.Index = []Blob{{Size: 1 << 60}} },
		"no streams":         func(m *Manifest) { m.Totals.Streams = 0 },
		"an epoch elsewhere": func(m *Manifest) { m.Epoch = "../../other" },
		"a strange previous": func(m *Manifest) { m.Previous = "../x" },
	} {
		m := manifestOf(id)
		spoil(m)
		b, err := sign(m, h.Signer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseManifest(b, "REPOSITORY", "v", id, trust); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b, err := sign(manifestOf(id), h.Signer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseManifest(b, "REPOSITORY", "v", id, trust); err != nil {
		t.Errorf("as it is: %v", err)
	}
	if _, err := parseManifest(b, "REPOSITORY", "v", id, Trust{}); !errors.Is(err, ErrUntrusted) {
		t.Errorf("by nobody's trust: %v", err)
	}
}

func TestATurnedBitInASignedDocumentShows(t *testing.T) {
	for range 4 { // what the last letter of a signature is, chance decides
		h, trust := hostKey(t)
		id := NewID(time.Now())
		b, err := sign(manifestOf(id), h.Signer)
		if err != nil {
			t.Fatal(err)
		}
		for bit := range 8 * len(b) {
			b[bit/8] ^= 1 << (bit % 8)
			if _, err := parseManifest(b, "REPOSITORY", "v", id, trust); err == nil {
				t.Errorf("bit %d of %d is turned: %q", bit, 8*len(b), b)
			}
			b[bit/8] ^= 1 << (bit % 8)
		}
	}
}

func TestContentsWithHostileTablesAreRefused(t *testing.T) {
	m := manifestOf(NewID(time.Now()))
	good := func() *Contents {
		return &Contents{Type: typeContents, Repository: m.Repository, Vault: m.Vault, ID: m.ID, Epoch: m.Epoch, IDKey: make([]byte, 32),
			Packs:   []Blob{{Size: 100}},
			Streams: []ContentsStream{{StreamInfo: StreamInfo{Name: "db", Bytes: 5}, Chunks: chunkList{{Length: 9, Plain: 5}}}}}
	}
	if err := good().check(m); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Contents){
		"another snapshot's": func(c *Contents) { c.ID = NewID(time.Now()) },
		"a short key":        func(c *Contents) { c.IDKey = nil },
		"a name outside":     func(c *Contents) { c.Streams[0].Name = "../db" },
		"an absolute name":   func(c *Contents) { c.Streams[0].Name = "/db" },
		"a pack too far":     func(c *Contents) { c.Streams[0].Chunks[0].Pack = 1 },
		"a wrong length":     func(c *Contents) { c.Streams[0].Bytes = 6 },
		"a stream too many":  func(c *Contents) { c.Streams = append(c.Streams, c.Streams[0]) },
	} {
		c := good()
		spoil(c)
		if c.check(m) == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func FuzzPackList(f *testing.F) {
	f.Add(encodePackList([]pack.Info{{Sum: pack.Sum{1}, Size: 5}, {Sum: pack.Sum{2}, Size: 7}}))
	f.Add([]byte("00 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := DecodePackList("packs", b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("%v is not damage", err)
			}
			return
		}
		if again := encodePackList(list); len(list) > 0 && strings.TrimRight(string(again), "\n") != strings.ReplaceAll(strings.TrimRight(string(b), "\r\n"), "\r\n", "\n") {
			t.Errorf("%q is read as %q", b, again)
		}
	})
}

func FuzzManifest(f *testing.F) {
	h, trust := hostKey(f)
	id := NewID(time.Now())
	b, err := sign(manifestOf(id), h.Signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseManifest(b, "REPOSITORY", "v", id, trust); err == nil && m.ID != id {
			t.Error("another manifest")
		}
	})
}
