package script

import "slices"

// Number gives the entries of both scripts the numbers 1, 2, 3 and so on in their order. What an entry
// needs or is a part of and is in neither script, or comes after it, is forgotten.
func Number(pre, post *Script) {
	ids := map[int]int{}
	both(pre, post, func(e *Entry) { ids[e.ID] = len(ids) + 1 })
	both(pre, post, func(e *Entry) {
		e.ID, e.Of = ids[e.ID], ids[e.Of]
		var needs []int
		for _, id := range e.Needs {
			if n := ids[id]; n > 0 && n < e.ID {
				needs = append(needs, n)
			}
		}
		slices.Sort(needs)
		e.Needs = slices.Compact(needs)
	})
}

func both(pre, post *Script, do func(*Entry)) {
	for _, s := range []*Script{pre, post} {
		for i := range s.Entries {
			do(&s.Entries[i])
		}
	}
}
