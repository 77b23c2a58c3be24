package files

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"holdfast/snapshot"
)

// A member is an entry with data for a made-up dump.
type member struct {
	Entry
	data string
}

func dirAt(path string) member { return member{Entry: Entry{Path: path, Kind: Dir, Mode: 0o700}} }

func fileAt(path, data string) member {
	return member{Entry{Path: path, Kind: File, Mode: 0o600, Size: int64(len(data))}, data}
}

// compose writes a dump of exactly these members, possible or not.
func compose(t testing.TB, members ...member) (tree, index []byte) {
	t.Helper()
	var a, b bytes.Buffer
	w := newTreeWriter(&a, &b)
	for _, m := range members {
		if m.MTime.IsZero() {
			m.MTime = time.Unix(1700000000, 0)
		}
		err := w.add(&m.Entry, func(w io.Writer) error {
			_, err := io.WriteString(w, m.data)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	return a.Bytes(), b.Bytes()
}

func TestImpossibleTreesAreRefused(t *testing.T) {
	link := func(path string, kind Kind, to string) member {
		return member{Entry: Entry{Path: path, Kind: kind, Mode: 0o777, Link: to}}
	}
	sum := sha256.Sum256([]byte("x"))
	hard := func(path, to string, offset int64) member {
		m := link(path, HardLink, to)
		m.Offset, m.Size, m.SHA256 = offset, 1, sum
		return m
	}
	shared := fileAt("a", "x")
	shared.Shared = true
	mode := fileAt("a", "")
	mode.Mode = 0o170644
	for name, members := range map[string][]member{
		"nothing":                  {},
		"no root":                  {dirAt("a"), fileAt("a/b", "")},
		"two roots":                {dirAt("."), dirAt(".")},
		"two files and no root":    {fileAt("a", ""), fileAt("b", "")},
		"symlink as root":          {link("a", Symlink, "/etc")},
		"absolute path":            {dirAt("."), fileAt("/etc/passwd", "")},
		"dot dot":                  {dirAt("."), fileAt("../passwd", "")},
		"the parent itself":        {dirAt("."), dirAt(".."), fileAt("../passwd", "")},
		"dot dot inside":           {dirAt("."), dirAt("a"), fileAt("a/../../b", "")},
		"dot inside":               {dirAt("."), fileAt("a/./b", "")},
		"empty name":               {dirAt("."), dirAt("a"), fileAt("a//b", "")},
		"through a symlink":        {dirAt("."), link("a", Symlink, "/etc"), fileAt("a/passwd", "")},
		"through a file":           {dirAt("."), fileAt("a", ""), fileAt("a/b", "")},
		"directory missing":        {dirAt("."), fileAt("a/b", "")},
		"back to a left directory": {dirAt("."), dirAt("a"), dirAt("b"), fileAt("a/c", "")},
		"twice":                    {dirAt("."), fileAt("a", "1"), fileAt("a", "2")},
		"file, then symlink":       {dirAt("."), fileAt("a", "1"), link("a", Symlink, "/etc")},
		"out of order":             {dirAt("."), fileAt("b", ""), fileAt("a", "")},
		"hard link outside":        {dirAt("."), hard("a", "../../etc/shadow", 512)},
		"hard link to root":        {dirAt("."), hard("a", "/etc/shadow", 512)},
		"hard link to nothing":     {dirAt("."), hard("a", "b", 512)},
		"hard link to a later one": {dirAt("."), hard("a", "b", 512), fileAt("b", "x")},
		"hard link to itself":      {dirAt("."), hard("a", "a", 512)},
		"hard link to other data":  {dirAt("."), shared, hard("b", "a", 4096)},
		"symlink to nothing":       {dirAt("."), link("a", Symlink, "")},
		"mode with a type":         {dirAt("."), mode},
		"very deep":                {dirAt("."), fileAt(strings.Repeat("a/", maxDepth+1)+"b", "")},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if r := recover(); r != nil {
					t.Fatal(r)
				}
			}()
			tree, index := compose(t, members...)
			if _, err := Check(t.Context(), bytes.NewReader(tree), bytes.NewReader(index)); !errors.Is(err, snapshot.ErrDamaged) {
				t.Errorf("Check: %v", err)
			}
		})
	}
}

