package builtin

import (
	"bytes"
	"slices"
)

// Bounds of what nullJSON looks at; what is larger counts as saying something.
const (
	nullJSONBytes = 64 << 10
	nullJSONDepth = 32
)

// nullJSON says whether text is a JSON object or array in which every leaf is
// null, as in {}, [ ] or {"name":null,"address":{"street":null}}. It stops at the
// first leaf that is not, and knows most texts by their end alone.
func nullJSON(text []byte) bool {
	if len(text) > nullJSONBytes || !endsInNull(text) {
		return false
	}
	s := nullScan{text: text}
	s.space()
	if next := s.next(); next != '{' && next != '[' {
		return false
	}
	for { // a value begins here
		switch s.next() {
		case '{', '[':
			empty, ok := s.open()
			if !ok {
				return false
			}
			if !empty {
				continue
			}
		case 'n':
			if !bytes.HasPrefix(text[s.at:], []byte("null")) {
				return false
			}
			s.at += len("null")
		default:
			return false
		}
		if !s.pastEnds() {
			return false
		}
		if s.depth == 0 {
			return s.at == len(text)
		}
	}
}

// endsInNull says whether nothing but ends of objects and arrays comes behind a
// null or the beginning of one.
func endsInNull(text []byte) bool {
	for _, c := range slices.Backward(text) {
		switch c {
		case '}', ']', ' ', '\t', '\r', '\n':
		case 'l', '{', '[':
			return true
		default:
			return false
		}
	}
	return false
}

// nullScan is where nullJSON stands.
type nullScan struct {
	text    []byte
	at      int
	depth   int
	objects uint32 // a bit for each open level, the innermost lowest: 1 for objects
}

// next is the byte to come, 0 at the end.
func (s *nullScan) next() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *nullScan) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// closer is the end of the innermost level.
func (s *nullScan) closer() byte {
	if s.objects&1 != 0 {
		return '}'
	}
	return ']'
}

// open enters an object or array, up to its first value or, when it is empty, its
// end.
func (s *nullScan) open() (empty, ok bool) {
	if s.depth == nullJSONDepth {
		return false, false
	}
	s.depth++
	s.objects <<= 1
	if s.next() == '{' {
		s.objects |= 1
	}
	s.at++
	s.space()
	if s.next() == s.closer() {
		return true, true
	}
	return false, s.toValue()
}

// pastEnds goes on from the end of a value: out of the levels that end here, and
// over a comma to the next value.
func (s *nullScan) pastEnds() (ok bool) {
	for {
		s.space()
		switch {
		case s.depth == 0:
			return true
		case s.next() == s.closer():
			s.at++
			s.depth--
			s.objects >>= 1
		case s.next() == ',':
			s.at++
			s.space()
			return s.toValue()
		default:
			return false
		}
	}
}

// toValue passes the name of a member in an object.
func (s *nullScan) toValue() (ok bool) {
	if s.objects&1 == 0 {
		return true
	}
	if !s.name() {
		return false
	}
	s.space()
	if s.next() != ':' {
		return false
	}
	s.at++
	s.space()
	return true
}

// name passes a string.
func (s *nullScan) name() (ok bool) {
	if s.next() != '"' {
		return false
	}
	for s.at++; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return true
		case c < ' ':
			return false
		case c == '\\':
			if s.at++; !s.escape() {
				return false
			}
		}
	}
	return false
}

// escape looks at what follows a backslash, and stops at the last byte of it.
func (s *nullScan) escape() (ok bool) {
	switch s.next() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			s.at++
			if c := s.next(); (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return false
			}
		}
		return true
	}
	return false
}
