package restore

import (
	"context"
	"time"
)

// A Rehearsal restores a dump into a place made for nothing else, looks at it there as its
// users would, and destroys the place whatever happens. It is what a drill runs.
type Rehearsal interface {
	// Rehearse tells log of each phase as it ends and of each check it made. A check that
	// fails is told and is no error; an error is what kept the rehearsal from its end, with the
	// place destroyed all the same.
	Rehearse(ctx context.Context, d Dump, log *DrillLog) (Loaded, error)
}

// A DrillLog is what a rehearsal tells. It is for one goroutine.
type DrillLog struct {
	Phases []Phase  `json:"phases"`
	Checks []Check  `json:"checks"`
	Limits []string `json:"limits,omitempty"` // what the rehearsal cannot show here, and why
	// Began, if set, hears of each phase as it begins, for progress.
	Began func(phase string) `json:"-"`
}

// A Phase is one timed part of a rehearsal.
type Phase struct {
	Name    string    `json:"name"`
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Detail  string    `json:"detail,omitempty"`
	Error   string    `json:"error,omitempty"`
}

// A Check is one thing that was looked at in the restored place.
type Check struct {
	Name   string `json:"name"`
	Good   bool   `json:"good"`
	Detail string `json:"detail,omitempty"` // what was wanted and seen; never a secret
}

// Phase runs f as the phase called name. Its detail, if any, is what f returns.
func (l *DrillLog) Phase(name string, f func() (detail string, err error)) error {
	if l.Began != nil {
		l.Began(name)
	}
	p := Phase{Name: name, Started: time.Now().UTC()}
	detail, err := f()
	p.Seconds, p.Detail = time.Since(p.Started).Seconds(), detail
	if err != nil {
		p.Error = err.Error()
	}
	l.Phases = append(l.Phases, p)
	return err
}

// Check tells of one check.
func (l *DrillLog) Check(name string, good bool, detail string) {
	l.Checks = append(l.Checks, Check{Name: name, Good: good, Detail: detail})
}

// Limit tells what cannot be shown here.
func (l *DrillLog) Limit(text string) { l.Limits = append(l.Limits, text) }

// Good reports whether every check was good and no phase ended in an error.
func (l *DrillLog) Good() bool {
	for _, p := range l.Phases {
		if p.Error != "" {
			return false
		}
	}
	for _, c := range l.Checks {
		if !c.Good {
			return false
		}
	}
	return true
}
