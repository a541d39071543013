package scrub

import (
	"encoding/binary"
	"fmt"

	"warder/protocol"
	"warder/protocol/records"
)

// Payload says what stays of the keys and values of records.
type Payload uint8

// What stays: the headers of batches; keys as well, with the names of headers and the
// lengths of what is gone; everything.
const (
	None Payload = iota
	Keys
	Full
)

var payloadNames = [...]string{"none", "keys", "full"}

// String is the payload as the configuration writes it.
func (p Payload) String() string { return payloadNames[p] }

// ParsePayload reads none, keys or full.
func ParsePayload(text string) (Payload, error) {
	for i, name := range payloadNames {
		if text == name {
			return Payload(i), nil
		}
	}
	return None, fmt.Errorf("%q is no payload; write none, keys or full", text)
}

// Scrubber scrubs frames. It reuses its memory and belongs to one goroutine.
type Scrubber struct {
	payload Payload
	limits  records.Limits
	scan    records.Scanner
	out     []byte // of the frame that came out longer
	batches []byte // of one partition
	spans   []span
}

// span is where the records of a partition stand in a body: the length in front of
// them begins at head, they themselves at start.
type span struct {
	head, start, end int
	flexible         bool // how the length is written
}

// New makes a Scrubber. limits bound what a batch may expand to when its values are
// taken out; beyond them it is treated as with None.
func New(payload Payload, limits records.Limits) *Scrubber {
	return &Scrubber{payload: payload, limits: limits}
}

// Request scrubs a whole frame, length included, whose header is h. The result is the
// frame, changed in place, or memory of the Scrubber that is valid until its next call.
// whole is false when the body could not be read, and is gone behind the header.
func (s *Scrubber) Request(h *protocol.RequestHeader, frame []byte) (out []byte, whole bool) {
	head := protocol.FrameLengthSize + h.Size
	body := frame[head:]
	switch {
	case h.API == nil:
		return blank(frame, head), false
	case h.Key == protocol.Produce && s.payload != Full:
		return s.payloads(frame, head, h.Version, produceRecords)
	}
	if redact := secretRequests[h.Key]; redact != nil && !redact(h.Version, body) {
		return blank(frame, head), false
	}
	return frame, true
}

// Answer is Request for the answer to a request of that API and version.
func (s *Scrubber) Answer(key, version int16, frame []byte) (out []byte, whole bool) {
	n, err := protocol.ResponseHeaderSize(key, version, frame[protocol.FrameLengthSize:])
	if err != nil || protocol.LookupAPI(key) == nil {
		return blank(frame, protocol.FrameLengthSize+protocol.MinResponseHeader), false
	}
	head := protocol.FrameLengthSize + n
	switch {
	case key == protocol.Fetch && s.payload != Full:
		return s.payloads(frame, head, version, fetchRecords)
	case key == protocol.ShareFetch && s.payload != Full:
		return s.payloads(frame, head, version, shareFetchRecords)
	}
	if redact := secretAnswers[key]; redact != nil && !redact(version, frame[head:]) {
		return blank(frame, head), false
	}
	return frame, true
}

// blank zeroes a frame from at on.
func blank(frame []byte, at int) []byte {
	clear(frame[min(at, len(frame)):])
	return frame
}

// Blanks reports whether a frame that is too large to be held is to be blanked behind
// its head: there may be something in it that must go.
func (s *Scrubber) Blanks(key int16, answer bool) bool {
	switch key {
	case protocol.Produce:
		return !answer && s.payload != Full
	case protocol.Fetch, protocol.ShareFetch:
		return answer && s.payload != Full
	}
	if answer {
		return protocol.LookupAPI(key) == nil || secretAnswers[key] != nil
	}
	return protocol.LookupAPI(key) == nil || secretRequests[key] != nil
}

// RequestHead gives how many bytes at the start of a request stay when the rest is
// blanked: the header and, of a Produce request, what comes before its topics, so that
// it is one of no topics. prefix is the beginning of the frame.
func RequestHead(h *protocol.RequestHeader, prefix []byte) int {
	head := protocol.FrameLengthSize + h.Size
	if h.Key == protocol.Produce && head <= len(prefix) {
		head += produceHead(h.Version, prefix[head:])
	}
	return min(head, len(prefix))
}

// AnswerHead is RequestHead for an answer: one to a Fetch keeps its error and session.
func AnswerHead(key, version int16, prefix []byte) int {
	n, err := protocol.ResponseHeaderSize(key, version, prefix[protocol.FrameLengthSize:])
	if err != nil {
		n = protocol.MinResponseHeader
	}
	head := protocol.FrameLengthSize + n
	switch {
	case key == protocol.Fetch && version >= 7:
		head += 4 + 2 + 4
	case key == protocol.Fetch && version >= 1:
		head += 4
	case key == protocol.ShareFetch:
		head += 4 + 2
	}
	return min(head, len(prefix))
}

// find appends where the records stand in a body; false when it cannot be read.
type find func(spans []span, version int16, body []byte) ([]span, bool)

// payloads scrubs the records of a frame.
func (s *Scrubber) payloads(frame []byte, head int, version int16, find find) ([]byte, bool) {
	body := frame[head:]
	var ok bool
	if s.spans, ok = find(s.spans[:0], version, body); !ok {
		return blank(frame, head), false
	}
	if s.payload == None {
		for _, at := range s.spans {
			blankBatches(body[at.start:at.end])
		}
		return frame, true
	}
	s.out = append(s.out[:0], frame[:head]...)
	done := 0
	for _, at := range s.spans {
		s.batches = s.withoutValues(s.batches[:0], body[at.start:at.end])
		s.out = append(s.out, body[done:at.head]...)
		s.out = at.appendLength(s.out, len(s.batches))
		s.out = append(s.out, s.batches...)
		done = at.end
	}
	s.out = append(s.out, body[done:]...)
	binary.BigEndian.PutUint32(s.out, uint32(len(s.out)-protocol.FrameLengthSize))
	return s.out, true
}
