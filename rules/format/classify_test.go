package format_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"warder/rules/format"
)

// payloads are what real serializers write, by hand.
var payloads = []struct {
	name  string
	bytes string
	want  format.Class
	also  []format.Class // what it passes for as well
	id    int32
}{
	{"empty", "", format.Empty, nil, 0},
	{"text", "Hello, Kafka", format.Text, nil, 0},
	{"text in German", "Grüße aus Köln", format.Text, nil, 0},
	{"text in Chinese", "订单已创建", format.Text, nil, 0},
	{"csv", "4711,2026-01-02,19.99\n4712,2026-01-02,5.00\n", format.Text, nil, 0},
	{"xml", `<?xml version="1.0"?><order id="1"/>`, format.Text, nil, 0},
	{"text that begins like JSON", "{not json at all}", format.Text, nil, 0},
	{"json cut off", `{"id":1,"name":"A`, format.Text, nil, 0},
	{"two jsons", `{"id":1}{"id":2}`, format.Text, nil, 0},
	{"a number in words", "4711", format.Text, []format.Class{format.JSON, format.Int32, format.Binary}, 0},
	{"null in words", "null", format.Text, []format.Class{format.JSON}, 0},
	{"a word of eight letters", "tenant42", format.Text, []format.Class{format.Int64, format.Binary}, 0},
	{"uuid", "7b0c4d6e-55a1-4d0e-9f30-0a6b8f6f2c11", format.Text, nil, 0},
	{"json object", `{"id": 1, "name": "Ada"}`, format.JSON, []format.Class{format.Text}, 0},
	{"json indented", "\n  [1, 2]\n", format.JSON, []format.Class{format.Text}, 0},
	{"json string", `"user-1"`, format.JSON, []format.Class{format.Text}, 0},
	{"int", "\x00\x00\x01\x02", format.Int32, []format.Class{format.Binary}, 0},
	{"negative int", "\xff\xff\xff\xfe", format.Int32, []format.Class{format.Binary}, 0},
	{"long", "\x00\x00\x00\x00\x00\x00\x10\x92", format.Int64, []format.Class{format.Binary}, 0},
	{"long of a time", "\x00\x00\x01\x9a\xbc\x12\x34\x56", format.Int64, []format.Class{format.Confluent}, 0x19abc},
	{"avro in a confluent frame", "\x00\x00\x00\x00\x07\x02\x0eAda\x00\x92\x48", format.Confluent, nil, 7},
	{"confluent frame without payload", "\x00\x00\x00\x00\x07", format.Confluent, nil, 7},
	{"confluent frame of eight bytes", "\x00\x00\x00\x00\x07\x80\x80\x01", format.Int64, []format.Class{format.Confluent}, 7},
	{"protobuf in a confluent frame", "\x00\x00\x00\x00\x09\x00\x0a\x03Ada", format.Confluent, nil, 9},
	{"json schema in a confluent frame", "\x00\x00\x00\x00\x0b{\"id\":1}", format.Confluent, nil, 11},
	{"schema id 0", "\x00\x00\x00\x00\x00abcd", format.Binary, nil, 0},
	{"five bytes that count further", "\x00\x01\x00\x00\x00", format.Binary, nil, 0},
	{"glue", "\x03\x00\x7b\x0c\x4d\x6e\x55\xa1\x4d\x0e\x9f\x30\x0a\x6b\x8f\x6f\x2c\x11\x02\x0e", format.Glue, nil, 0},
	{"glue compressed", "\x03\x05\x7b\x0c\x4d\x6e\x55\xa1\x4d\x0e\x9f\x30\x0a\x6b\x8f\x6f\x2c\x11x\x9c", format.Glue, nil, 0},
	{"glue, were it not for the uuid", "\x03\x00\x7b\x0c\x4d\x6e\x55\xa1\x4d\x0e\x1f\x30\x0a\x6b\x8f\x6f\x2c\x11\x02\x0e", format.Binary, nil, 0},
	{"avro container", "Obj\x01\x04\x16avro.schema", format.AvroContainer, nil, 0},
	{"avro single object", "\xc3\x01\x01\x02\x03\x04\x05\x06\x07\x08\x0eAda", format.AvroSingle, nil, 0},
	{"java serialization", "\xac\xed\x00\x05sr\x00\x0ecom.shop.Order", format.Java, nil, 0},
	{"gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", format.Gzip, nil, 0},
	{"zstd", "\x28\xb5\x2f\xfd\x04\x00", format.Zstd, nil, 0},
	{"protobuf", "\x08\x96\x01\x12\x07Ada\x01\x02\x03\x04\x1d\x00\x00\x80\x3f", format.Protobuf, []format.Class{format.Binary}, 0},
	{"protobuf of one string", "\x0a\x0cHello, Kafka", format.Protobuf, []format.Class{format.Binary}, 0},
	{"protobuf that prints", "\x0a\x20" + strings.Repeat("x", 32), format.Protobuf, []format.Class{format.Text}, 0},
	{"utf-16 with mark", "\xff\xfeH\x00e\x00l\x00l\x00o\x00", format.UTF16, nil, 0},
	{"utf-16 little", "{\x00\"\x00i\x00d\x00\"\x00", format.UTF16, nil, 0},
	{"utf-16 big", "\x00{\x00\"\x00i\x00d\x00\"", format.UTF16, nil, 0},
	{"encrypted", "\x9d\x17\xf4\x80\xc2\x5e\x0b\xa3\x91\x6a\xee\x30\x77\xd8\x1c\x44\xb9", format.Binary, nil, 0},
	{"text with a control character in twenty", "0123456789abcdefghi\x01", format.Text, nil, 0},
	{"text with too many", "0123456789abcdefgh\x01\x02", format.Binary, nil, 0},
}

