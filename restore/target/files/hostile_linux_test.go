package files

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/snapshot/source/files"
	"holdfast/snapshot/source/files/filestest"
)

// forge makes a dump of headers and their data, with an index that agrees with it.
func forge(t *testing.T, members ...tar.Header) *stored {
	t.Helper()
	var tree, index bytes.Buffer
	w := tar.NewWriter(&tree)
	kinds := map[byte]files.Kind{tar.TypeReg: files.File, tar.TypeDir: files.Dir, tar.TypeSymlink: files.Symlink, tar.TypeLink: files.HardLink}
	for _, h := range members {
		data := h.Uname // stands for the content, to keep the table short
		h.Uname, h.Mode, h.ModTime, h.Format = "", 0o755, time.Unix(1, 5), tar.FormatPAX
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(data))
		}
		must(t, w.WriteHeader(&h))
		line := fmt.Sprintf(`{"path":%q,"type":%q,"mode":"0755","uid":0,"gid":0,"mtime":"1.000000005"`,
			strings.TrimSuffix(h.Name, "/"), kinds[h.Typeflag])
		if h.Linkname != "" {
			line += fmt.Sprintf(`,"link":%q`, h.Linkname)
		}
		if h.Typeflag == tar.TypeReg || h.Typeflag == tar.TypeLink {
			line += fmt.Sprintf(`,"offset":%d,"size":%d,"sha256":"%x"`, tree.Len(), h.Size, sha256.Sum256([]byte(data)))
		}
		index.WriteString(line + "}\n")
		_, err := w.Write([]byte(data))
		must(t, err)
	}
	must(t, w.Close())
	return made(tree.String(), index.String(), int64(len(members)))
}

func TestHostileTreeChangesNothing(t *testing.T) {
	base := t.TempDir()
	outside := filepath.Join(base, "outside")
	writeTree(t, base, map[string]string{"outside/precious": "precious", "dir/to/x": "x"})
	to := filepath.Join(base, "dir", "to")
	before := filestest.Describe(t, outside)
	root := tar.Header{Name: "./", Typeflag: tar.TypeDir}
	file := func(name string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeReg, Uname: "evil"}
	}
	link := func(name, to string, kind byte) tar.Header {
		return tar.Header{Name: name, Typeflag: kind, Linkname: to}
	}
	for name, members := range map[string][]tar.Header{
		"dot dot":               {root, file("../../outside/evil")},
		"dot dot at the end":    {root, {Name: "../", Typeflag: tar.TypeDir}},
		"absolute":              {root, file(outside + "/evil")},
		"through a symlink":     {root, link("a", outside, tar.TypeSymlink), file("a/evil")},
		"over a symlink":        {root, link("a", outside+"/precious", tar.TypeSymlink), file("a")},
		"directory over one":    {root, link("a", outside, tar.TypeSymlink), {Name: "a/", Typeflag: tar.TypeDir}, file("a/evil")},
		"hard link out":         {root, link("a", "../../outside/precious", tar.TypeLink)},
		"hard link to absolute": {root, link("a", outside+"/precious", tar.TypeLink)},
		"link through symlink":  {root, link("a", outside, tar.TypeSymlink), link("b", "a/precious", tar.TypeLink)},
		"twice":                 {root, file("a"), file("a")},
		"symlink as the root":   {link("a", outside, tar.TypeSymlink)},
	} {
		t.Run(name, func(t *testing.T) {
			d := forge(t, members...)
			for _, target := range []Target{{Path: to, Replace: true}, {Path: to + "2", Only: []string{"**"}}} {
				if _, err := target.Load(t.Context(), d); err == nil {
					t.Errorf("%+v was loaded", target)
				}
				noStaging(t, to)
			}
			if diff := cmp.Diff(before, filestest.Describe(t, outside)); diff != "" {
				t.Error(diff)
			}
			if _, err := os.Lstat(to + "2"); err == nil {
				t.Error("a target was made")
			}
			if data, err := os.ReadFile(filepath.Join(to, "x")); err != nil || string(data) != "x" {
				t.Errorf("the target holds %q, %v", data, err)
			}
		})
	}
	load(t, Target{Path: to, Replace: true}, forge(t, root, file("a"))) // forge can do it right
}

// The builder holds even if every check before it were gone.
func TestBuilderAloneNeverLeavesItsTree(t *testing.T) {
	base := t.TempDir()
	writeTree(t, base, map[string]string{"outside/precious": "precious"})
	outside := filepath.Join(base, "outside")
	before := filestest.Describe(t, outside)
	entry := func(path string, kind files.Kind, link string) files.Entry {
		return files.Entry{Path: path, Kind: kind, Mode: 0o755, Link: link, UID: os.Geteuid(), GID: os.Getegid(), MTime: time.Unix(1, 0)}
	}
	root := entry(files.Root, files.Dir, "")
	for name, entries := range map[string][]files.Entry{
		"dot dot":             {root, entry("..", files.Dir, "")},
		"through a symlink":   {root, entry("a", files.Symlink, outside), entry("a/evil", files.Fifo, "")},
		"over a symlink":      {root, entry("a", files.Symlink, outside+"/evil"), entry("a", files.File, "")},
		"symlinked directory": {root, entry("a", files.Symlink, outside), entry("a", files.Dir, "")},
		"hard link out":       {root, entry("a", files.HardLink, "../../outside/precious")},
		"link by a symlink":   {root, entry("a", files.Symlink, outside), entry("b", files.HardLink, "a/precious")},
		"link to a symlink":   {root, entry("a", files.Symlink, outside+"/precious"), entry("b", files.HardLink, "a")},
	} {
		s, err := newStaging(filepath.Join(base, "to"))
		must(t, err)
		b := newBuilder(s.fd, true)
		for i, e := range entries {
			err = b.add(t.Context(), e, strings.NewReader(""))
			if i < len(entries)-1 {
				must(t, err)
			}
		}
		if err == nil {
			t.Errorf("%s: the last entry was made", name)
		}
		must(t, b.close())
		_, err = s.remove()
		must(t, err)
		if diff := cmp.Diff(before, filestest.Describe(t, outside)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
