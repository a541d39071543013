package protocol

import "warder/protocol/wire"

// Versions of Produce and their differences (ProduceRequest.json).
const (
	produceMaxVersion    = 13
	produceTransactional = 3  // TransactionalId; record batches instead of message sets
	produceFlexible      = 9  // compact fields and tags
	produceTopicID       = 13 // topics by id
)

// ProduceRequest is a view of the body of a Produce request, versions 0 to 13.
type ProduceRequest struct {
	Version             int16
	TransactionalID     []byte // v3+; aliases the body
	TransactionalIDNull bool   // true below v3
	Acks                int16  // 0: no answer follows, not even on an error
	TimeoutMs           int32
	NumTopics           int
	NumPartitions       int

	body   []byte
	topics int // offset of the length of the topic array
	tail   int // offset behind the topic array: tags, and whatever trails them
}

// ProducePartition is one partition of a Produce request.
type ProducePartition struct {
	Ordinal     int      // 0 for the first partition of the request, counting through all topics
	Topic       []byte   // v0-12; aliases the body
	TopicID     [16]byte // v13+
	Partition   int32
	Records     []byte // record batches (v3+) or a message set; aliases the body
	RecordsNull bool
}

// ParseProduceRequest checks the structure of a whole body, down to the place
// of each partition's records but not into them. Bytes behind the end of the
// structure are tolerated, as a broker tolerates them. The view aliases body.
// It allocates nothing unless it fails.
//
// Errors: *VersionError, *MalformedError.
func ParseProduceRequest(version int16, body []byte) (ProduceRequest, error) {
	if version < 0 || version > produceMaxVersion {
		return ProduceRequest{}, &VersionError{Key: Produce, Version: version}
	}
	p := ProduceRequest{Version: version, body: body}
	r := wire.NewReader(body)
	p.readHead(&r)
	p.topics = r.Offset()
	var it ProducePartitions
	it.w.begin(r, p.flexible(), version >= produceTopicID)
	p.NumTopics = max(it.w.topics, 0)
	for part := (ProducePartition{}); it.Next(&part); {
		p.NumPartitions++
	}
	p.tail = it.w.r.Offset()
	it.w.skipTags()
	if it.w.r.Err() != nil {
		return ProduceRequest{}, malformed(Produce, version, "ProduceRequest", &it.w.r)
	}
	return p, nil
}

func (p *ProduceRequest) flexible() bool { return p.Version >= produceFlexible }

// readHead reads the fields in front of the topics.
func (p *ProduceRequest) readHead(r *wire.Reader) {
	p.TransactionalIDNull = true
	if p.Version >= produceTransactional {
		p.TransactionalID, p.TransactionalIDNull = r.FlexNullableString(p.flexible())
	}
	p.Acks = r.Int16()
	p.TimeoutMs = r.Int32()
}

// PeekProduceAcks returns the acks of a Produce request from the start of its
// body: it decides whether an answer will follow, hence must be known before
// the request goes on, however large it is. body may be a prefix: ErrShort asks
// for more. Errors: ErrShort, *VersionError, *MalformedError.
func PeekProduceAcks(version int16, body []byte) (int16, error) {
	if version < 0 || version > produceMaxVersion {
		return 0, &VersionError{Key: Produce, Version: version}
	}
	r := wire.NewReader(body)
	if version >= produceTransactional {
		r.FlexNullableString(version >= produceFlexible)
	}
	acks := r.Int16()
	if r.Err() != nil {
		return 0, headerError(Produce, version, "Acks", len(body), &r)
	}
	return acks, nil
}

// Partitions returns an iterator over all partitions of all topics.
func (p *ProduceRequest) Partitions() (it ProducePartitions) {
	it.w.begin(wire.NewReaderAt(p.body, p.topics), p.flexible(), p.Version >= produceTopicID)
	return it
}

// ProducePartitions iterates over the partitions of a Produce request. It is a
// value: a copy continues on its own from the same place.
type ProducePartitions struct{ w topicWalk }

// Next fills out with the next partition, or returns false at the end.
func (it *ProducePartitions) Next(out *ProducePartition) bool {
	if !it.w.next() {
		return false
	}
	out.Ordinal = it.w.ordinal - 1
	out.Topic, out.TopicID = it.w.topic, it.w.topicID
	out.Partition = it.w.r.Int32()
	out.Records, out.RecordsNull = it.w.r.FlexNullableBytes(it.w.flexible)
	it.w.skipTags()
	return it.w.r.Err() == nil
}

// AppendWithout appends the body of the same request less the partitions for
// which drop returns true, and less the topics that this leaves empty. All that
// stays is copied byte for byte, tags and trailing bytes included. drop is
// called several times per partition and must answer the same each time.
func (p *ProduceRequest) AppendWithout(dst []byte, drop func(ordinal int) bool) []byte {
	topics, dropped := p.countKept(drop)
	if !dropped {
		return append(dst, p.body...)
	}
	dst = append(dst, p.body[:p.topics]...)
	dst = wire.AppendArrayLen(dst, topics, p.flexible())
	r := wire.NewReaderAt(p.body, p.topics)
	ordinal := 0
	for range r.ArrayLen(p.flexible()) {
		key, n := p.readTopic(&r)
		kept := keptOf(drop, ordinal, n)
		skip := kept == 0 && n > 0
		if !skip {
			dst = append(dst, key...)
			dst = wire.AppendArrayLen(dst, kept, p.flexible())
		}
		for range n {
			if part := p.readPartition(&r); !drop(ordinal) {
				dst = append(dst, part...)
			}
			ordinal++
		}
		if tags := p.readTags(&r); !skip {
			dst = append(dst, tags...)
		}
	}
	return append(dst, p.body[p.tail:]...)
}

// countKept returns how many topics stay, and whether any partition goes.
func (p *ProduceRequest) countKept(drop func(int) bool) (topics int, dropped bool) {
	r := wire.NewReaderAt(p.body, p.topics)
	ordinal := 0
	for range r.ArrayLen(p.flexible()) {
		_, n := p.readTopic(&r)
		kept := keptOf(drop, ordinal, n)
		if kept < n {
			dropped = true
		}
		if kept > 0 || n == 0 {
			topics++
		}
		for range n {
			p.readPartition(&r)
		}
		p.readTags(&r)
		ordinal += n
	}
	return topics, dropped
}

// keptOf returns how many of the n partitions from ordinal first on stay.
func keptOf(drop func(int) bool, first, n int) (kept int) {
	for i := range n {
		if !drop(first + i) {
			kept++
		}
	}
	return kept
}

// readTopic reads the name or id of a topic, as its raw bytes, and the number
// of its partitions.
func (p *ProduceRequest) readTopic(r *wire.Reader) (key []byte, partitions int) {
	start := r.Offset()
	if p.Version >= produceTopicID {
		r.Span(16)
	} else {
		r.FlexString(p.flexible())
	}
	key = p.body[start:r.Offset()]
	return key, max(r.ArrayLen(p.flexible()), 0)
}

// readPartition reads a partition as its raw bytes.
func (p *ProduceRequest) readPartition(r *wire.Reader) []byte {
	start := r.Offset()
	r.Int32()
	r.FlexNullableBytes(p.flexible())
	p.readTags(r)
	return p.body[start:r.Offset()]
}

// readTags reads a section of tags as its raw bytes; nothing before v9.
func (p *ProduceRequest) readTags(r *wire.Reader) []byte {
	if !p.flexible() {
		return nil
	}
	start := r.Offset()
	r.SkipTags()
	return p.body[start:r.Offset()]
}
