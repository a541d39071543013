package format

import "math/bits"

// Class is a serialization format.
type Class uint8

// The classes.
const (
	Null Class = iota
	Empty
	// Text is valid UTF-8, at least 95 % of it printable; XML and CSV are text.
	Text
	// JSON is an object, an array or a quoted string. Bare numbers, true, false
	// and null are text that passes for JSON.
	JSON
	// Int32 and Int64 are four and eight bytes, as IntegerSerializer and LongSerializer
	// write them.
	Int32
	Int64
	// Confluent is the frame of Confluent's serializers: a zero byte and the id
	// of a schema, before Avro, Protobuf or JSON.
	Confluent
	// ConfluentHeader is what the same serializers write when the id of the
	// schema goes into a record header (HeaderSchemaIdSerializer).
	ConfluentHeader
	// Glue is the frame of the AWS Glue Schema Registry.
	Glue
	// AvroContainer is an Avro object container file, AvroSingle Avro's
	// single-object encoding.
	AvroContainer
	AvroSingle
	// Avro without any frame looks like nothing; only a record header can say so.
	Avro
	// Protobuf without a frame: tags and lengths that cover the whole buffer.
	Protobuf
	// Java is Java serialization (ObjectOutputStream).
	Java
	// Gzip and Zstd: the application has compressed the value itself.
	Gzip
	Zstd
	// UTF16 is text in UTF-16.
	UTF16
	// Binary is everything else, such as what is encrypted.
	Binary

	// NumClasses bounds the values above.
	NumClasses
)

// words are the names of a class: for machines, for one payload and for many.
var words = [NumClasses]struct{ name, one, many string }{
	Null:            {"null", "null", "nulls"},
	Empty:           {"empty", "empty", "nothing at all"},
	Text:            {"text", "plain text", "plain text"},
	JSON:            {"json", "JSON", "JSON"},
	Int32:           {"int32", "a 4-byte integer", "4-byte integers"},
	Int64:           {"int64", "an 8-byte integer", "8-byte integers"},
	Confluent:       {"confluent", "a Confluent frame", "Confluent frames"},
	ConfluentHeader: {"confluent-header", "a payload whose schema id is in a record header", "payloads whose schema id is in a record header"},
	Glue:            {"glue", "an AWS Glue frame", "AWS Glue frames"},
	AvroContainer:   {"avro-container", "an Avro container file", "Avro container files"},
	AvroSingle:      {"avro-single", "an Avro single object", "Avro single objects"},
	Avro:            {"avro", "Avro without a frame", "Avro without a frame"},
	Protobuf:        {"protobuf", "Protobuf without a frame", "Protobuf without a frame"},
	Java:            {"java", "a serialized Java object", "serialized Java objects"},
	Gzip:            {"gzip", "gzip-compressed data", "gzip-compressed data"},
	Zstd:            {"zstd", "zstd-compressed data", "zstd-compressed data"},
	UTF16:           {"utf16", "text in UTF-16", "text in UTF-16"},
	Binary:          {"binary", "binary data of an unknown format", "binary data of an unknown format"},
}

// String is the name for machines, as in "avro-single".
func (c Class) String() string { return words[c].name }

// One names a payload for people; it completes "the value is ".
func (c Class) One() string { return words[c].one }

// Many names payloads for people; it completes "values have been ".
func (c Class) Many() string { return words[c].many }

// Set is a set of classes.
type Set uint32

// Of makes a set.
func Of(classes ...Class) Set {
	var s Set
	for _, c := range classes {
		s |= 1 << c
	}
	return s
}

// Has says whether the class is in the set.
func (s Set) Has(c Class) bool { return s&(1<<c) != 0 }

// First is the class of the set that the list of classes names first; Binary of
// an empty set.
func (s Set) First() Class {
	if s == 0 {
		return Binary
	}
	return Class(bits.TrailingZeros32(uint32(s)))
}

// Kind is what a payload is found to be.
type Kind struct {
	// Class is the best guess.
	Class Class
	// Maybe is what it may equally be, Class among it.
	Maybe Set
	// Fits is Maybe and what else it would pass for.
	Fits Set
	// Schema is the id in a frame that Confluent's serializers wrote, or may have
	// written; else 0.
	Schema int32
}

// Says narrows the kind down by what a record header says of the payload (see
// HeaderClass). Bytes are believed before headers: JSON stays JSON whatever it
// is called.
func (k Kind) Says(c Class) Kind {
	switch {
	case k.Maybe.Has(c):
		return Kind{Class: c, Maybe: Of(c), Fits: k.Fits, Schema: k.Schema}
	case (c == Avro || c == ConfluentHeader) && Of(Text, Int32, Int64, Protobuf, Binary).Has(k.Class):
		return Kind{Class: c, Maybe: Of(c), Fits: Of(c)}
	case c == ConfluentHeader && k.Class == JSON: // the bytes are what they were, and who ignores headers reads them
		return Kind{Class: c, Maybe: Of(c), Fits: Of(c) | k.Fits}
	}
	return k
}