func TestClassify(t *testing.T) {
	if k := format.Classify(nil); k.Class != format.Null {
		t.Errorf("null is %s", k.Class)
	}
	for _, p := range payloads {
		k := format.Classify([]byte(p.bytes))
		if k.Class != p.want || k.Schema != p.id {
			t.Errorf("%s: %s with schema %d, want %s with %d", p.name, k.Class, k.Schema, p.want, p.id)
		}
		for _, c := range p.also {
			if !k.Fits.Has(c) {
				t.Errorf("%s does not pass for %s", p.name, c)
			}
		}
	}
}

func TestLongPayloadsAreJudgedByTheirBeginning(t *testing.T) {
	long := `{"text":"` + strings.Repeat("ä", 20<<10)
	for text, want := range map[string]format.Class{
		long + `"}`:                        format.JSON,
		long + `"]`:                        format.Text,
		long[:len(long)-1]:                 format.Text, // ends within a character
		strings.Repeat("x", 4095) + "ä...": format.Text,
		"\x08\x01" + strings.Repeat("\x12\x02\x00\xff", 20<<10): format.Protobuf,
	} {
		if k := format.Classify([]byte(text)); k.Class != want {
			t.Errorf("%.20q… of %d bytes is %s, want %s", text, len(text), k.Class, want)
		}
	}
}

