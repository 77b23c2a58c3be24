package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cronFields are the five fields of a schedule, in order.
var cronFields = []struct {
	name     string
	min, max int
	words    string
}{
	{"minute", 0, 59, ""},
	{"hour", 0, 23, ""},
	{"day of month", 1, 31, ""},
	{"month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"},
	{"weekday", 0, 6, "sun mon tue wed thu fri sat"},
}

var cronNames = []string{"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually", "@every"}

// cronMistake checks the form of a schedule; whether it ever comes due is for the scheduler.
func cronMistake(s string) *mistake {
	const hint = "minute hour day month weekday, such as \"0 2 * * *\", or @daily"
	fields := strings.Fields(s)
	switch {
	case strings.HasPrefix(s, "TZ=") || strings.HasPrefix(s, "CRON_TZ="):
		return &mistake{"a schedule has no time zone in it", "use the key `timezone`"}
	case strings.HasPrefix(s, "@every"):
		return everyMistake(strings.TrimSpace(strings.TrimPrefix(s, "@every")))
	case strings.HasPrefix(s, "@"):
		if slices.Contains(cronNames, s) {
			return nil
		}
		return &mistake{quote(s) + " is not a schedule", didYouMean(s, cronNames)}
	case len(fields) != len(cronFields):
		return &mistake{"a schedule has 5 fields, this has " + strconv.Itoa(len(fields)), hint}
	}
	for i, f := range cronFields {
		for part := range strings.SplitSeq(fields[i], ",") {
			if !cronPart(part, f.min, f.max, strings.Fields(f.words)) {
				return &mistake{"the " + f.name + " " + quote(fields[i]) + " is not between " + strconv.Itoa(f.min) + " and " + strconv.Itoa(f.max), hint}
			}
		}
	}
	return nil
}

// everyMistake checks the interval of @every, which the scheduler's parser would round up
// to a second without a word.
func everyMistake(s string) *mistake {
	d, err := time.ParseDuration(s)
	if err != nil {
		return &mistake{"@every wants a duration", "such as @every 6h or @every 90m"}
	}
	if d < time.Minute {
		return &mistake{"@every wants a minute or more", ""}
	}
	return nil
}

var cronForm = regexp.MustCompile(`^(\*|\?|([0-9A-Za-z]+)(-([0-9A-Za-z]+))?)(/([0-9]+))?$`)

// cronPart checks one part of a field: *, n, n-m, each with an optional /step.
func cronPart(part string, least, most int, words []string) bool {
	m := cronForm.FindStringSubmatch(part)
	if m == nil {
		return false
	}
	if m[6] != "" {
		if step, err := strconv.Atoi(m[6]); err != nil || step < 1 || step > most+1 {
			return false
		}
	}
	low, ok := cronNumber(m[2], least, least, words)
	high, ok2 := cronNumber(m[4], most, least, words)
	if m[2] != "" && m[4] == "" {
		high = low
	}
	return ok && ok2 && least <= low && low <= high && high <= most
}

// cronNumber reads a number or one of words, which count from first; nothing means def.
func cronNumber(s string, def, first int, words []string) (int, bool) {
	if s == "" {
		return def, true
	}
	for i, w := range words {
		if strings.EqualFold(s, w) {
			return i + first, true
		}
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
