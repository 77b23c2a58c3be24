// Package statetest writes state.bin files for tests.
package statetest

import (
	"google.golang.org/protobuf/encoding/protowire"

	"holdfast/snapshot/source/raft/state"
)

// Append appends e to b as a server would write it.
func Append(b []byte, e state.Entry) []byte {
	var m []byte
	m = protowire.AppendTag(m, 1, protowire.BytesType)
	m = protowire.AppendString(m, e.Key)
	if len(e.Value) > 0 {
		m = protowire.AppendTag(m, 2, protowire.BytesType)
		m = protowire.AppendBytes(m, e.Value)
	}
	if e.SealWrap {
		m = protowire.AppendTag(m, 3, protowire.VarintType)
		m = protowire.AppendVarint(m, 1)
	}
	return protowire.AppendBytes(b, m)
}
