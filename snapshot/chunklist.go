package snapshot

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"holdfast/snapshot/pack"
)

// A chunkList is written as [[pack, offset, length, plain, "id"], ...]: one short array a
// chunk, since a large vault has millions of them.
type chunkList []pack.Ref

// MarshalJSON implements json.Marshaler.
func (l chunkList) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 2+len(l)*80)
	b = append(b, '[')
	for i, r := range l {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "[%d,%d,%d,%d,\"", r.Pack, r.Offset, r.Length, r.Plain)
		b = base64.StdEncoding.AppendEncode(b, r.ID[:])
		b = append(b, '"', ']')
	}
	return append(b, ']'), nil
}

// UnmarshalJSON implements json.Unmarshaler. Lists as MarshalJSON writes them, which every run reads
// by the million, are scanned by hand: that takes less than half the time and makes no garbage.
func (l *chunkList) UnmarshalJSON(b []byte) error {
	if list, ok := scanChunks(b); ok {
		*l = list
		return nil
	}
	return l.decode(b)
}

// scanChunks reads a list without a space in it; ok is false for anything else, right or wrong.
func scanChunks(b []byte) (list chunkList, ok bool) {
	if len(b) < 2 || b[0] != '[' || b[len(b)-1] != ']' {
		return nil, false
	}
	// Lists can be hostile: the room made for one is bounded by its length.
	list = make(chunkList, 0, min(bytes.Count(b, []byte{'['})-1, len(b)/len(shortestRow)))
	for b = b[1:]; len(b) > 1; {
		r, rest, ok := scanChunk(b)
		if !ok || len(rest) == 0 {
			return nil, false
		}
		list, b = append(list, r), rest
		if len(b) > 1 {
			if b[0] != ',' || b[1] != '[' {
				return nil, false
			}
			b = b[1:]
		}
	}
	return list, true
}

const (
	encodedID   = 24 // base64 of a pack.ID
	shortestRow = `[0,0,0,0,"0123456789abcdef01234567"]`
)

// scanChunk reads one row and returns what follows it.
func scanChunk(b []byte) (r pack.Ref, rest []byte, ok bool) {
	if len(b) < len(shortestRow) || b[0] != '[' {
		return r, nil, false
	}
	b = b[1:]
	for _, n := range []*uint32{&r.Pack, &r.Offset, &r.Length, &r.Plain} {
		if *n, b, ok = scanNumber(b); !ok {
			return r, nil, false
		}
	}
	if len(b) < encodedID+3 || b[0] != '"' || b[encodedID+1] != '"' || b[encodedID+2] != ']' {
		return r, nil, false
	}
	var id [encodedID / 4 * 3]byte
	if n, err := base64.StdEncoding.Decode(id[:], b[1:encodedID+1]); err != nil || n != len(r.ID) {
		return r, nil, false
	}
	copy(r.ID[:], id[:])
	return r, b[encodedID+3:], true
}

// scanNumber reads a number and the comma after it.
func scanNumber(b []byte) (n uint32, rest []byte, ok bool) {
	for i, c := range b {
		if c == ',' && i > 0 {
			return n, b[i+1:], true
		}
		digit := uint32(c - '0')
		if c < '0' || c > '9' || i > 0 && n == 0 || n > (1<<32-1-digit)/10 {
			return 0, nil, false
		}
		n = n*10 + digit
	}
	return 0, nil, false
}

// decode reads any JSON that says the same. It takes one row at a time, so that a list costs no
// more memory than its refs.
func (l *chunkList) decode(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if _, err := d.Token(); err != nil {
		return err
	}
	*l = nil
	for d.More() {
		var r pack.Ref
		var id []byte
		row := [...]any{&r.Pack, &r.Offset, &r.Length, &r.Plain, &id}
		cells := row[:]
		if err := d.Decode(&cells); err != nil {
			return fmt.Errorf("chunk %d: %w", len(*l), err)
		}
		if len(cells) != len(row) || len(id) != len(r.ID) {
			return fmt.Errorf("chunk %d is malformed", len(*l))
		}
		copy(r.ID[:], id)
		*l = append(*l, r)
	}
	_, err := d.Token()
	return err
}
