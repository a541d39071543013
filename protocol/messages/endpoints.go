package messages

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"warder/protocol/wire"
)

// The responses of broker listeners that carry addresses of brokers, beside
// Produce and Fetch, which package protocol rewrites.
const (
	keyMetadata         = 3
	keyFindCoordinator  = 10
	keyDescribeCluster  = 60
	keyShareFetch       = 78
	keyShareAcknowledge = 79
)

// errNoEndpoints is for a caller who asks for a message without addresses.
var errNoEndpoints = errors.New("this response carries no broker addresses")

// coordinatorNotAvailable is COORDINATOR_NOT_AVAILABLE of Errors.java: clients
// ask again after a pause.
const coordinatorNotAvailable = 15

// RewriteEndpoints maps every broker address of a response: Metadata (3),
// FindCoordinator (10), DescribeCluster (60), ShareFetch (78) or
// ShareAcknowledge (79), at every version of Kafka 0.11 to 4.4. E is the caller's
// struct for a broker's address, such as protocol.Endpoint. Body is the response
// without its header.
//
// The result is appended to dst. If nothing changes, out is body itself, nothing
// is copied, and changed is false. All but hosts and ports is copied byte for
// byte, in the same order; node ids stay.
//
// m is called once per entry, in order, and returns what the client shall see; the
// NodeID of its result is ignored. Keep false takes an entry out; for
// FindCoordinator it turns the entry into COORDINATOR_NOT_AVAILABLE with no node,
// so that the client asks again. A mapped host that does not fit a Kafka string
// or a port outside 1..65535 counts as keep false. Entries that stand for no broker
// (negative node id or empty host: Node.noNode in Java) are left alone, and m is
// not asked. Thus no single entry can make the whole answer fail.
//
// Errors: *VersionError, *MalformedError; then out is nil.
func RewriteEndpoints[E ~struct {
	NodeID int32
	Host   string
	Port   int32
}](dst []byte, key, version int16, body []byte, m func(E) (mapped E, keep bool)) (out []byte, changed bool, err error) {
	s := splicer{
		reader: wire.NewReader(body), body: body, out: dst, version: version,
		mapEndpoint: func(nodeID int32, host string, port int32) (string, int32, bool) {
			to, keep := m(E{NodeID: nodeID, Host: host, Port: port})
			to2 := endpoint(to)
			return to2.Host, to2.Port, keep && 0 < to2.Port && to2.Port <= math.MaxUint16 &&
				to2.Host != "" && len(to2.Host) <= math.MaxInt16
		},
	}
	if !s.rewrite(key) {
		return nil, false, &VersionError{Key: key, Version: version}
	}
	if err := s.reader.Err(); err != nil {
		return nil, false, &MalformedError{Key: key, Version: version, Field: s.field, Offset: s.reader.Offset(), Err: err}
	}
	if !s.changed {
		return body, false, nil
	}
	return append(s.out, body[s.copied:]...), true, nil
}

// endpoint has the shape that RewriteEndpoints asks of its callers' types.
type endpoint struct {
	NodeID int32
	Host   string
	Port   int32
}

// splicer copies a message while it reads it, up to and with the entries it maps.
type splicer struct {
	version     int16
	flexible    bool
	body        []byte
	reader      wire.Reader
	field       string // what is being read, for errors
	out         []byte // the message so far
	copied      int    // bytes of body that out accounts for
	changed     bool
	mapEndpoint func(nodeID int32, host string, port int32) (string, int32, bool)
}

