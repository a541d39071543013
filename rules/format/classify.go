package format

import (
	"bytes"
	"encoding/binary"
)

// scanned is the most bytes of a payload that are looked at.
const scanned = 16 << 10

// shortest is the longest payload whose looks prove little: random bytes of
// that length are often printable.
const shortest = 8

// maxSchema is the first number that is no id of a schema: registries count
// from 1, and bytes that would say more are something else.
const maxSchema = 1 << 24

// Classify tells what a key or value is; nil is null.
func Classify(b []byte) Kind {
	switch {
	case b == nil:
		return one(Null)
	case len(b) == 0:
		return one(Empty)
	}
	if c := framed(b); c != Binary {
		return one(c)
	}
	if id := SchemaID(b); id != 0 {
		if len(b) == 8 {
			return Kind{Class: Int64, Maybe: Of(Int64, Confluent), Fits: Of(Int64, Confluent, Binary), Schema: id}
		}
		return Kind{Class: Confluent, Maybe: Of(Confluent), Fits: Of(Confluent), Schema: id}
	}
	if k, ok := jsonKind(b); ok {
		return k
	}
	return bare(b)
}

func one(c Class) Kind { return Kind{Class: c, Maybe: Of(c), Fits: Of(c)} }

// framed recognises what begins with a magic of its own; Binary if nothing does.
func framed(b []byte) Class {
	switch {
	case b[0] == 3 && glue(b):
		return Glue
	case bytes.HasPrefix(b, []byte("Obj\x01")):
		return AvroContainer
	case b[0] == 0xc3 && len(b) >= 10 && b[1] == 1:
		return AvroSingle
	case bytes.HasPrefix(b, []byte{0xac, 0xed, 0, 5}):
		return Java
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b, 8}):
		return Gzip
	case bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return Zstd
	case utf16(b):
		return UTF16
	}
	return Binary
}

// glue is a version byte 3, a compression byte (0 none, 5 zlib) and the UUID of
// a schema version, whose variant is that of RFC 9562
// (GlueSchemaRegistryDeserializerDataParser).
func glue(b []byte) bool {
	return len(b) >= 18 && (b[1] == 0 || b[1] == 5) && b[10]&0xc0 == 0x80
}

// SchemaID gives the schema id of a frame of Confluent's serializers, 0 if b is none: a
// magic byte 0 and the id in four bytes. Eight bytes may as well be an integer.
func SchemaID(b []byte) int32 {
	if len(b) < 5 || b[0] != 0 {
		return 0
	}
	if id := binary.BigEndian.Uint32(b[1:]); id < maxSchema {
		return int32(id)
	}
	return 0
}

// jsonKind recognises JSON by its first byte, and then reads it.
func jsonKind(b []byte) (Kind, bool) {
	first := firstByte(b)
	if !jsonBegins[first] || !validJSON(b) {
		return Kind{}, false
	}
	k := Kind{Class: JSON, Maybe: Of(JSON), Fits: Of(JSON, Text)}
	switch {
	case first != '{' && first != '[' && first != '"': // a number, true, false, null
		k.Class, k.Maybe = Text, Of(Text)
		k.addShort(len(b))
	case first == '"' && len(b) <= shortest:
		k.Fits |= Of(Binary)
	}
	return k, true
}

var jsonBegins = [256]bool{
	'{': true, '[': true, '"': true, '-': true, 't': true, 'f': true, 'n': true,
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true,
}

// firstByte is the first byte that is no white space of JSON, or else 0.
func firstByte(b []byte) byte {
	for _, c := range b[:min(len(b), 64)] {
		if !space[c] {
			return c
		}
	}
	return 0
}

// bare is for payloads without a frame.
func bare(b []byte) Kind {
	k := one(Binary)
	if text(b) {
		k = one(Text)
	}
	if protobuf(b) {
		k.Maybe |= Of(Protobuf)
		if k.Class == Binary || b[0] == '\n' { // text seldom begins with a line feed, and field 1 as a string does
			k.Class = Protobuf
		}
	}
	k.Fits |= k.Maybe
	k.addShort(len(b))
	if k.Class != Binary {
		k.Maybe &^= Of(Binary)
	}
	return k
}

// addShort adds what n bytes that look like something else may be, or pass for.
func (k *Kind) addShort(n int) {
	switch n {
	case 4:
		k.Maybe |= Of(Int32)
	case 8:
		k.Maybe |= Of(Int64)
	}
	if k.Class == Binary && (n == 4 || n == 8) {
		k.Class = (k.Maybe &^ Of(Binary)).First()
	}
	k.Fits |= k.Maybe
	if n <= shortest {
		k.Fits |= Of(Binary)
	}
}
