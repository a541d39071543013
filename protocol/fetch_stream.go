package protocol

import (
	"fmt"

	"warder/protocol/wire"
)

// maxTopicName is the longest name of a topic, in bytes (Topic.java
// MAX_NAME_LENGTH).
const maxTopicName = 249

// FetchResponseStream walks a Fetch response while it arrives. It looks at the
// structure and lets the record bytes pass through the Cursor, so that a
// response of any size costs a few bytes of memory. The fields of the head are
// set once Next has returned for the first time.
//
// A stream is reusable by Reset and belongs to one goroutine.
type FetchResponseStream struct {
	ThrottleMs int32 // v1+
	ErrorCode  int16 // v7+
	SessionID  int32 // v7+

	s       streamReader
	version int16
	size    int  // bytes of the body, for the place of an error
	started bool // the head has been read
	inTopic bool
	records int // bytes of records before the next partition; -1 if it has no partition before it
	topics  int
	parts   int
	topicID [16]byte
	nameLen int
	name    [maxTopicName]byte
}

// Reset begins a response body of the given version at c, whose Remaining is
// the size of the body. Errors: *VersionError.
func (f *FetchResponseStream) Reset(version int16, c Cursor) error {
	if version < 0 || version > fetchMaxVersion {
		return &VersionError{Key: Fetch, Version: version}
	}
	f.ThrottleMs, f.ErrorCode, f.SessionID = 0, 0, 0
	f.s = streamReader{c: c}
	f.version, f.size = version, c.Remaining()
	f.started, f.inTopic = false, false
	f.records, f.topics, f.parts, f.nameLen = -1, 0, 0, 0
	return nil
}

// Next fills out with the next partition and leaves the Cursor in front of its
// RecordsSize bytes of records; the following Next passes over what of them
// the caller has left. out.Topic aliases the stream until the next topic. It
// returns false in front of the tags that end the response, and on an error.
func (f *FetchResponseStream) Next(out *FetchResponsePartition) bool {
	if !f.next(out) {
		return false
	}
	out.Topic = f.name[:f.nameLen]
	return true
}

// next is Next without the name, which would make the stream escape.
func (f *FetchResponseStream) next(out *FetchResponsePartition) bool {
	if !f.started {
		f.readHead()
	}
	f.endPartition()
	for f.parts == 0 {
		if !f.nextTopic() {
			return false
		}
	}
	f.parts--
	f.readPartition(out)
	return f.s.ok()
}

// Err returns what ended the walk early: an error of the Cursor as it is, a
// *MalformedError for the bytes, or nil.
func (f *FetchResponseStream) Err() error {
	return f.s.result(Fetch, f.version, "FetchResponse", f.size)
}

func (f *FetchResponseStream) flexible() bool { return f.version >= fetchFlexible }

func (f *FetchResponseStream) readHead() {
	f.started = true
	if f.version >= fetchThrottle {
		f.ThrottleMs = f.s.int32()
	}
	if f.version >= fetchSession {
		f.ErrorCode = f.s.int16()
		f.SessionID = f.s.int32()
	}
	f.topics = f.s.arrayLen(f.flexible())
}

// endPartition passes over the records and tags of the partition before. The
// end of its records is counted from the end of the frame, so that it does not
// matter how many of them the caller has consumed.
func (f *FetchResponseStream) endPartition() {
	if f.records < 0 || !f.s.ok() {
		return
	}
	f.s.skip(f.s.c.Remaining() - f.records)
	f.records = -1
	if f.flexible() {
		f.s.skipTags()
	}
}

func (f *FetchResponseStream) nextTopic() bool {
	if f.inTopic && f.flexible() {
		f.s.skipTags()
	}
	f.inTopic = false
	if f.topics == 0 || !f.s.ok() {
		return false
	}
	f.topics--
	f.inTopic = true
	f.readTopicKey()
	f.parts = f.s.arrayLen(f.flexible())
	return f.s.ok()
}

func (f *FetchResponseStream) readTopicKey() {
	if f.version >= fetchTopicID {
		copy(f.topicID[:], f.s.peek(len(f.topicID)))
		f.s.skip(len(f.topicID))
		return
	}
	var n int
	if f.flexible() {
		n = f.s.compactLen()
	} else {
		n = int(f.s.int16())
	}
	switch {
	case n < 0:
		f.s.malformed(wire.ErrNull)
	case n > maxTopicName:
		f.s.malformed(fmt.Errorf("topic name of %d bytes, Kafka allows %d", n, maxTopicName))
	}
	f.nameLen = copy(f.name[:], f.s.peek(max(min(n, maxTopicName), 0)))
	f.s.skip(f.nameLen)
}

func (f *FetchResponseStream) readPartition(out *FetchResponsePartition) {
	n := fetchFixedSize(f.version)
	r := wire.NewReader(f.s.peek(n))
	out.readFixed(&r, f.version)
	f.s.skip(n)
	out.TopicID = f.topicID
	out.AbortedTransactions = 0
	if f.version >= fetchIsolation {
		out.AbortedTransactions = f.skipAborted()
	}
	out.PreferredReadReplica = -1
	if f.version >= fetchRack {
		out.PreferredReadReplica = f.s.int32()
	}
	f.readRecordsSize(out)
}

func (f *FetchResponseStream) skipAborted() int {
	n := f.s.arrayLen(f.flexible())
	if !f.flexible() {
		f.s.skip(n * abortedSize)
		return n
	}
	for i := 0; i < n && f.s.ok(); i++ {
		f.s.skip(abortedSize)
		f.s.skipTags()
	}
	return n
}

func (f *FetchResponseStream) readRecordsSize(out *FetchResponsePartition) {
	var n int
	if f.flexible() {
		n = f.s.compactLen()
	} else {
		n = int(f.s.int32())
	}
	if f.s.ok() && n > f.s.c.Remaining() {
		f.s.err = ErrShort
	}
	out.Records, out.RecordsNull, out.RecordsSize = nil, n < 0, max(n, 0)
	if f.s.ok() {
		f.records = f.s.c.Remaining() - out.RecordsSize // what remains behind them
	}
}