// rewrite reads the message up to its last address. It reports whether key at
// the version is one that it reads.
func (s *splicer) rewrite(key int16) bool {
	v, r := s.version, &s.reader
	in := func(lowest, highest, flexibleFrom int16) bool {
		s.flexible = v >= flexibleFrom
		return lowest <= v && v <= highest
	}
	switch key {
	case keyMetadata:
		if !in(0, 13, 9) {
			return false
		}
		if v >= 3 {
			r.Int32() // ThrottleTimeMs
		}
		s.field = "Brokers"
		s.brokers(v >= 1, 0)
	case keyFindCoordinator:
		if !in(0, 6, 3) {
			return false
		}
		s.findCoordinator()
	case keyDescribeCluster:
		if !in(0, 2, 0) {
			return false
		}
		s.describeCluster()
	case keyShareFetch, keyShareAcknowledge:
		if !in(1, 2, 0) {
			return false
		}
		s.share(key)
	default:
		s.reader.Fail(errNoEndpoints)
	}
	return true
}

// brokers maps an array of {NodeId, Host, Port, Rack if rack, extra bytes, tags}:
// MetadataResponseBroker, DescribeClusterBroker and NodeEndpoint.
func (s *splicer) brokers(rack bool, extra int) {
	r := &s.reader
	countAt := r.Offset()
	n := r.ArrayLen(s.flexible)
	entriesAt := r.Offset()
	var entries []byte // the mapped entries so far, once one has changed
	kept, copied, changed := n, entriesAt, false
	for range n {
		start := r.Offset()
		nodeID := r.Int32()
		hostAt := r.Offset()
		host := r.FlexString(s.flexible)
		port := r.Int32()
		portEnd := r.Offset()
		if rack {
			r.FlexNullableString(s.flexible)
		}
		r.Span(extra)
		if s.flexible {
			r.SkipTags()
		}
		if r.Err() != nil {
			return
		}
		if nodeID < 0 || len(host) == 0 {
			continue
		}
		toHost, toPort, keep := s.mapEndpoint(nodeID, string(host), port)
		switch {
		case !keep:
			entries = append(entries, s.body[copied:start]...)
			copied = r.Offset()
			kept--
			changed = true
		case toHost != string(host) || toPort != port:
			entries = append(entries, s.body[copied:hostAt]...)
			entries = wire.AppendFlexString(entries, toHost, s.flexible)
			entries = wire.AppendInt32(entries, toPort)
			copied = portEnd
			changed = true
		}
	}
	if !changed || r.Err() != nil {
		return
	}
	s.copyTo(countAt)
	s.out = wire.AppendArrayLen(s.out, kept, s.flexible)
	s.out = append(s.out, entries...)
	s.copied, s.changed = copied, true
}

func (s *splicer) describeCluster() {
	r := &s.reader
	s.field = "ClusterId"
	r.Int32() // ThrottleTimeMs
	r.Int16() // ErrorCode
	r.NullableCompactString()
	if s.version >= 1 && r.Int8() == endpointTypeControllers {
		return // a controller listener's own answer: not addresses of brokers
	}
	r.CompactString() // ClusterId
	r.Int32()         // ControllerId
	s.field = "Brokers"
	extra := 0
	if s.version >= 2 {
		extra = 1 // IsFenced
	}
	s.brokers(true, extra)
}

// endpointTypeControllers is EndpointType.CONTROLLER of DescribeClusterResponse.
const endpointTypeControllers = 2

func (s *splicer) findCoordinator() {
	r := &s.reader
	s.field = "ThrottleTimeMs"
	if s.version >= 1 {
		r.Int32()
	}
	if s.version < 4 {
		s.field = "Host"
		errorAt := r.Offset()
		r.Int16()
		messageAt := r.Offset()
		if s.version >= 1 {
			r.FlexNullableString(s.flexible)
		}
		nodeAt := r.Offset()
		nodeID, host, port := r.Int32(), r.FlexString(s.flexible), r.Int32()
		end := r.Offset()
		s.coordinator(nodeID, host, port, nodeAt, end, func(message string) {
			s.copyTo(errorAt)
			s.out = wire.AppendInt16(s.out, coordinatorNotAvailable)
			s.copied = messageAt
			if s.version >= 1 {
				s.out = wire.AppendFlexString(s.out, message, s.flexible)
				s.copied = nodeAt
			}
			s.noNode()
			s.copied = end
		})
		return
	}
	s.field = "Coordinators"
	for range r.ArrayLen(true) {
		if r.Err() != nil {
			return
		}
		r.CompactString() // Key
		nodeAt := r.Offset()
		nodeID, host, port := r.Int32(), r.CompactString(), r.Int32()
		errorAt := r.Offset()
		r.Int16()
		r.NullableCompactString() // ErrorMessage
		end := r.Offset()
		r.SkipTags()
		s.coordinator(nodeID, host, port, nodeAt, errorAt, func(message string) {
			s.copyTo(nodeAt)
			s.noNode()
			s.out = wire.AppendInt16(s.out, coordinatorNotAvailable)
			s.out = wire.AppendCompactString(s.out, message)
			s.copied = end
		})
	}
}

