package fakebroker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxFrame is the largest frame the fake accepts, as socket.request.max.bytes of a broker: 100 MiB.
const maxFrame = 100 << 20

// Frame is one request as it arrived. All slices alias Raw, which the frame owns and nobody writes to again.
type Frame struct {
	Key, Version  int16
	CorrelationID int32
	ClientID      *string // nil when the client sent null
	Raw           []byte  // the whole frame with its 4 length bytes
	Header        []byte  // the request header, as bytes
	Body          []byte  // what follows the header
}

// Request decodes the body with kmsg. It fails for keys kmsg does not know and for malformed bodies.
func (f *Frame) Request() (kmsg.Request, error) {
	req := kmsg.RequestForKey(f.Key)
	if req == nil {
		return nil, fmt.Errorf("key %d is unknown to kmsg", f.Key)
	}
	req.SetVersion(f.Version)
	return req, req.ReadFrom(f.Body)
}

// readFrame reads one length-prefixed message, length included.
// It returns io.EOF only at a frame's border; inside a frame io.ErrUnexpectedEOF.
func readFrame(r io.Reader) ([]byte, error) {
	raw := make([]byte, 4, 512)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(raw)
	if n > maxFrame {
		return nil, fmt.Errorf("frame of %d bytes is larger than %d", n, maxFrame)
	}
	raw = append(raw, make([]byte, n)...)
	if _, err := io.ReadFull(r, raw[4:]); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return raw, nil
}

// parseRequest splits a raw frame into header and body.
func parseRequest(raw []byte) (*Frame, error) {
	r := kbin.Reader{Src: raw[4:]}
	f := &Frame{Raw: raw, Key: r.Int16(), Version: r.Int16(), CorrelationID: r.Int32(), ClientID: r.NullableString()}
	if flexible(f.Key, f.Version) {
		kmsg.SkipTags(&r)
	}
	if !r.Ok() {
		return nil, fmt.Errorf("malformed request header % x", raw[:min(len(raw), 32)])
	}
	f.Body = r.Src
	f.Header = raw[4 : len(raw)-len(r.Src)]
	return f, nil
}

// flexible reports whether requests of this key and version are flexible (header v2).
// Keys unknown to kmsg count as not flexible.
func flexible(key, version int16) bool {
	req := kmsg.RequestForKey(key)
	if req == nil {
		return false
	}
	req.SetVersion(version)
	return req.IsFlexible()
}

// flexibleResponse reports whether the response header carries tags (header v1).
// ApiVersions (18) never does, whatever its version (KIP-511).
func flexibleResponse(key, version int16) bool {
	return key != 18 && flexible(key, version)
}

// AppendResponse appends a complete response frame: length, response header of the right version, body.
func AppendResponse(dst []byte, key, version int16, correlationID int32, body []byte) []byte {
	n := 4 + len(body)
	tags := flexibleResponse(key, version)
	if tags {
		n++
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(n))
	dst = binary.BigEndian.AppendUint32(dst, uint32(correlationID))
	if tags {
		dst = append(dst, 0)
	}
	return append(dst, body...)
}

// AppendRequest appends a complete request frame: length, request header of the right version, body.
// A nil clientID is sent as null.
func AppendRequest(dst []byte, key, version int16, correlationID int32, clientID *string, body []byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(key))
	dst = binary.BigEndian.AppendUint16(dst, uint16(version))
	dst = binary.BigEndian.AppendUint32(dst, uint32(correlationID))
	dst = kbin.AppendNullableString(dst, clientID)
	if flexible(key, version) {
		dst = append(dst, 0)
	}
	dst = append(dst, body...)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}
