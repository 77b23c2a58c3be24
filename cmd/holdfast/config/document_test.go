package config

import (
	"fmt"
	"strings"
	"testing"
)

// What the parser gets wrong or leaves open between brackets, as YAML has it.
func TestWordsWithColonsInsideBracketsAreWords(t *testing.T) {
	for in, want := range map[string]string{
		"a: [file:r.txt, x]":         "{a: [file:r.txt, x]}",
		"a: {b: [file:r.txt, x]}":    "{a: {b: [file:r.txt, x]}}",
		"a: {b: [x, env:N]}":         "{a: {b: [x, env:N]}}",
		"a: {b: [a:b:c, d]}":         "{a: {b: [a:b:c, d]}}",
		"a: {b: [file:10, e:true]}":  "{a: {b: [file:10, e:true]}}",
		"a: {b: [file:my file.t]}":   "{a: {b: [file:my file.t]}}",
		"a: {b: env:N, c: d:e}":      "{a: {b: env:N, c: d:e}}",
		"a: {b: [{c: d}, {e: f:g}]}": "{a: {b: [{c: d}, {e: f:g}]}}",
		"a: {b: [s3://x:1/y, z]}":    "{a: {b: [s3://x:1/y, z]}}",
		"a: {\"b\":c, 'd':e}":        "{a: {b: c, d: e}}",
		"a: {b: \"c:d\"}":            "{a: {b: c:d}}",
		"a: {é: [ö:ü, x]}":           "{a: {é: [ö:ü, x]}}",
		"a: {b: [~, 1, 1.5, true]}":  "{a: {b: [~, 1, 1.5, true]}}",
	} {
		root, errs := readDocument("x", []byte(in+"\n"))
		if errs != nil {
			t.Errorf("%s: %v", in, errs)
		} else if got := draw(root); got != want {
			t.Errorf("%s reads as %s, want %s", in, got, want)
		}
	}
}

func draw(n *node) string {
	var parts []string
	switch n.kind {
	case mapNode:
		for _, e := range n.entries {
			parts = append(parts, e.key+": "+draw(e.value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case listNode:
		for _, i := range n.items {
			parts = append(parts, draw(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case nullNode:
		return "~"
	}
	return fmt.Sprint(n.text)
}
