package format

import "bytes"

// Names of record headers that say what a payload is.
const (
	// KeySchemaHeader and ValueSchemaHeader carry the GUID of a schema: a magic
	// byte 1 and 16 bytes (SchemaId in Confluent's clients).
	KeySchemaHeader   = "__key_schema_id"
	ValueSchemaHeader = "__value_schema_id"
)

// ContentTypeHeaders are the names under which CloudEvents, Spring and others
// write a media type for the value.
var ContentTypeHeaders = [...]string{"content-type", "contentType", "Content-Type"}

// SchemaHeader says whether the value of a KeySchemaHeader or ValueSchemaHeader is
// what Confluent's serializers write there: a GUID behind a 1, or an id behind a 0.
func SchemaHeader(value []byte) bool {
	return len(value) == 17 && value[0] == 1 || len(value) == 5 && value[0] == 0
}

// HeaderClass gives the class that a media type stands for; false if it says
// nothing that Classify would not see. Spring writes it in quotes.
func HeaderClass(contentType []byte) (Class, bool) {
	media, _, _ := bytes.Cut(bytes.Trim(contentType, "\" "), []byte(";"))
	media = bytes.TrimSpace(media)
	switch {
	case len(media) == 0 || len(media) > 128:
		return 0, false
	case containsFold(media, "avro") && !containsFold(media, "json"):
		return Avro, true
	case containsFold(media, "protobuf"):
		return Protobuf, true
	}
	return 0, false
}

// containsFold says whether b contains word, which is in lower case, in any case.
func containsFold(b []byte, word string) bool {
	for i := 0; i+len(word) <= len(b); i++ {
		if equalFold(b[i:i+len(word)], word) {
			return true
		}
	}
	return false
}

func equalFold(b []byte, word string) bool {
	for i := range word {
		if b[i]|0x20 != word[i] {
			return false
		}
	}
	return true
}
