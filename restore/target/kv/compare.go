package kv

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"holdfast/snapshot/source/kv"
)

// clockSkew is how far a time of expiry may be off: servers take whole seconds, and clocks differ.
const clockSkew = 5 * time.Second

// differences lists what of got is not as want says, in names and numbers. engine are the settings of the
// mount that got is in, now is the time to judge expiry by.
func differences(want, got *kv.Secret, engine kv.Config, now time.Time) ([]string, error) {
	if want.Metadata == nil {
		if !equalJSON(want.Data, got.Data) {
			return []string{"data"}, nil
		}
		return nil, nil
	}
	w, err := want.State()
	if err != nil {
		return nil, err
	}
	g, err := got.State()
	if err != nil {
		return nil, err
	}
	return compareStates(w, g, engine, now), nil
}

func compareStates(w, g *kv.State, engine kv.Config, now time.Time) []string {
	var list []string
	if w.Current != g.Current {
		list = append(list, fmt.Sprintf("version %d there, %d in the snapshot", g.Current, w.Current))
	}
	here := map[uint64]*kv.VersionState{}
	for i := range g.Versions {
		here[g.Versions[i].Number] = &g.Versions[i]
	}
	var numbers []string
	for i := range w.Versions {
		v := &w.Versions[i]
		if !sameVersion(v, here[v.Number], engine, now) {
			numbers = append(numbers, fmt.Sprint(v.Number))
		}
		delete(here, v.Number)
	}
	for i := range g.Versions { // what is left: pruned in the snapshot, or newer than it
		if v := &g.Versions[i]; here[v.Number] != nil && !v.Destroyed && v.Number <= w.Current {
			numbers = append(numbers, fmt.Sprint(v.Number))
		}
	}
	if len(numbers) > 0 {
		list = append(list, "version "+some(numbers, 20))
	}
	if !w.SameSettings(g) {
		list = append(list, "settings or custom metadata")
	}
	return list
}

func sameVersion(w, g *kv.VersionState, engine kv.Config, now time.Time) bool {
	if g == nil {
		return w.Destroyed // a number that was pruned meanwhile holds as little
	}
	expires := w.Expires()
	switch {
	case w.Destroyed:
		return g.Destroyed
	case g.Destroyed:
		return false
	case !w.Live() || !expires.IsZero() && !expires.After(now):
		return !g.Live()
	case !g.Live():
		return !expires.IsZero() && expires.Before(now.Add(clockSkew)) // its time came between
	}
	return equalJSON(w.Data, g.Data) && sameExpiry(expires, g.Expires(), engine)
}

// sameExpiry compares two times of expiry. A mount that deletes versions after a time gives them one, as
// it does to all that is written to it.
func sameExpiry(w, g time.Time, engine kv.Config) bool {
	if engine.DeleteVersionAfter != 0 {
		return true
	}
	if w.IsZero() || g.IsZero() {
		return w.IsZero() && g.IsZero()
	}
	return w.Sub(g).Abs() <= clockSkew
}

// equalJSON compares two values, numbers by their digits. Servers may differ in how they write a text.
func equalJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errX := parse(a)
	y, errY := parse(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

func parse(raw json.RawMessage) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	return v, dec.Decode(&v)
}

// some joins the first n of names and counts the others.
func some(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:n], ", "), len(names)-n)
}

// describe says what a secret that is missing will come with.
func describe(s *kv.Secret) (string, error) {
	if s.Metadata == nil {
		return "KV v1", nil
	}
	st, err := s.State()
	if err != nil {
		return "", err
	}
	var deleted, destroyed int
	for _, v := range st.Versions {
		switch {
		case v.Destroyed:
			destroyed++
		case !v.Live():
			deleted++
		}
	}
	return fmt.Sprintf("version %d; %d versions, %d deleted, %d destroyed", st.Current, len(st.Versions), deleted, destroyed), nil
}
