package builtin

import (
	"strings"
	"testing"
)

func TestEmptyKinds(t *testing.T) {
	uuid := strings.Repeat("\x11", 16)
	for value, want := range map[string]emptyKind{
		"": zeroBytes, "null": nullText, "\n null\t": nullText, `""`: emptyText, ` ""`: emptyText,
		"{}": emptyObject, " {} ": emptyObject, "{ }": onlyNulls, "[]": emptyArray, "[]\n": emptyArray, `{"a":null}`: onlyNulls, " {\"a\":{}}\r\n": onlyNulls,
		"\x00\x00\x00\x00\x07": confluentFrame, "\x00\x00\x00\x00\x07\x00": maybeNull,
		"\x03\x00" + uuid: glueFrame, "\x03\x05" + uuid: glueFrame,
		"\x03\x05" + uuid + "\x78\x9c\x03\x00\x00\x00\x00\x01": glueFrame, "\x03\x05" + uuid + "\x78\x01\x03\x00\x00\x00\x00\x01": glueFrame,
		"\x00\x00\x00\x00\x07{}": maybeEmptyJSON, "\x00\x00\x00\x00\x07null": maybeEmptyJSON, "\x00\x00\x00\x00\x07[null]": maybeEmptyJSON,
		"\x00\x00\x00\x00\x07{\"a\":null}": onlyNulls,

		" ": notEmpty, "nul": notEmpty, "nulls": notEmpty, "null null": notEmpty, `"null"`: notEmpty, `"`: notEmpty, `" "`: notEmpty,
		"NULL": notEmpty, "0": notEmpty, "{}{}": notEmpty, `{"a":0}`: notEmpty, "false": notEmpty, "-": notEmpty,
		"\x00": notEmpty, "\x00\x00\x00\x00": notEmpty, "\x00\x00\x00\x00\x07\x02": notEmpty, "\x00\x00\x00\x00\x07\x00\x00": notEmpty,
		"\x03": notEmpty, "\x03\x01" + uuid: notEmpty, "\x03\x00" + uuid + "a": notEmpty,
		"\x03\x00" + uuid + "\x78\x9c\x03\x00\x00\x00\x00\x01": notEmpty, "\x03\x05" + uuid + "\x78\x9c\x4b\x04\x00\x00\x62\x00\x62": notEmpty,
		"\x00\x00\x00\x00\x07{\"a\":0}": notEmpty, "\x00\x00\x00\x00\x07\x00{}": notEmpty, "\x00\x00\x00\x00\x07\"a\"": notEmpty,
		"\x01\x00\x00\x00\x07": notEmpty,
	} {
		if got := emptyKindOf([]byte(value)); got != want {
			t.Errorf("%q: %q, want %q", value, emptyWords[got].name, emptyWords[want].name)
		}
	}
}

// BenchmarkEmptyKind is the cost of values as they are; the figure to watch is
// that of the records.
func BenchmarkEmptyKind(b *testing.B) {
	for name, value := range map[string]string{
		"json":         `{"id":4711,"name":"user 4711","address":{"street":"Main","city":"Graz"},"active":true,"note":"aaaa"}`,
		"json-in-avro": "\x00\x00\x00\x00\x07\x02\x0eaaaaaaa\x0ebbbbbbb",
		"text":         "some text that is a value",
		"quoted":       `"some text that is a value"`,
		"null-at-end":  `{"id":4711,"name":"user 4711","address":{"street":"Main","city":"Graz"},"active":true,"note":null}`,
		"only-nulls":   `{"id":null,"name":null,"address":{"street":null,"city":null},"active":null,"note":null}`,
	} {
		text := []byte(value)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				emptyKindOf(text)
			}
		})
	}
}
