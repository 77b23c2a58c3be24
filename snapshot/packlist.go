package snapshot

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"

	"holdfast/snapshot/pack"
)

func digestOf(b []byte) Digest { return sha256.Sum256(b) }

// encodePackList writes the public list of packs: a line each, SHA-256 and stored size, in
// the order of the hashes, which tells nothing of the order of the data.
func encodePackList(packs []pack.Info) []byte {
	sorted := slices.SortedFunc(slices.Values(packs), func(a, b pack.Info) int { return bytes.Compare(a.Sum[:], b.Sum[:]) })
	var b bytes.Buffer
	for _, p := range sorted {
		fmt.Fprintf(&b, "%x %d\n", p.Sum, p.Size)
	}
	return b.Bytes()
}

// DecodePackList reads what encodePackList wrote. key is for the error only.
func DecodePackList(key string, body []byte) ([]pack.Info, error) {
	var list []pack.Info
	s := bufio.NewScanner(bytes.NewReader(body))
	for s.Scan() {
		name, size, ok := bytes.Cut(s.Bytes(), []byte(" "))
		var d Digest
		n, err := strconv.ParseInt(string(size), 10, 64)
		if !ok || err != nil || n <= 0 || d.UnmarshalText(name) != nil {
			return nil, Damaged(key, "line %d is malformed", len(list)+1)
		}
		if k := len(list); k > 0 && bytes.Compare(list[k-1].Sum[:], d[:]) >= 0 {
			return nil, Damaged(key, "line %d is out of order", k+1)
		}
		list = append(list, pack.Info{Sum: pack.Sum(d), Size: n})
	}
	if s.Err() != nil {
		return nil, &Damage{Key: key, Cause: s.Err()}
	}
	return list, nil
}
