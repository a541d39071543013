package format_test

import (
	"encoding/json"
	"strings"
	"testing"

	"warder/rules/format"
)

var texts = []string{
	`{}`, `[]`, `""`, `0`, `-0.5e+10`, `true`, `false`, `null`, ` { "a" : [ 1 , { "b" : null } ] , "c" : "\u00e4\n" } `,
	`{"a":1,}`, `[1,]`, `{"a"}`, `{1:2}`, `01`, `1.`, `.5`, `-`, `1e`, `+1`, `"\x"`, `"\u12g4"`, "\"a\tb\"", `tru`, `nul`, `truex`, `[1 2]`, `{"a":1]`,
	`]`, `}`, `,`, ``, ` `, `{"a":{"a":{"a":{"a":{"a":[[[[]]]]}}}}}`, `[[],[],{}]`, `"\`, `"\u12`, "\xff", "\"\xff\"", `{"":""}`, `1 2`, `{} {}`,
}

func FuzzJSON(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if strings.Count(string(b), "[")+strings.Count(string(b), "{") > 256 {
			t.Skip("deeper than we follow")
		}
		var last format.Token
		from := 0
		tokens := format.Tokenize(b)
		for last = tokens.Next(); last > format.End; last = tokens.Next() {
			if tokens.From < from || tokens.To < tokens.From || tokens.To > len(b) {
				t.Fatalf("%q: token %d from %d to %d", b, last, tokens.From, tokens.To)
			}
			from = tokens.To
			if last == format.Name || last == format.StringValue {
				if quoted := b[tokens.From-1 : tokens.To+1]; !json.Valid(quoted) {
					t.Errorf("%q: %q is no string", b, quoted)
				}
			}
		}
		if valid := json.Valid(b); valid != (last == format.End) {
			t.Errorf("%q: encoding/json says %v, we end with %d", b, valid, last)
		}
	})
}

// Whatever is cut off a valid text must be Short, not Bad: that is how long
// texts are judged by their beginning.
func TestCutTextIsShort(t *testing.T) {
	for _, text := range texts {
		if !json.Valid([]byte(text)) {
			continue
		}
		for i := range len(text) {
			if json.Valid([]byte(text[:i])) {
				continue
			}
			tokens := format.Tokenize([]byte(text[:i]))
			last := tokens.Next()
			for last > format.End {
				last = tokens.Next()
			}
			if last != format.Short {
				t.Errorf("%q ends with %d", text[:i], last)
			}
		}
	}
}

func TestDepthIsBounded(t *testing.T) {
	deep := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	if k := format.Classify(deep(256)); k.Class != format.JSON {
		t.Errorf("256 levels are %s", k.Class)
	}
	if k := format.Classify(deep(257)); k.Class != format.Text {
		t.Errorf("257 levels are %s", k.Class)
	}
}
