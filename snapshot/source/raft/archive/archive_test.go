package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// A file is a member of an archive that a test makes with the standard library.
type file struct {
	name, body string
	kind       byte
}

// sound are the members of a whole archive.
func sound() []file {
	files := []file{{name: Meta, body: `{"Version":1}`}, {name: State, body: strings.Repeat("the storage ", 4096)}}
	sums := fmt.Sprintf("%x  %s\n%x  %s\n", sha256.Sum256([]byte(files[1].body)), State, sha256.Sum256([]byte(files[0].body)), Meta)
	return append(files, file{name: Sums, body: sums}, file{name: Sealed, body: "sealed"})
}

func tarred(t testing.TB, files []file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Typeflag: f.kind, Mode: 0o600, Size: int64(len(f.body))}
		if f.kind == tar.TypeSymlink {
			h.Size, h.Linkname = 0, f.body
		}
		must(t, w.WriteHeader(h))
		if h.Size > 0 {
			_, err := io.WriteString(w, f.body)
			must(t, err)
		}
	}
	must(t, w.Close())
	return b.Bytes()
}

func zipped(t testing.TB, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(plain)
	must(t, err)
	must(t, w.Close())
	return b.Bytes()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// collect reads an archive into memory.
func collect(r io.Reader) ([]file, error) {
	var got []file
	err := Read(r, func(name string, size int64, r io.Reader) error {
		body, err := io.ReadAll(r)
		if err == nil && int64(len(body)) != size {
			err = fmt.Errorf("%s has %d bytes instead of %d", name, len(body), size)
		}
		got = append(got, file{name: name, body: string(body)})
		return err
	})
	return got, err
}

func TestMembersComeOutAsTheyWentIn(t *testing.T) {
	for name, archive := range map[string][]byte{
		"as the server writes it": zipped(t, tarred(t, sound())),
		"padded by another tar":   zipped(t, append(tarred(t, sound()), make([]byte, 8192)...)),
	} {
		got, err := collect(iotest.OneByteReader(bytes.NewReader(archive)))
		if diff := cmp.Diff(sound(), got, cmp.AllowUnexported(file{})); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func TestMemberThatIsNotReadIsProvenAllTheSame(t *testing.T) {
	skip := func(string, int64, io.Reader) error { return nil }
	must(t, Read(bytes.NewReader(zipped(t, tarred(t, sound()))), skip))
	files := sound()
	files[1].body = strings.Replace(files[1].body, "s", "S", 1)
	if err := Read(bytes.NewReader(zipped(t, tarred(t, files))), skip); !errors.Is(err, ErrArchive) {
		t.Errorf("error %v", err)
	}
}

func TestWhatIsNotAnArchiveIsRefused(t *testing.T) {
	edit := func(change func([]file) []file) []byte { return zipped(t, tarred(t, change(sound()))) }
	body := func(i int, body string) []byte {
		return edit(func(f []file) []file { f[i].body = body; return f })
	}
	whole := zipped(t, tarred(t, sound()))
	sums := sound()[2].body
	for name, c := range map[string]struct {
		archive []byte
		says    string
	}{
		"empty":                  {nil, "cut short after 0 bytes"},
		"not a gzip":             {[]byte(`{"errors":["no"]}` + strings.Repeat(" ", 20)), "gzip"},
		"a gzip of nothing":      {zipped(t, nil), "meta.json is missing"},
		"a gzip of zeros":        {zipped(t, make([]byte, 4096)), "meta.json is missing"},
		"no SHA256SUMS.sealed":   {edit(func(f []file) []file { return f[:3] }), "SHA256SUMS.sealed is missing"},
		"no SHA256SUMS":          {edit(func(f []file) []file { return slices.Delete(f, 2, 3) }), `"SHA256SUMS.sealed" is where SHA256SUMS should be`},
		"no state.bin":           {edit(func(f []file) []file { return slices.Delete(f, 1, 2) }), "state.bin should be"},
		"a fifth member":         {edit(func(f []file) []file { return append(f, file{name: "extra", body: "x"}) }), `fifth member "extra"`},
		"a member twice":         {edit(func(f []file) []file { return append(f, f[1]) }), "fifth member"},
		"another order":          {edit(func(f []file) []file { f[0], f[1] = f[1], f[0]; return f }), "meta.json should be"},
		"a symlink":              {edit(func(f []file) []file { f[1].kind = tar.TypeSymlink; return f }), "state.bin is not a regular file"},
		"an empty state.bin":     {body(1, ""), "state.bin is empty"},
		"an empty seal":          {body(3, ""), "SHA256SUMS.sealed is empty"},
		"a huge meta.json":       {body(0, strings.Repeat(" ", MaxSmall+1)), "more than it can have"},
		"a changed meta.json":    {body(0, `{"Version":2}`), "meta.json has SHA-256"},
		"a changed state.bin":    {body(1, "another"), "state.bin has SHA-256"},
		"a sum missing":          {body(2, sums[:strings.Index(sums, "\n")+1]), "no line for meta.json"},
		"a sum twice":            {body(2, sums+sums), "none of it"},
		"a sum of something":     {body(2, sums+strings.Replace(sums, State, "x", 1)), "none of it"},
		"no sums":                {body(2, "\n"), "none of it"},
		"data after the tar":     {zipped(t, append(tarred(t, sound()), "more"...)), "after the end of the tar"},
		"too much padding":       {zipped(t, append(tarred(t, sound()), make([]byte, 2<<20)...)), "too much padding"},
		"data after the gzip":    {append(bytes.Clone(whole), "more"...), "data after the end"},
		"a second gzip after it": {append(bytes.Clone(whole), whole...), "data after the end"},
	} {
		_, err := collect(bytes.NewReader(c.archive))
		if !errors.Is(err, ErrArchive) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestArchiveCutAnywhereIsRefused(t *testing.T) {
	whole := zipped(t, tarred(t, sound()))
	for n := range len(whole) {
		if _, err := collect(bytes.NewReader(whole[:n])); !errors.Is(err, ErrArchive) || !errors.Is(err, ErrCut) {
			t.Fatalf("the first %d of %d bytes: %v", n, len(whole), err)
		}
	}
}

// The time and the operating system in a gzip mean nothing, nor do the few bits between its data and its
// checksum. All others do.
func TestFlippedBitIsFoundOrHarmless(t *testing.T) {
	whole := zipped(t, tarred(t, sound()))
	harmless := 0
	for bit := range 8 * len(whole) {
		flipped := bytes.Clone(whole)
		flipped[bit/8] ^= 1 << (bit % 8)
		got, err := collect(bytes.NewReader(flipped))
		if err == nil && !cmp.Equal(sound(), got, cmp.AllowUnexported(file{})) {
			t.Fatalf("bit %d changes what is read, without an error", bit)
		}
		if err == nil {
			harmless++
		}
	}
	if harmless > 10*8+7 {
		t.Errorf("%d flipped bits are not found", harmless)
	}
}

func TestErrorsOfOthersAreTheirs(t *testing.T) {
	whole := zipped(t, tarred(t, sound()))
	lost, full := errors.New("connection lost"), errors.New("disk full")
	_, err := collect(io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), iotest.ErrReader(lost)))
	if !errors.Is(err, lost) || errors.Is(err, ErrArchive) {
		t.Errorf("of the reader: %v", err)
	}
	err = Read(bytes.NewReader(whole), func(string, int64, io.Reader) error { return full })
	if err != full {
		t.Errorf("of the member: %v", err)
	}
	// What is wrong with the archive is not the fault of who reads a member, whatever he makes of it.
	err = Read(bytes.NewReader(whole[:len(whole)/2]), func(_ string, _ int64, r io.Reader) error {
		if _, err := io.Copy(io.Discard, r); err != nil {
			return errors.New("malformed")
		}
		return nil
	})
	if !errors.Is(err, ErrCut) {
		t.Errorf("of a cut archive: %v", err)
	}
}

func members(files []file) []Member {
	list := make([]Member, len(files))
	for i, f := range files {
		list[i] = Member{Name: f.name, Size: int64(len(f.body)), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(f.body)), nil
		}}
	}
	return list
}

func TestWrittenArchiveIsReadBackAndAlwaysTheSame(t *testing.T) {
	var first, second bytes.Buffer
	must(t, Write(&first, members(sound())))
	must(t, Write(&second, members(sound())))
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two archives of the same members differ")
	}
	got, err := collect(&first)
	if diff := cmp.Diff(sound(), got, cmp.AllowUnexported(file{})); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestArchiveOfWrongMembersIsNotWritten(t *testing.T) {
	gone := errors.New("gone")
	for name, change := range map[string]func([]Member) []Member{
		"three":           func(m []Member) []Member { return m[:3] },
		"another order":   func(m []Member) []Member { m[0], m[1] = m[1], m[0]; return m },
		"shorter":         func(m []Member) []Member { m[1].Size++; return m },
		"longer":          func(m []Member) []Member { m[1].Size--; return m },
		"not to be had":   func(m []Member) []Member { m[3].Open = func() (io.ReadCloser, error) { return nil, gone }; return m },
		"broken half way": func(m []Member) []Member { m[1].Open = halfOf(gone); return m },
	} {
		var b bytes.Buffer
		err := Write(&b, change(members(sound())))
		if err == nil || name == "shorter" && !strings.Contains(err.Error(), "writing state.bin into a raft snapshot: 49152 bytes instead of 49153") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := collect(&b); err == nil {
			t.Errorf("%s: an archive was written", name)
		}
	}
}

func halfOf(err error) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("half"), iotest.ErrReader(err))), nil
	}
}