// coordinator maps one {NodeId, Host, Port} that lies between nodeAt and end;
// refuse writes the entry as an error instead.
func (s *splicer) coordinator(nodeID int32, host []byte, port int32, nodeAt, end int, refuse func(message string)) {
	if s.reader.Err() != nil || nodeID < 0 || len(host) == 0 {
		return
	}
	toHost, toPort, keep := s.mapEndpoint(nodeID, string(host), port)
	switch {
	case !keep:
		s.changed = true
		refuse(fmt.Sprintf("The coordinator is broker %d, for which the proxy has no address yet.", nodeID))
	case toHost != string(host) || toPort != port:
		s.changed = true
		s.copyTo(nodeAt + 4)
		s.out = wire.AppendFlexString(s.out, toHost, s.flexible)
		s.out = wire.AppendInt32(s.out, toPort)
		s.copied = end
	}
}

// noNode appends what Kafka sends for Node.noNode.
func (s *splicer) noNode() {
	s.out = wire.AppendInt32(s.out, -1)
	s.out = wire.AppendFlexString(s.out, "", s.flexible)
	s.out = wire.AppendInt32(s.out, -1)
}

// share steps over the topics of ShareFetch and ShareAcknowledge to NodeEndpoints,
// an ordinary array in both.
func (s *splicer) share(key int16) {
	r := &s.reader
	fetch := key == keyShareFetch
	s.field = "ErrorMessage"
	r.Int32() // ThrottleTimeMs
	r.Int16() // ErrorCode
	r.NullableCompactString()
	if fetch || s.version >= 2 {
		r.Int32() // AcquisitionLockTimeoutMs
	}
	s.field = "Responses"
	for range r.ArrayLen(true) {
		if r.Err() != nil {
			return
		}
		r.UUID() // TopicId
		for range r.ArrayLen(true) {
			if r.Err() != nil {
				return
			}
			s.sharePartition(fetch)
		}
		r.SkipTags()
	}
	s.field = "NodeEndpoints"
	s.brokers(true, 0)
}

func (s *splicer) sharePartition(fetch bool) {
	r := &s.reader
	r.Int32() // PartitionIndex
	r.Int16() // ErrorCode
	r.NullableCompactString()
	if fetch {
		r.Int16() // AcknowledgeErrorCode
		r.NullableCompactString()
	}
	r.Span(8) // CurrentLeader: LeaderId, LeaderEpoch
	r.SkipTags()
	if fetch {
		r.NullableCompactBytes() // Records
		for range r.ArrayLen(true) {
			if r.Err() != nil {
				return
			}
			r.Span(18) // FirstOffset, LastOffset, DeliveryCount
			r.SkipTags()
		}
	}
	r.SkipTags()
}

// roomToGrow is for addresses that are longer than those they replace, in bytes.
const roomToGrow = 512

// copyTo copies what lies before at and was not yet accounted for.
func (s *splicer) copyTo(at int) {
	if s.copied == 0 {
		s.out = slices.Grow(s.out, len(s.body)+roomToGrow)
	}
	s.out = append(s.out, s.body[s.copied:at]...)
	s.copied = at
}
