package protocol

import (
	"errors"

	"warder/protocol/wire"
)

// RequestHeader is the part of a request that all APIs share.
type RequestHeader struct {
	Key           APIKey
	Version       int16
	CorrelationID int32
	ClientID      []byte // aliases the frame; empty when null, which means the same
	ClientIDNull  bool
	Size          int  // bytes of the header: the body starts there
	HeaderVersion int8 // 0, 1 or 2
	API           *API // the row of the table; nil for an unknown key
}

// Sizes of the fixed parts, in bytes.
const (
	// FrameLengthSize is the size of the length that precedes each frame.
	FrameLengthSize = 4
	// MinRequestHeader is the size of request header v0: key, version and
	// correlation id.
	MinRequestHeader = 8
	// MinResponseHeader is the size of response header v0: the correlation id.
	MinResponseHeader = 4
)

// ParseRequestHeader reads the header at the start of b, which begins after
// the length of the frame and may be a prefix of it: ErrShort asks for more.
// The header version comes from the table. An unknown key leaves API nil and is
// read as header v1, whose fields every later header version starts with, so
// that the request can at least be named; whether tags follow is not known, and
// Size ends before them.
//
// Errors: ErrShort, *MalformedError.
func ParseRequestHeader(b []byte) (RequestHeader, error) {
	r := wire.NewReader(b)
	h := RequestHeader{Key: r.Int16(), Version: r.Int16(), CorrelationID: r.Int32()}
	if r.Err() != nil {
		return RequestHeader{}, ErrShort
	}
	h.API = LookupAPI(h.Key)
	h.HeaderVersion = RequestHeaderVersion(h.Key, h.Version)
	field := "client id"
	if h.HeaderVersion >= 1 {
		// The client id keeps its classic encoding in header v2 as well
		// (RequestHeader.json: flexibleVersions none).
		h.ClientID, h.ClientIDNull = r.NullableString()
	}
	if h.HeaderVersion >= 2 && r.Err() == nil {
		field = "header tags"
		r.SkipTags()
	}
	h.Size = r.Offset()
	if err := r.Err(); err != nil {
		return RequestHeader{}, headerError(h.Key, h.Version, field, len(b), &r)
	}
	return h, nil
}

// headerError tells a header that may still become whole from one that cannot.
func headerError(key APIKey, version int16, field string, have int, r *wire.Reader) error {
	if errors.Is(r.Err(), wire.ErrShort) && have < MaxRequestHeader {
		return ErrShort
	}
	return &MalformedError{Key: key, Version: version, Field: field, Offset: r.Offset(), Err: r.Err()}
}

// RequestHeaderVersion returns the version of the request header: 2 for
// flexible versions, 1 for the others and for unknown keys, and 0 for
// ControlledShutdown v0 alone, which has no client id
// (ApiMessageTypeGenerator.java).
func RequestHeaderVersion(key APIKey, version int16) int8 {
	if key == ControlledShutdown && version == 0 {
		return 0
	}
	if a := LookupAPI(key); a != nil && a.Flexible(version) {
		return 2
	}
	return 1
}

// ResponseHeaderVersion returns the version of the response header: 1 for
// flexible versions, else 0. ApiVersions has 0 always, flexible or not, so that
// a client can read the answer to a version that the broker does not know
// (KIP-511).
func ResponseHeaderVersion(key APIKey, version int16) int8 {
	if a := LookupAPI(key); a != nil && a.Flexible(version) && key != ApiVersions {
		return 1
	}
	return 0
}

// ResponseHeaderSize returns the size of the response header at the start of
// b: the correlation id and, for flexible versions, the tags. b may be a prefix
// of the frame: ErrShort asks for more. Errors: ErrShort, *MalformedError.
func ResponseHeaderSize(key APIKey, version int16, b []byte) (int, error) {
	r := wire.NewReader(b)
	r.Int32()
	if ResponseHeaderVersion(key, version) >= 1 {
		r.SkipTags()
	}
	if r.Err() != nil {
		return 0, headerError(key, version, "header tags", len(b), &r)
	}
	return r.Offset(), nil
}

// AppendRequestHeader appends a request header of ours, without a length and
// with no tags. It serves requests that warder itself sends; a client's header
// is forwarded as it came.
func AppendRequestHeader(dst []byte, key APIKey, version int16, correlationID int32, clientID string) []byte {
	dst = wire.AppendInt16(dst, key)
	dst = wire.AppendInt16(dst, version)
	dst = wire.AppendInt32(dst, correlationID)
	v := RequestHeaderVersion(key, version)
	if v >= 1 {
		dst = wire.AppendString(dst, clientID)
	}
	if v >= 2 {
		dst = append(dst, 0)
	}
	return dst
}

// AppendResponseHeader appends a response header, without a length and with no
// tags, for an answer that warder gives itself.
func AppendResponseHeader(dst []byte, key APIKey, version int16, correlationID int32) []byte {
	dst = wire.AppendInt32(dst, correlationID)
	if ResponseHeaderVersion(key, version) >= 1 {
		dst = append(dst, 0)
	}
	return dst
}
