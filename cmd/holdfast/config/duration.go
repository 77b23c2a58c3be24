package config

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A Duration is a length of time such as 30s, 90m, 26h, 7d, 2w or 1d12h. A day is 24 hours;
// months and years are calendar matters and belong to retention.
type Duration time.Duration

// Std is d as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// DurationPattern is the form of a Duration, for the schema.
const DurationPattern = `^(0|([0-9]+(\.[0-9]+)?(ms|s|m|h|d|w))+)$`

var (
	durationForm = regexp.MustCompile(DurationPattern)
	durationPart = regexp.MustCompile(`([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w)`)
	onlyDigits   = regexp.MustCompile(`^[0-9]+$`)
	calendarUnit = regexp.MustCompile(`(?i)[0-9] *(mo|mon|months?|y|yrs?|years?)$`)
)

var durationUnits = []struct {
	name string
	size time.Duration
}{
	{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour},
	{"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond},
}

// ParseDuration reads a Duration. It is never negative.
func ParseDuration(s string) (Duration, error) {
	switch {
	case durationForm.MatchString(s):
	case onlyDigits.MatchString(s):
		return 0, &mistake{quote(s) + " has no unit", "say " + s + "s, " + s + "m, " + s + "h or " + s + "d"}
	case calendarUnit.MatchString(s) || strings.HasSuffix(s, "M"):
		return 0, &mistake{quote(s) + " is not a duration: months and years differ in length", "write it in days or weeks; m means minutes"}
	default:
		return 0, &mistake{quote(s) + " is not a duration", "such as 30s, 90m, 26h, 7d, 2w or 1d12h"}
	}
	var sum float64
	for _, part := range durationPart.FindAllStringSubmatch(s, -1) {
		n, err := strconv.ParseFloat(part[1], 64)
		if err != nil {
			return 0, &mistake{quote(s) + " is not a duration", ""}
		}
		for _, u := range durationUnits {
			if u.name == part[2] {
				sum += n * float64(u.size)
			}
		}
	}
	if sum >= math.MaxInt64 {
		return 0, &mistake{quote(s) + " is longer than 292 years", ""}
	}
	return Duration(math.Round(sum)), nil
}

// String writes d so that ParseDuration reads it back, to the millisecond.
func (d Duration) String() string {
	var b strings.Builder
	rest := time.Duration(d)
	for _, u := range durationUnits {
		if n := rest / u.size; n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10) + u.name)
			rest -= n * u.size
		}
	}
	if b.Len() == 0 {
		return "0"
	}
	return b.String()
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d *Duration) set(text string, _ place) (err error) {
	*d, err = ParseDuration(text)
	return err
}
