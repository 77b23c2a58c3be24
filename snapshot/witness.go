package snapshot

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
)

// A Witness is what this host remembers of a vault where the repository alone could not tell: the
// highest fence, since an old lease can be put back, and which findings there were, since
// nothing names them. It lies in the cache: losing it loses this check, and nothing else.
type Witness struct {
	Fence    int64    `json:"fence"`
	Findings []string `json:"findings"` // keys, the newest maxWitnessed
}

const maxWitnessed = 5000

// Witness returns what is remembered of a vault: nothing, if there is no memory of it.
func (c *Cache) Witness(vault string) Witness {
	var w Witness
	if c == nil || c.Dir == "" {
		return w
	}
	b, err := os.ReadFile(filepath.Join(c.Dir, vault, "witness.json"))
	if err != nil || json.Unmarshal(b, &w) != nil {
		return Witness{}
	}
	return w
}

// Remember adds w to what is remembered of a vault. Like all of the cache it is best effort.
func (c *Cache) Remember(vault string, w Witness) {
	if c == nil || c.Dir == "" {
		return
	}
	old := c.Witness(vault)
	w.Fence = max(w.Fence, old.Fence)
	w.Findings = slices.Concat(old.Findings, w.Findings)
	slices.Sort(w.Findings)
	w.Findings = slices.Compact(w.Findings)
	w.Findings = w.Findings[max(0, len(w.Findings)-maxWitnessed):]
	b, err := json.Marshal(w)
	if err == nil {
		c.put(vault, "", "witness.json", b)
	}
}
