package protocol

import (
	"errors"

	"warder/protocol/wire"
)

// The stable versions of ShareFetch. Version 2 adds fields to the request alone.
const (
	shareFetchMinVersion = 1
	shareFetchMaxVersion = 2
)

// errLongTail is for endpoints that take more than is ever looked at at once.
var errLongTail = errors.New("too many endpoints")

// Acquired is a range of records that a member of a share group is given
// (KIP-932).
type Acquired struct {
	TopicID   [16]byte
	Partition int32
	// First and Last are the offsets of the range, both included.
	First, Last int64
	// DeliveryCount is how often the records were given to somebody, this time
	// included.
	DeliveryCount int16
}

// ShareFetchResponseStream walks a ShareFetch response while it arrives, as
// FetchResponseStream does a Fetch response: record bytes pass through the Cursor
// unseen.
type ShareFetchResponseStream struct {
	s       streamReader
	version int16
	size    int // bytes of the body, for the place of an error
}

// Reset begins a response body of the given version at c, whose Remaining is the
// size of the body. Errors: *VersionError.
func (f *ShareFetchResponseStream) Reset(version int16, c Cursor) error {
	if version < shareFetchMinVersion || version > shareFetchMaxVersion {
		return &VersionError{Key: ShareFetch, Version: version}
	}
	*f = ShareFetchResponseStream{s: streamReader{c: c}, version: version, size: c.Remaining()}
	return nil
}

// Walk goes to the NodeEndpoints behind all partitions. It calls acquired with each
// range of records that the member is given, in order. Errors: that of the Cursor as
// it is, *MalformedError.
func (f *ShareFetchResponseStream) Walk(acquired func(Acquired)) error {
	s := &f.s
	s.skip(4 + 2) // ThrottleTimeMs, ErrorCode
	s.skipCompact()
	s.skip(4) // AcquisitionLockTimeoutMs
	var a Acquired
	for topics := s.arrayLen(true); topics > 0 && s.ok(); topics-- {
		copy(a.TopicID[:], s.peek(len(a.TopicID)))
		s.skip(len(a.TopicID))
		for partitions := s.arrayLen(true); partitions > 0 && s.ok(); partitions-- {
			f.partition(&a, acquired)
		}
		s.skipTags()
	}
	return f.err()
}

func (f *ShareFetchResponseStream) partition(a *Acquired, acquired func(Acquired)) {
	s := &f.s
	a.Partition = s.int32()
	s.skip(2) // ErrorCode
	s.skipCompact()
	s.skip(2) // AcknowledgeErrorCode
	s.skipCompact()
	s.skip(4 + 4) // LeaderId, LeaderEpoch
	s.skipTags()
	s.skipCompact() // Records
	for n := s.arrayLen(true); n > 0 && s.ok(); n-- {
		const size = 8 + 8 + 2
		r := wire.NewReader(s.peek(size))
		a.First, a.Last, a.DeliveryCount = r.Int64(), r.Int64(), r.Int16()
		s.skip(size)
		s.skipTags()
		if s.ok() {
			acquired(*a)
		}
	}
	s.skipTags()
}

// PatchEndpoints says how the rest of the body is to be changed so that the client
// sees the endpoints as m maps them, in the same number of bytes, see
// WalkFetchResponse. It is to be called once Walk has come to its end, and consumes
// nothing.
func (f *ShareFetchResponseStream) PatchEndpoints(m MapEndpoint) (TailPatch, error) {
	rest := f.s.c.Remaining()
	tail := f.s.peek(min(rest, MaxPeek))
	if !f.s.ok() || len(tail) > 0 && tail[0] <= 1 { // none
		return TailPatch{}, f.err()
	}
	patch, err := patchEndpointArray(tail, m)
	if errors.Is(err, ErrShort) && len(tail) < rest {
		err = errLongTail
	}
	if err != nil {
		f.s.malformed(err)
	}
	return TailPatch{Replace: patch}, f.err()
}

// patchEndpointArray returns the array of endpoints at the start of tail, and the
// section of tags behind it, with the endpoints mapped and the size unchanged; nil if
// they stay as they are. What the addresses take less is padding among the tags, or,
// where that has no room, a longer form of the array's length. If they take more there
// are none.
func patchEndpointArray(tail []byte, m MapEndpoint) ([]byte, error) {
	entries, n, size, changed, err := mapEndpointArray(tail, m)
	if err != nil || !changed {
		return nil, err
	}
	tags, err := parseTagSection(tail[size:])
	if err != nil {
		return nil, err
	}
	total := size + tags.size
	for _, array := range [][]byte{entries, nil} {
		if array == nil {
			n = 0
		}
		for widen := range 2 {
			count := uint32(n + 1)
			patch := wire.AppendUvarintWidth(make([]byte, 0, total), count, wire.UvarintLen(count)+widen)
			patch = append(patch, array...)
			if patch = tags.appendExact(patch, total-len(patch)); patch != nil {
				return patch, nil
			}
		}
	}
	return nil, errNoRoom
}

func (f *ShareFetchResponseStream) err() error {
	return f.s.result(ShareFetch, f.version, "ShareFetchResponse", f.size)
}
