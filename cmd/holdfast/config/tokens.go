package config

import (
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// Bounds on a document. The parser's time grows with the square of the keys in one mapping
// and of the depth, so both are bounded before it starts.
const (
	maxTokens = 50_000
	maxDepth  = 32
)

// overgrown tells whether the tokens would take the parser too long: too many of them, or
// nested too deep, by brackets or by dashes on one line.
func overgrown(tokens token.Tokens) (position, bool) {
	flow, dashes, line := 0, 0, 0
	for i, t := range tokens {
		if t.Position.Line != line {
			dashes, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow = max(0, flow-1)
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			dashes++
		}
		if i >= maxTokens || flow > maxDepth || dashes > maxDepth && flow == 0 {
			return tokenPos(t), true
		}
	}
	return position{}, false
}

// rejoin puts words with a colon inside, such as file:key.txt, together again. Between
// brackets the scanner takes that colon for one that ends a key, which in YAML only a colon
// with a space after it does.
func rejoin(tokens token.Tokens) token.Tokens {
	out := make(token.Tokens, 0, len(tokens))
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		if t.Type != token.MappingValueType || len(out) == 0 || i+1 == len(tokens) ||
			!touch(out[len(out)-1], t) || !touch(t, tokens[i+1]) {
			out = append(out, t)
			continue
		}
		i++
		key, value := out[len(out)-1], tokens[i]
		out[len(out)-1] = token.String(key.Value+":"+value.Value, key.Origin+":"+value.Origin, key.Position)
	}
	return out
}

// touch tells whether b follows a without a space, both being colons or words without quotes.
func touch(a, b *token.Token) bool {
	for _, t := range []*token.Token{a, b} {
		if t.Type != token.MappingValueType && (t.CharacterType != token.CharacterTypeMiscellaneous || t.Indicator != token.NotIndicator) {
			return false
		}
	}
	return a.Position.Line == b.Position.Line && a.Position.Column+utf8.RuneCountInString(a.Value) == b.Position.Column
}