// Every way in which two streams that are well-formed alone can fail to be one tree.
func TestTreeAndIndexMustAgree(t *testing.T) {
	whole := []member{dirAt("."), fileAt("a", "content of a"), fileAt("b", "content of b")}
	tree, index := compose(t, whole...)
	other := func(change func(m *member)) []byte {
		members := []member{whole[0], whole[1], whole[2]}
		change(&members[2])
		_, index := compose(t, members...)
		return index
	}
	flipped := bytes.Replace(tree, []byte("content of b"), []byte("content of c"), 1)
	lines := bytes.SplitAfter(index, []byte("\n"))
	longer, _ := compose(t, append(whole[:3:3], fileAt("c", ""))...)
	for name, c := range map[string]struct{ tree, index []byte }{
		"data differs":         {flipped, index},
		"other mode":           {tree, other(func(m *member) { m.Mode = 0o777 })},
		"other owner":          {tree, other(func(m *member) { m.UID = 7 })},
		"other time":           {tree, other(func(m *member) { m.MTime = time.Unix(1, 1) })},
		"other name":           {tree, other(func(m *member) { m.Path = "c" })},
		"other size":           {tree, other(func(m *member) { *m = fileAt("b", "longer content of b") })},
		"other digest":         {tree, other(func(m *member) { m.data = "CONTENT of b" })},
		"xattr in index only":  {tree, other(func(m *member) { m.XAttrs = map[string][]byte{"user.a": nil} })},
		"line missing":         {tree, bytes.Join(lines[:2], nil)},
		"line cut":             {tree, index[:len(index)-1]},
		"member missing":       {tree[:len(tree)-2048], index},
		"member added":         {longer, index},
		"tree cut in data":     {tree[:len(tree)-1600], index},
		"tree cut at the end":  {tree[:len(tree)-512], index},
		"tree without an end":  {tree[:len(tree)-1024], index},
		"bytes after the tree": {append(bytes.Clone(tree), make([]byte, 512)...), index},
		"huge size":            {tree, bytes.Replace(index, []byte(`"size":12`), []byte(`"size":9223372036854775807`), 1)},
		"negative size":        {tree, bytes.Replace(index, []byte(`"size":12`), []byte(`"size":-12`), 1)},
		"offset elsewhere":     {tree, bytes.Replace(index, []byte(`"offset":1024`), []byte(`"offset":1536`), 1)},
		"unknown field":        {tree, bytes.Replace(index, []byte(`"uid"`), []byte(`"uix"`), 1)},
		"index is empty":       {tree, nil},
		"tree is empty":        {nil, index},
	} {
		t.Run(name, func(t *testing.T) {
			if bytes.Equal(c.tree, tree) && bytes.Equal(c.index, index) {
				t.Fatal("the case changes nothing")
			}
			if _, err := Check(t.Context(), bytes.NewReader(c.tree), bytes.NewReader(c.index)); !errors.Is(err, snapshot.ErrDamaged) {
				t.Errorf("Check: %v", err)
			}
		})
	}
}

// The sparse formats of tar let a few bytes stand for any size.
func TestSparseAndUnknownTarRecordsAreRefused(t *testing.T) {
	for _, records := range []map[string]string{
		{"SCHILY.realsize": "99"}, {"atime": "1"}, {"HOLDFAST.x": "1"},
	} {
		var tree bytes.Buffer
		w := tar.NewWriter(&tree)
		for _, h := range []*tar.Header{
			{Name: "./", Typeflag: tar.TypeDir, Mode: 0o700, Format: tar.FormatPAX, ModTime: time.Unix(1700000000, 0)},
			{Name: "a", Typeflag: tar.TypeReg, Mode: 0o600, Format: tar.FormatPAX, ModTime: time.Unix(1700000000, 0), PAXRecords: records},
		} {
			if _, ok := records["atime"]; ok && h.Name == "a" {
				h.PAXRecords, h.AccessTime = nil, time.Unix(1, 5)
			}
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		_, index := compose(t, dirAt("."), fileAt("a", ""))
		if _, err := Check(t.Context(), &tree, bytes.NewReader(index)); !errors.Is(err, snapshot.ErrDamaged) {
			t.Errorf("%v: %v", records, err)
		}
	}
}

func TestErrorOfAStreamIsNotCalledDamage(t *testing.T) {
	tree, index := compose(t, dirAt("."), fileAt("a", strings.Repeat("x", 4096)))
	lost := errors.New("connection lost")
	for _, at := range []int{0, 600, 1100, 2000, len(tree) - 100, len(tree)} {
		r := io.MultiReader(bytes.NewReader(tree[:at]), failing{lost})
		if _, err := Check(t.Context(), r, bytes.NewReader(index)); !errors.Is(err, lost) || errors.Is(err, snapshot.ErrDamaged) {
			t.Errorf("lost at %d: %v", at, err)
		}
	}
	r := io.MultiReader(bytes.NewReader(index), failing{lost})
	if _, err := Check(t.Context(), bytes.NewReader(tree), r); !errors.Is(err, lost) {
		t.Errorf("index lost at its end: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func FuzzCheck(f *testing.F) {
	tree, index := compose(f, dirAt("."), fileAt("a", "content"), member{Entry: Entry{
		Path: "b\xff", Kind: Symlink, Mode: 0o777, Link: "a", XAttrs: map[string][]byte{"user.x": []byte("y")}}})
	f.Add(tree, index)
	f.Add(tree, []byte(`{"path":".","type":"dir","mode":"0755","uid":0,"gid":0,"mtime":"0.000000000"}`+"\n"))
	f.Add([]byte(nil), []byte(`{"path":"a","type":"file","size":9223372036854775807}`))
	f.Fuzz(func(t *testing.T, tree, index []byte) {
		counts, err := Check(t.Context(), bytes.NewReader(tree), bytes.NewReader(index))
		if err == nil && (counts.TreeBytes != int64(len(tree)) || counts.IndexBytes != int64(len(index))) {
			t.Errorf("accepted without reading all: %+v", counts)
		}
		if err != nil && !errors.Is(err, snapshot.ErrDamaged) {
			t.Errorf("an error that is no damage: %v", err)
		}
	})
}
