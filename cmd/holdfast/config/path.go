package config

import (
	"path/filepath"
	"strings"
)

// A Path names a file or folder. A relative one in the file was taken from the folder that
// the file lies in, so a Path can be opened as it is.
type Path string

func (p *Path) set(text string, at place) error {
	if text == "~" || strings.HasPrefix(text, "~/") {
		return &mistake{"`~` is not expanded here", "write the whole path"}
	}
	if !filepath.IsAbs(text) {
		text = filepath.Join(at.dir, text)
	}
	*p = Path(filepath.Clean(text))
	return nil
}
