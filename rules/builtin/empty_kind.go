package builtin

import "bytes"

// emptyKind is a way in which a value says nothing although it is not null.
type emptyKind uint8

// The kinds of empty values.
const (
	notEmpty       emptyKind = iota
	zeroBytes                // nothing at all
	nullText                 // null
	emptyText                // ""
	emptyObject              // {}
	emptyArray               // []
	onlyNulls                // an object or array in which every leaf is null
	confluentFrame           // the header of Confluent's serializers and nothing behind it
	glueFrame                // the header of the AWS Glue serializers and nothing behind it
	maybeNull                // a Confluent header and one zero byte
	maybeEmptyJSON           // a Confluent header and null, "", {} or []
)

// emptyWords says what each kind is: for evidence, and for people.
var emptyWords = [...]struct{ name, text string }{
	zeroBytes:      {"zero_bytes", "zero bytes"},
	nullText:       {"null_text", "the text null"},
	emptyText:      {"empty_text", `the text ""`},
	emptyObject:    {"empty_object", "the text {}"},
	emptyArray:     {"empty_array", "the text []"},
	onlyNulls:      {"only_nulls", "JSON in which everything is null"},
	confluentFrame: {"confluent_header_only", "a schema id and nothing behind it"},
	glueFrame:      {"glue_header_only", "a schema id of Glue and nothing behind it"},
	maybeNull:      {"confluent_zero_byte", "a schema id and one zero byte"},
	maybeEmptyJSON: {"confluent_empty_json", "a schema id and empty JSON"},
}

// The lengths of what stands before the payload.
const (
	confluentHeader = 5  // 00, then the schema id
	glueHeader      = 18 // 03, compression (00 or 05), then the schema version as a UUID
)

// emptyKindOf looks at a value that is not null. Most values it knows by their
// first and last bytes.
func emptyKindOf(value []byte) emptyKind {
	if len(value) == 0 {
		return zeroBytes
	}
	switch value[0] {
	case '{', '[':
		if endsInNull(value) {
			return textKind(value)
		}
	case 'n', '"', ' ', '\t', '\r', '\n':
		return textKind(value)
	case 0:
		switch {
		case len(value) == confluentHeader:
			return confluentFrame
		case len(value) == confluentHeader+1 && value[confluentHeader] == 0:
			return maybeNull
		case len(value) > confluentHeader:
			return framedKind(value[confluentHeader:])
		}
	case 3:
		if len(value) >= glueHeader && (value[1] == 0 && len(value) == glueHeader || value[1] == 5 && emptyZlib(value[glueHeader:])) {
			return glueFrame
		}
	}
	return notEmpty
}

// framedKind looks at what stands behind a Confluent header, where the JSON Schema
// serializer writes JSON. Text as short as null or {} may be a few numbers in Avro;
// an object with names and nulls is none.
func framedKind(payload []byte) emptyKind {
	switch payload[0] {
	case '{', '[', 'n', '"':
	default:
		return notEmpty
	}
	kind := emptyKindOf(payload)
	if kind == notEmpty || kind == onlyNulls && bytes.IndexByte(payload, '"') > 0 {
		return kind
	}
	return maybeEmptyJSON
}

// emptyZlib says whether nothing was compressed: no bytes at all, or what deflate
// makes of none at any level (RFC 1950: two bytes of head, an empty block, and the
// checksum 1).
func emptyZlib(data []byte) bool {
	return len(data) == 0 || len(data) == 8 && data[0] == 0x78 && string(data[2:]) == "\x03\x00\x00\x00\x00\x01"
}

// textKind looks at what may be text.
func textKind(value []byte) emptyKind {
	for len(value) > 0 && isSpace(value[0]) {
		value = value[1:]
	}
	for len(value) > 0 && isSpace(value[len(value)-1]) {
		value = value[:len(value)-1]
	}
	switch string(value) {
	case "null":
		return nullText
	case `""`:
		return emptyText
	case "{}":
		return emptyObject
	case "[]":
		return emptyArray
	}
	if nullJSON(value) {
		return onlyNulls
	}
	return notEmpty
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
