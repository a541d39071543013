package builtin

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

var nullTexts = map[string]bool{
	`{}`: true, `[]`: true, ` { } `: true, "[\n]\t": true,
	`{"a":null}`: true, `{"a": null , "b":{"c":[null,{}]}}`: true, `[null,null]`: true, `[[[]]]`: true,
	`{"é\u00e9\"\\\/\b":null}`: true, `{"":null,"":null}`: true,
	`null`: false, ``: false, ` `: false, `{"a":0}`: false, `{"a":""}`: false, `{"a":false,"b":null}`: false,
	`{"a":null,"b":1}`: false, `{"a":null}x`: false, `{"a":null`: false, `{"a":null,}`: false, `[null,]`: false,
	`[,null]`: false, `{null}`: false, `{"a"}`: false, `{"a":nul}`: false, `{"a":nulll}`: false, `{"a":null]`: false,
	`{"a\u00g0":null}`: false, `{"a\x":null}`: false, "{\"a\n\":null}": false, `}`: false, `{"a":null}}`: false, `{"a":null}{}`: false,
	"{\"\\u\x10000\":null}": false, `{"\u00Ff":null}`: true, `{"\u`: false, `{"\`: false, `{"a":NULL}`: false, `{"\u004":null}`: false,
}

func TestNullJSON(t *testing.T) {
	for text, want := range nullTexts {
		if got := nullJSON([]byte(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
		if want != allLeavesNull([]byte(text)) {
			t.Errorf("%s: the oracle disagrees", text)
		}
	}
}

func TestNullJSONIsBounded(t *testing.T) {
	nested := func(depth int) []byte {
		return []byte(strings.Repeat(`{"a":`, depth) + "null" + strings.Repeat("}", depth))
	}
	if !nullJSON(nested(nullJSONDepth)) || nullJSON(nested(nullJSONDepth+1)) {
		t.Error("depth")
	}
	long := []byte(`[` + strings.Repeat("null,", nullJSONBytes/5-1) + "null]")
	if !nullJSON(long) || nullJSON(append([]byte("      "), long...)) {
		t.Error("length", len(long))
	}
}

// allLeavesNull is nullJSON by encoding/json, without its bounds.
func allLeavesNull(text []byte) bool {
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); !json.Valid(text) || trimmed[0] != '{' && trimmed[0] != '[' {
		return false
	}
	return leavesNull(json.NewDecoder(bytes.NewReader(text)))
}

func leavesNull(d *json.Decoder) bool {
	begin, err := d.Token()
	if err != nil {
		return false
	}
	level, ok := begin.(json.Delim)
	if !ok {
		return begin == nil
	}
	for d.More() {
		if level == '{' {
			if _, err := d.Token(); err != nil { // the name
				return false
			}
		}
		if !leavesNull(d) {
			return false
		}
	}
	_, err = d.Token()
	return err == nil
}

func FuzzNullJSON(f *testing.F) {
	for text := range nullTexts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, want := nullJSON(text), allLeavesNull(text)
		if want && !got && (len(text) > nullJSONBytes || depthOf(text) > nullJSONDepth) {
			return
		}
		if got != want {
			t.Errorf("%q: %v, by encoding/json %v", text, got, want)
		}
	})
}

func depthOf(text []byte) (deepest int) {
	d, depth := json.NewDecoder(bytes.NewReader(text)), 0
	for {
		token, err := d.Token()
		if err != nil {
			return deepest
		}
		if level, ok := token.(json.Delim); ok {
			if level == '{' || level == '[' {
				depth++
			} else {
				depth--
			}
			deepest = max(deepest, depth)
		}
	}
}

func BenchmarkNullJSON(b *testing.B) {
	for name, text := range map[string]string{
		"record":      `{"id":4711,"name":"user 4711","address":{"street":"Main","city":"Graz"},"active":true,"note":"aaaa"}`,
		"ends-null":   `{"id":4711,"name":"user 4711","address":{"street":"Main","city":"Graz"},"active":true,"note":null}`,
		"nulls":       `{"id":null,"name":null,"address":{"street":null,"city":null},"active":null,"note":null}`,
		"array":       `[{"id":1},{"id":2}]`,
		"first-nulls": `{"id":null,"name":null,"address":{"street":null,"city":null},"active":null,"note":1,"x":null}`,
	} {
		value := []byte(text)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				nullJSON(value)
			}
		})
	}
}
