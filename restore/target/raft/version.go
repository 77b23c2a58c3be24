package raft

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"holdfast/snapshot/source/raft"
	"holdfast/snapshot/source/vaultapi"
)

// versionProblem refuses a target that is older than the server of the snapshot: it would meet what later
// versions wrote. Versions of different products say nothing of each other.
func versionProblem(st vaultapi.Status, f raft.Facts) error {
	if f.Version == "" || st.Version == "" || f.Product != st.Product {
		return nil
	}
	if older(st.Version, f.Version) {
		return fmt.Errorf("%w: it is %s %s, and the snapshot is of %s", ErrDowngrade, st.Product, st.Version, f.Version)
	}
	return nil
}

// older compares the numbers of two versions. A pre-release counts as its release; "+ent" and
// the like do not count.
func older(a, b string) bool {
	x, y := numbers(a), numbers(b)
	for i := range x {
		if c := cmp.Compare(x[i], y[i]); c != 0 {
			return c < 0
		}
	}
	return false
}

func numbers(version string) (n [3]int) {
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "v"), "+")
	version, _, _ = strings.Cut(version, "-")
	for i, part := range strings.SplitN(version, ".", len(n)) {
		n[i], _ = strconv.Atoi(part) // what is no number counts as 0
	}
	return n
}
