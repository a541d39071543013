package format_test

import (
	"testing"

	"warder/rules/format"
)

func TestHeaderClass(t *testing.T) {
	for media, want := range map[string]format.Class{
		"application/avro":                  format.Avro,
		"avro/binary":                       format.Avro,
		`"application/vnd.apache.avro"`:     format.Avro,
		"application/cloudevents+AVRO":      format.Avro,
		"application/x-protobuf; proto=a.B": format.Protobuf,
	} {
		if c, ok := format.HeaderClass([]byte(media)); !ok || c != want {
			t.Errorf("%s: %s, %v", media, c, ok)
		}
	}
	for _, media := range []string{"", "application/json", "avro", "application/vnd.apache.avro+json", "text/plain;format=avro"} {
		if c, ok := format.HeaderClass([]byte(media)); ok && media != "avro" {
			t.Errorf("%s: %s", media, c)
		}
	}
}

func TestHeadersAreBelievedAfterBytes(t *testing.T) {
	for _, c := range []struct {
		bytes string
		says  format.Class
		want  format.Class
	}{
		{"\x0eAda Lovelace", format.Avro, format.Avro},
		{"\x9d\x17\xf4\x80\xc2\x5e\x0b\xa3\x91", format.Avro, format.Avro},
		{"\x00\x00\x10\x92", format.Avro, format.Avro},
		{`{"id":1}`, format.Avro, format.JSON},
		{"\x00\x00\x00\x00\x07\x02\x0eAda", format.Avro, format.Confluent},
		{"\x9d\x17\xf4\x80\xc2\x5e\x0b\xa3\x91", format.Protobuf, format.Binary},
		{"\x08\x96\x01\x12\x03Ada", format.Protobuf, format.Protobuf},
		{`{"id":1}`, format.ConfluentHeader, format.ConfluentHeader},
		{"\x02\x0eAda", format.ConfluentHeader, format.ConfluentHeader},
		{"\x00\x00\x00\x00\x07\x02\x0eAda", format.ConfluentHeader, format.Confluent},
	} {
		if k := format.Classify([]byte(c.bytes)).Says(c.says); k.Class != c.want {
			t.Errorf("%q said to be %s is %s, want %s", c.bytes, c.says, k.Class, c.want)
		}
	}
}

// TestJSONWithASchemaHeaderIsJSONStill: what stands in a header takes nothing away from the bytes.
func TestJSONWithASchemaHeaderIsJSONStill(t *testing.T) {
	if k := format.Classify([]byte(`{"id":1}`)).Says(format.ConfluentHeader); !k.Fits.Has(format.JSON) || k.Maybe.Has(format.JSON) {
		t.Errorf("%+v", k)
	}
	if k := format.Classify([]byte("\x0eAda Lovelace")).Says(format.ConfluentHeader); k.Fits.Has(format.Text) {
		t.Errorf("Avro that prints passes for text: %+v", k)
	}
}

func TestSchemaHeader(t *testing.T) {
	guid := append([]byte{1}, make([]byte, 16)...)
	for _, c := range []struct {
		value []byte
		want  bool
	}{{guid, true}, {guid[:16], false}, {[]byte{0, 0, 0, 0, 7}, true}, {[]byte("7"), false}, {nil, false}} {
		if format.SchemaHeader(c.value) != c.want {
			t.Errorf("% x: %v", c.value, !c.want)
		}
	}
}
