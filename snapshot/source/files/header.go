package files

import (
	"archive/tar"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

const xattrKey = "SCHILY.xattr."

var typeflags = map[Kind]byte{
	File: tar.TypeReg, Dir: tar.TypeDir, Symlink: tar.TypeSymlink, HardLink: tar.TypeLink,
	Fifo: tar.TypeFifo, CharDevice: tar.TypeChar, BlockDevice: tar.TypeBlock,
}

// GNU tar escapes these two in the names of extended attributes, since "=" ends a key.
var (
	escapeXAttr   = strings.NewReplacer("%", "%25", "=", "%3D")
	unescapeXAttr = strings.NewReplacer("%3D", "=", "%25", "%")
)

// header is e as a PAX header. It holds no access or change times: they would make every
// dump of an unchanged tree different.
func (e *Entry) header() *tar.Header {
	h := &tar.Header{
		Typeflag: typeflags[e.Kind], Name: e.Path, Linkname: e.Link, Mode: int64(e.Mode),
		Uid: e.UID, Gid: e.GID, Uname: e.Owner, Gname: e.Group, ModTime: e.MTime,
		Devmajor: int64(e.Major), Devminor: int64(e.Minor), Format: tar.FormatPAX,
	}
	if e.Kind == Dir {
		h.Name += "/"
	}
	if e.Kind == File {
		h.Size = e.Size
	}
	records := map[string]string{}
	for name, value := range e.XAttrs {
		records[xattrKey+escapeXAttr.Replace(name)] = string(value)
	}
	if !utf8.ValidString(e.Path) || !utf8.ValidString(e.Link) {
		// The bytes are written as they are; this is how POSIX says so. GNU tar keeps
		// them too, after a warning that it does not know the keyword.
		records["hdrcharset"] = "BINARY"
	}
	if len(records) > 0 {
		h.PAXRecords = records
	}
	return h
}

// entryOf is the inverse of header. What header never writes is refused, above all the
// sparse formats, whose few bytes can stand for any size.
func entryOf(h *tar.Header) (Entry, error) {
	e := Entry{
		Path: h.Name, Mode: uint32(h.Mode & 0o7777), UID: h.Uid, GID: h.Gid, Owner: h.Uname, Group: h.Gname,
		MTime: h.ModTime, Link: h.Linkname, Major: uint32(h.Devmajor), Minor: uint32(h.Devminor),
	}
	for kind, flag := range typeflags {
		if h.Typeflag == flag {
			e.Kind = kind
		}
	}
	switch {
	case e.Kind == "":
		return Entry{}, fmt.Errorf("a member of type %q", h.Typeflag)
	case h.Mode != int64(e.Mode):
		return Entry{}, fmt.Errorf("a member of mode %#o", h.Mode)
	case e.Kind == Dir:
		e.Path = strings.TrimSuffix(e.Path, "/")
	case e.Kind == File:
		e.Size = h.Size
	case h.Size != 0:
		return Entry{}, fmt.Errorf("a %s with %d bytes of data", e.Kind, h.Size)
	}
	for key, value := range h.PAXRecords {
		if err := e.record(key, value); err != nil {
			return Entry{}, err
		}
	}
	return e, nil
}

func (e *Entry) record(key, value string) error {
	switch key {
	case "path", "linkpath", "size", "uid", "gid", "uname", "gname", "mtime", "hdrcharset":
		return nil // the reader has used them
	}
	name, ok := strings.CutPrefix(key, xattrKey)
	if !ok {
		return fmt.Errorf("a member with the keyword %.40q", key)
	}
	if e.XAttrs == nil {
		e.XAttrs = map[string][]byte{}
	}
	e.XAttrs[unescapeXAttr.Replace(name)] = []byte(value)
	return nil
}

// instant is a time as every entry has it: UTC, so that equal times are equal values.
func instant(sec, nsec int64) time.Time { return time.Unix(sec, nsec).UTC() }
