//go:build !unix

package sqlite

import "os"

// readable reports why this process may not read path, or nil.
func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}
