package protocol

import "warder/protocol/wire"

// topicWalk steps through the shape that Produce and Fetch messages have in
// common: an array of topics, each a name or an id, an array of partitions and
// tags. The owner reads the partitions. A null array counts as an empty one.
type topicWalk struct {
	r        wire.Reader
	flexible bool
	byID     bool // topics are identified by id, not by name
	open     bool // a topic has begun whose tags have not been read
	topics   int  // topics that have not begun
	parts    int  // partitions left in the open topic
	ordinal  int  // partitions begun so far
	topic    []byte
	topicID  [16]byte
}

// begin begins at the length of the array of topics. w is empty.
func (w *topicWalk) begin(r wire.Reader, flexible, byID bool) {
	w.r, w.flexible, w.byID = r, flexible, byID
	w.topics = w.r.ArrayLen(flexible)
}

// next reports whether a partition begins at w.r. When it returns false the
// reader stands behind the array, or has failed.
func (w *topicWalk) next() bool {
	for w.parts <= 0 {
		if !w.nextTopic() {
			return false
		}
	}
	w.parts--
	w.ordinal++
	return w.r.Err() == nil
}

func (w *topicWalk) nextTopic() bool {
	if w.open && w.flexible {
		w.r.SkipTags()
	}
	w.open = false
	if w.topics <= 0 || w.r.Err() != nil {
		return false
	}
	w.topics--
	w.open = true
	if w.byID {
		w.topicID = w.r.UUID()
	} else {
		w.topic = w.r.FlexString(w.flexible)
	}
	w.parts = w.r.ArrayLen(w.flexible)
	return w.r.Err() == nil
}

// skipTags steps over the tags at the end of a partition.
func (w *topicWalk) skipTags() {
	if w.flexible {
		w.r.SkipTags()
	}
}

// malformed wraps the failure of r, which reads a body from its first byte.
func malformed(key APIKey, version int16, field string, r *wire.Reader) error {
	return &MalformedError{Key: key, Version: version, Field: field, Offset: r.Offset(), Err: r.Err()}
}