// What an application writes in one format must never look like two that
// exclude each other, however the values fall.
func TestOneSerializerIsOneFormat(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	blob := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	for name, s := range map[string]struct {
		want  format.Class
		write func(i int) []byte
	}{
		"longs that count":    {format.Int64, func(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }},
		"longs of any size":   {format.Int64, func(int) []byte { return binary.BigEndian.AppendUint64(nil, random.Uint64()>>random.IntN(64)) }},
		"ints of any size":    {format.Int32, func(int) []byte { return binary.BigEndian.AppendUint32(nil, random.Uint32()>>random.IntN(32)) }},
		"numbers as text":     {format.Text, func(i int) []byte { return fmt.Append(nil, i*i) }},
		"names with a number": {format.Text, func(i int) []byte { return fmt.Append(nil, "user-", i) }},
		"random of 1-64":      {format.Binary, func(int) []byte { return blob(1 + random.IntN(64)) }},
		"random of 16":        {format.Binary, func(int) []byte { return blob(16) }},
		"json values":         {format.JSON, func(i int) []byte { return fmt.Appendf(nil, [...]string{"%d", "\"%d\"", "{\"a\":%d}", "[%d]"}[i%4], i) }},
		"confluent longs": {format.Confluent, func(i int) []byte {
			return binary.AppendVarint([]byte{0, 0, 0, 0, 7}, int64(i)*7919)
		}},
		"protobuf": {format.Protobuf, func(i int) []byte {
			b := binary.AppendUvarint([]byte{8}, uint64(i)<<random.IntN(40))
			return append(b, append([]byte{0x12, byte(i % 100)}, bytes.Repeat([]byte{'x'}, i%100)...)...)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			odd := 0
			for i := range 20_000 {
				b := s.write(i + 1)
				if !format.Classify(b).Fits.Has(s.want) {
					if odd++; odd < 4 {
						t.Logf("% x is %s", b, format.Classify(b).Class)
					}
				}
			}
			if odd > 20 { // one in a thousand, by chance
				t.Errorf("%d of 20,000 do not pass for %s", odd, s.want)
			}
		})
	}
}

func TestClassesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for c := range format.NumClasses {
		for _, s := range []string{c.String(), c.One(), c.Many()} {
			if s == "" {
				t.Errorf("class %d has no name", c)
			}
		}
		if seen[c.String()] {
			t.Errorf("%s twice", c)
		}
		seen[c.String()] = true
	}
	if s := format.Of(format.Text, format.Binary); s.First() != format.Text || s.Has(format.JSON) || format.Set(0).First() != format.Binary {
		t.Errorf("set %b", s)
	}
}

func TestClassifyAllocatesNothing(t *testing.T) {
	for _, p := range payloads {
		b := []byte(p.bytes)
		if n := testing.AllocsPerRun(10, func() { format.Classify(b) }); n != 0 {
			t.Errorf("%s: %v allocations", p.name, n)
		}
	}
}

func FuzzClassify(f *testing.F) {
	for _, p := range payloads {
		f.Add([]byte(p.bytes))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		k := format.Classify(b)
		if k.Class >= format.NumClasses || !k.Maybe.Has(k.Class) || k.Maybe&^k.Fits != 0 {
			t.Errorf("%x: %+v", b, k)
		}
		if framed := k.Fits.Has(format.Confluent); framed != (k.Schema != 0) || framed != (format.SchemaID(b) != 0) {
			t.Errorf("%x: %+v", b, k)
		}
		for c := range format.NumClasses {
			if s := k.Says(c); !s.Maybe.Has(s.Class) || s.Maybe&^s.Fits != 0 {
				t.Errorf("%x said to be %s: %+v", b, c, s)
			}
		}
	})
}

func BenchmarkClassify(b *testing.B) {
	for _, p := range []struct{ name, bytes string }{
		{"json-200", `{"id":4711,"customer":"c-1234","items":[{"sku":"A-1","n":2},{"sku":"B-7","n":1}],"note":"` + strings.Repeat("x", 100) + `"}`},
		{"json-16K", `{"note":"` + strings.Repeat("lorem ipsum ", 1365) + `"}`},
		{"confluent", "\x00\x00\x00\x00\x07\x02\x0eAda\x00\x92\x48"},
		{"text-36", "7b0c4d6e-55a1-4d0e-9f30-0a6b8f6f2c11"},
		{"binary-200", strings.Repeat("\x9d\x17\xf4\x80\xc2\x5e\x0b\xa3", 25)},
	} {
		b.Run(p.name, func(b *testing.B) {
			payload := []byte(p.bytes)
			b.ReportAllocs()
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				format.Classify(payload)
			}
		})
	}
}
