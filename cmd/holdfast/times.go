package main

import (
	"fmt"
	"time"

	"holdfast/cmd/holdfast/config"
)

// parseTime reads a time or an age before now. The empty text is the zero time.
func parseTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if d, err := config.ParseDuration(text); err == nil {
		return now.Add(-d.Std()), nil
	}
	return time.Time{}, fmt.Errorf("%q is neither a time (2026-11-22T02:00:00Z, 2026-11-22; UTC unless it says otherwise) nor an age (36h, 7d)", text)
}
