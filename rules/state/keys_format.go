package state

import (
	"encoding/binary"
	"time"
	"unicode/utf8"

	"warder/rules"
)

// keyFormat is what the bytes of a key look like, as far as a serializer shows in
// them: not what the key says.
type keyFormat uint8

const (
	noFormat keyFormat = iota
	textKey
	jsonKey
	binary4
	binary8
	binary16
	framedKey
	otherKey

	numFormats
)

var formatNames = [numFormats]string{
	noFormat: "", textKey: "text", jsonKey: "JSON", binary4: "4-byte binary", binary8: "8-byte binary",
	binary16: "16-byte binary", framedKey: "schema registry frames", otherKey: "binary of other lengths",
}

// formatOf looks at a key that is not empty. Only its beginning decides whether
// it is text. It is noFormat for 8 bytes that may be a number or a frame: Avro
// makes 8 bytes of the numbers from 8,192 to 1,048,575, and as ids grow beyond
// that nothing has changed.
func formatOf(key []byte) keyFormat {
	head := key[:min(len(key), 64)]
	if printable(head) {
		first, last := key[0], key[len(key)-1]
		if len(key) > 1 && (first == '{' && last == '}' || first == '[' && last == ']' || first == '"' && last == '"') {
			return jsonKey
		}
		return textKey
	}
	switch {
	case framed(key) && len(key) == 8 && wholeValue([3]byte(key[5:])):
		return noFormat
	case framed(key) && len(key) != 8:
		return framedKey
	case len(key) == 4:
		return binary4
	case len(key) == 8:
		return binary8
	case len(key) == 16:
		return binary16
	}
	return otherKey
}

// framed recognises Confluent's frame: a zero byte and the id of a schema, which
// are counted from 1 on and never get far. One UUID in 60,000 looks like that,
// and of 8-byte numbers all between 2^24 and 2^48, times in milliseconds among
// them.
func framed(key []byte) bool {
	if len(key) <= 5 || key[0] != 0 {
		return false
	}
	id := binary.BigEndian.Uint32(key[1:])
	return id > 0 && id < 1<<24
}

// wholeValue says whether three bytes are a value as serializers with schemas
// write it: a varint, a string of two with its length, a Protobuf message of one
// small number behind the index of its type, or JSON. One in six numbers ends
// like that too, and many in a row do.
func wholeValue(b [3]byte) bool {
	varint := b[0] >= 0x80 && b[1] >= 0x80 && b[2] < 0x80
	text := b[0] == 2*2 && printable(b[1:])
	message := b[0] == 0 && b[1] == 1<<3 && b[2] < 0x80
	return varint || text || message || printable(b[:])
}

// printable says whether bytes are UTF-8 without control characters. What a cut
// leaves of the last character does not count.
func printable(b []byte) bool {
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			return !utf8.FullRune(b)
		}
		if r < ' ' || r == 0x7f {
			return false
		}
		b = b[size:]
	}
	return true
}

// formatCounts counts the formats of sampled keys. Old ones fade: all are halved
// when there are formatWindow of them.
type formatCounts struct {
	of  [numFormats]uint8
	all int
}

const (
	formatKeys    = 20 // before anything is said
	formatWindow  = 64
	formatPercent = 90 // of one format: that is what the client writes
)

func (c *formatCounts) add(f keyFormat) {
	c.of[f]++
	if c.all++; c.all < formatWindow {
		return
	}
	c.all = 0
	for i := range c.of {
		c.of[i] /= 2
		c.all += int(c.of[i])
	}
}

// most is the format that nearly all keys have; noFormat when none is.
func (c *formatCounts) most() keyFormat {
	if c.all >= formatKeys {
		for f, n := range c.of {
			if int(n)*100 >= c.all*formatPercent {
				return keyFormat(f)
			}
		}
	}
	return noFormat
}

// defaultClientIDs are given by libraries to clients that have no name of their
// own: two that share one need not have anything to do with each other.
var defaultClientIDs = rules.MustGlobs("producer-*", "rdkafka", "sarama", "kgo", "kafkajs", "kafka-python-*", "kafka-go*", "aiokafka-*")

// sampleFormat looks at one more key and says so if the client's keys look
// otherwise than they did, be it that an earlier instance wrote them.
func (w *KeyWriter) sampleFormat(key []byte, now time.Time) (rules.KeyFormatChanged, bool) {
	looks := formatOf(key)
	if looks == noFormat {
		return rules.KeyFormatChanged{}, false
	}
	w.formats.add(looks)
	is := w.formats.most()
	if is == noFormat || is == w.format {
		return rules.KeyFormatChanged{}, false
	}
	was := w.format
	if was == noFormat {
		was = w.topic.formatBefore(w)
	}
	w.format = is
	if was == noFormat || was == is {
		return rules.KeyFormatChanged{}, false
	}
	ev := rules.KeyFormatChanged{
		At: now, Client: w.client, Topic: w.topic.name, Before: formatNames[was], After: formatNames[is], Keys: w.formats.all,
	}
	if w.known {
		ev.Partitioner = w.uses.String()
	}
	return ev, true
}

// formatBefore is the format of the last client with the same client id.
func (t *keyTopic) formatBefore(w *KeyWriter) keyFormat {
	var last *KeyWriter
	if w.client.ClientID == "" || defaultClientIDs.Match(w.client.ClientID) {
		return noFormat
	}
	for _, other := range t.writers {
		if other != w && other.format != noFormat && other.client.ClientID == w.client.ClientID && (last == nil || other.last.After(last.last)) {
			last = other
		}
	}
	if last == nil {
		return noFormat
	}
	return last.format
}
