package messages

import (
	"math"

	"warder/protocol/wire"
)

const (
	keyProduce       = 0
	keySaslHandshake = 17
	keyApiVersions   = 18

	unsupportedVersion = 35 // UNSUPPORTED_VERSION of Errors.java
)

// APIRange is an API and the versions of it that a broker offers.
type APIRange struct{ Key, Min, Max int16 }

// ClampApiVersions narrows the ranges of an ApiVersions response to what the
// proxy reads. Body is the response without its header (which is version 0 at
// every version). A body with UNSUPPORTED_VERSION is read as version 0 whatever
// was asked, as brokers send it so.
//
// rng gives the versions of an API that clients may use; known is false for
// one that the proxy does not know, which is then dropped, or kept as it is
// with passUnknown. A known API whose range has lowest above highest is dropped
// always, and so is one where broker and proxy have no version in common.
// Produce keeps the minimum that the broker states: 4.x states 0 though it
// serves 3 and above, since librdkafka turns compression off otherwise
// (KAFKA-18659).
//
// The result is appended to dst; if nothing changes, out is body itself.
// Everything beside the ranges is copied byte for byte: tags of entries, throttle
// time, the features of KIP-584 in the tags at the end. Effective lists what the
// client is going to see, in the order of the response.
//
// Errors: *VersionError (known are 0 to 5), *MalformedError; then out is nil.
func ClampApiVersions(dst []byte, version int16, body []byte, rng func(key int16) (lowest, highest int16, known bool), passUnknown bool) (out []byte, effective []APIRange, err error) {
	if version < 0 || version > 5 {
		return nil, nil, &VersionError{Key: keyApiVersions, Version: version}
	}
	r := wire.NewReader(body)
	if r.Int16() == unsupportedVersion {
		version = 0
	}
	flexible := version >= 3
	n := r.ArrayLen(flexible)
	entriesAt := r.Offset()
	effective = make([]APIRange, 0, min(max(n, 0), r.Remaining()/minRangeBytes))
	var entries []byte
	copied := entriesAt // bytes of body that are in entries, or need not be
	for range n {
		start := r.Offset()
		was := APIRange{Key: r.Int16(), Min: r.Int16(), Max: r.Int16()}
		if flexible {
			r.SkipTags()
		}
		if r.Err() != nil {
			break
		}
		is, keep := clamp(was, rng, passUnknown)
		if keep {
			effective = append(effective, is)
		}
		switch {
		case !keep:
			entries = append(entries, body[copied:start]...)
			copied = r.Offset()
		case is != was:
			entries = append(entries, body[copied:start+2]...)
			entries = wire.AppendInt16(entries, is.Min)
			entries = wire.AppendInt16(entries, is.Max)
			copied = start + 6
		}
	}
	if version >= 1 {
		r.Int32() // ThrottleTimeMs
	}
	if flexible {
		r.SkipTags()
	}
	if r.Err() != nil {
		return nil, nil, &MalformedError{Key: keyApiVersions, Version: version, Field: "ApiKeys", Offset: r.Offset(), Err: r.Err()}
	}
	if copied == entriesAt {
		return body, effective, nil
	}
	dst = append(dst, body[:2]...)
	dst = wire.AppendArrayLen(dst, len(effective), flexible)
	dst = append(dst, entries...)
	return append(dst, body[copied:]...), effective, nil
}

// minRangeBytes is the least that an entry of ApiKeys takes.
const minRangeBytes = 6

// clamp returns the range to show for one entry, or keep false to drop it.
func clamp(was APIRange, rng func(key int16) (lowest, highest int16, known bool), passUnknown bool) (is APIRange, keep bool) {
	lowest, highest, known := rng(was.Key)
	if !known {
		return was, passUnknown
	}
	if lowest > highest {
		return was, false
	}
	if is = (APIRange{was.Key, max(was.Min, lowest), min(was.Max, highest)}); is.Min > is.Max {
		return is, false
	}
	if was.Key == keyProduce {
		is.Min = was.Min
	}
	return is, true
}

// ApiVersionsRequest is what a client says of itself in ApiVersions.
type ApiVersionsRequest struct {
	// Name and Version are of the client's software, from version 3 of the
	// request on, else empty; only Valid says whether they are fit to be shown.
	Name, Version string
	// Valid says that a broker accepts Name and Version (KIP-511): both match
	// [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?. True below version 3. A broker
	// answers INVALID_REQUEST to what is not valid.
	Valid bool
	// ClusterID and NodeID are what the client expects to have reached, from
	// version 5 on (KIP-1242); "" and -1 when it expects nothing.
	ClusterID string
	NodeID    int32
}

// ParseApiVersionsRequest reads the body of an ApiVersions request.
//
// Errors: *VersionError, *MalformedError.
func ParseApiVersionsRequest(version int16, body []byte) (ApiVersionsRequest, error) {
	rq := ApiVersionsRequest{Valid: true, NodeID: -1}
	if version < 0 || version > 5 {
		return rq, &VersionError{Key: keyApiVersions, Version: version}
	}
	if version < 3 {
		return rq, nil
	}
	r := wire.NewReader(body)
	rq.Name, rq.Version = string(r.CompactString()), string(r.CompactString())
	rq.Valid = softwareName(rq.Name) && softwareName(rq.Version)
	if version >= 5 {
		id, _ := r.NullableCompactString()
		rq.ClusterID, rq.NodeID = string(id), r.Int32()
	}
	r.SkipTags()
	if r.Err() != nil {
		return ApiVersionsRequest{NodeID: -1}, &MalformedError{Key: keyApiVersions, Version: version, Field: "ClientSoftwareName", Offset: r.Offset(), Err: r.Err()}
	}
	return rq, nil
}

// softwareName reports whether s fits SOFTWARE_NAME_VERSION_PATTERN of ApiVersionsRequest.java.
func softwareName(s string) bool {
	if s == "" || len(s) > math.MaxInt16 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case (c == '-' || c == '.') && i > 0 && i < len(s)-1:
		default:
			return false
		}
	}
	return true
}
