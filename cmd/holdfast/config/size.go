package config

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// A Size is a number of bytes, written like 200MiB (powers of 1024) or 200MB (of 1000).
type Size int64

// A Rate is a number of bytes a second, written like 20MiB/s.
type Rate int64

// The forms of a Size and a Rate, for the schema.
const (
	SizePattern = `^[0-9]+(\.[0-9]+)?(B|kB|KiB|MB|MiB|GB|GiB|TB|TiB)$`
	RatePattern = `^[0-9]+(\.[0-9]+)?(B|kB|KiB|MB|MiB|GB|GiB|TB|TiB)(/s)?$`
)

var sizeForm = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)(B|kB|KiB|MB|MiB|GB|GiB|TB|TiB)$`)

var sizeUnits = []struct {
	name string
	size float64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1},
}

// ParseSize reads a Size.
func ParseSize(s string) (Size, error) {
	m := sizeForm.FindStringSubmatch(s)
	if m == nil {
		return 0, &mistake{quote(s) + " is not a size", "a number and B, KiB, MiB, GiB, kB, MB or GB, such as 200MiB"}
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, &mistake{quote(s) + " is not a size", ""}
	}
	for _, u := range sizeUnits {
		if u.name == m[2] {
			n *= u.size
		}
	}
	if n >= math.MaxInt64 {
		return 0, &mistake{quote(s) + " is too large", ""}
	}
	return Size(math.Round(n)), nil
}

// String writes s in the largest unit that holds it exactly, so that ParseSize reads it back.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if n := int64(u.size); s > 0 && int64(s)%n == 0 {
			return strconv.FormatInt(int64(s)/n, 10) + u.name
		}
	}
	return "0B"
}

// String writes r so that it reads back.
func (r Rate) String() string { return Size(r).String() + "/s" }

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalText implements encoding.TextMarshaler.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

func (s *Size) set(text string, _ place) (err error) {
	*s, err = ParseSize(text)
	return err
}

func (r *Rate) set(text string, _ place) error {
	s, err := ParseSize(strings.TrimSuffix(text, "/s"))
	*r = Rate(s)
	return err
}
