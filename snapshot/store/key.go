package store

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// CheckKey checks that key is one: slash-separated, without empty, "." and ".." elements.
func CheckKey(key string) error {
	if !fs.ValidPath(key) || key == "." || strings.ContainsRune(key, 0) {
		return fmt.Errorf("%q is not a key", key)
	}
	return nil
}

// CheckPrefix tells whether any key could begin with prefix. Servers answer differently
// when asked for what cannot be there, so stores do not ask.
func CheckPrefix(prefix string) bool {
	folder, _ := path.Split(prefix)
	return folder == "" || CheckKey(strings.TrimSuffix(folder, "/")) == nil
}
