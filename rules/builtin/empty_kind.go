package builtin

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
		}
	case 3:
		if len(value) == glueHeader && (value[1] == 0 || value[1] == 5) {
			return glueFrame
		}
	}
	return notEmpty
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
