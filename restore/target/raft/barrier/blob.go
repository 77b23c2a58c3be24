package barrier

import (
	"bytes"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// multiHeader begins a value that was encrypted by several seals; four bytes of length follow, and a
// message of which each field 2 is a blob. Without it a value is one blob.
var multiHeader = []byte("multiwrapvalue:1")

// blobs returns what a value encrypted by the seal has as ciphertext: of each blob its field 1.
func blobs(value []byte) ([][]byte, error) {
	list := [][]byte{value}
	if rest, ok := bytes.CutPrefix(value, multiHeader); ok {
		if len(rest) < 4 {
			return nil, errors.New("it ends within its header")
		}
		var err error
		if list, err = field(rest[4:], 2); err != nil {
			return nil, err
		}
	}
	var ciphertexts [][]byte
	for _, blob := range list {
		c, err := field(blob, 1)
		if err != nil {
			return nil, err
		}
		ciphertexts = append(ciphertexts, c...)
	}
	if len(ciphertexts) == 0 {
		return nil, errors.New("it has no ciphertext")
	}
	return ciphertexts, nil
}

// field returns every value that message has of a field of bytes.
func field(message []byte, number protowire.Number) ([][]byte, error) {
	var list [][]byte
	err := fields(message, func(f wireField) error {
		if f.number == number && f.bytes != nil {
			list = append(list, f.bytes)
		}
		return nil
	})
	return list, err
}

// A wireField is one field of a protobuf message: bytes if it has any, which is also a string or a
// message, else a varint. Fields of other kinds have neither.
type wireField struct {
	number protowire.Number
	bytes  []byte // not nil for a field of bytes, even an empty one
	varint uint64
}

// fields calls f for every field of message, in order.
func fields(message []byte, f func(wireField) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return fmt.Errorf("reading a field's tag: %w", protowire.ParseError(n))
		}
		message = message[n:]
		w := wireField{number: number}
		switch kind {
		case protowire.BytesType:
			w.bytes, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			w.varint, n = protowire.ConsumeVarint(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return fmt.Errorf("reading field %d: %w", number, protowire.ParseError(n))
		}
		if err := f(w); err != nil {
			return err
		}
		message = message[n:]
	}
	return nil
}