// Whatever the bytes are, Read ends, and what it accepts has four members that fit their sums.
func FuzzRead(f *testing.F) {
	whole := tarred(f, sound()[:2])
	f.Add(zipped(f, tarred(f, sound())))
	f.Add(zipped(f, whole))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, input := range [][]byte{b, zipped(t, b)} { // as it is, and as a tar
			got, err := collect(bytes.NewReader(input))
			if err != nil {
				continue
			}
			if len(got) != len(Names) {
				t.Fatalf("%d members", len(got))
			}
			var again bytes.Buffer
			must(t, Write(&again, members(got)))
			if back, err := collect(&again); err != nil || !cmp.Equal(got, back, cmp.AllowUnexported(file{})) {
				t.Fatalf("written again it is another: %v", err)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	files := sound()
	files[1].body = strings.Repeat(files[1].body, 1000)
	files[2].body = fmt.Sprintf("%x  %s\n%x  %s\n", sha256.Sum256([]byte(files[0].body)), Meta, sha256.Sum256([]byte(files[1].body)), State)
	archive := zipped(b, tarred(b, files))
	b.SetBytes(int64(len(files[1].body)))
	b.ReportAllocs()
	for b.Loop() {
		must(b, Read(bytes.NewReader(archive), func(_ string, _ int64, r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		}))
	}
}
