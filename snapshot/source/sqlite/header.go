package sqlite

import (
	"encoding/binary"
	"fmt"
)

// A header is what the first 100 bytes of a database say.
type header struct {
	pageSize   int
	usable     int // page size less the bytes reserved at each page's end
	pages      uint32
	trunk      uint32 // first page of the free list
	free       uint32 // pages in the free list
	largest    uint32 // largest root page; 0 unless auto_vacuum is on
	increment  uint32
	encoding   uint32
	user, app  int32
	sizeIsGood bool // pages was written by the last writer
}

const headerSize = 100

var encodings = [...]string{1: "UTF-8", 2: "UTF-16le", 3: "UTF-16be"}

// parseHeader reads the database header at the start of page 1.
func parseHeader(b []byte) (header, error) {
	if len(b) < headerSize || string(b[:16]) != "SQLite format 3\x00" {
		return header{}, fmt.Errorf("page 1 does not begin as a SQLite 3 database does")
	}
	be := binary.BigEndian
	h := header{
		pageSize:  int(be.Uint16(b[16:])),
		pages:     be.Uint32(b[28:]),
		trunk:     be.Uint32(b[32:]),
		free:      be.Uint32(b[36:]),
		largest:   be.Uint32(b[52:]),
		encoding:  be.Uint32(b[56:]),
		user:      int32(be.Uint32(b[60:])),
		increment: be.Uint32(b[64:]),
		app:       int32(be.Uint32(b[68:])),
	}
	h.sizeIsGood = h.pages > 0 && be.Uint32(b[24:]) == be.Uint32(b[92:])
	if h.pageSize == 1 {
		h.pageSize = 65536
	}
	if h.pageSize < 512 || h.pageSize&(h.pageSize-1) != 0 {
		return header{}, fmt.Errorf("page size %d is none of SQLite's", h.pageSize)
	}
	if h.usable = h.pageSize - int(b[20]); h.usable < 480 {
		return header{}, fmt.Errorf("%d bytes of each %d-byte page are reserved, too many", b[20], h.pageSize)
	}
	if b[18] > 2 || b[19] > 2 || b[18] == 0 || b[19] == 0 {
		return header{}, fmt.Errorf("file format %d/%d is unknown", b[18], b[19])
	}
	if b[21] != 64 || b[22] != 32 || b[23] != 32 {
		return header{}, fmt.Errorf("payload fractions %d, %d, %d instead of 64, 32, 32", b[21], b[22], b[23])
	}
	if h.encoding < 1 || h.encoding > 3 {
		return header{}, fmt.Errorf("text encoding %d is unknown", h.encoding)
	}
	return h, nil
}

// matches compares the header with facts.
func (h *header) matches(f *Facts) error {
	vacuum := 0
	if h.largest != 0 {
		vacuum = 1
		if h.increment != 0 {
			vacuum = 2
		}
	}
	switch {
	case h.pageSize != f.PageSize:
		return fmt.Errorf("header has page size %d instead of %d", h.pageSize, f.PageSize)
	case h.sizeIsGood && int64(h.pages) != f.Pages:
		return fmt.Errorf("header counts %d pages instead of %d", h.pages, f.Pages)
	case encodings[h.encoding] != f.Encoding:
		return fmt.Errorf("header has encoding %s instead of %s", encodings[h.encoding], f.Encoding)
	case vacuum != f.AutoVacuum:
		return fmt.Errorf("header has auto_vacuum %d instead of %d", vacuum, f.AutoVacuum)
	case int64(h.user) != f.UserVersion || int64(h.app) != f.ApplicationID:
		return fmt.Errorf("header has user_version %d and application_id %d instead of %d and %d", h.user, h.app, f.UserVersion, f.ApplicationID)
	}
	return nil
}
