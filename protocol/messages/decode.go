package messages

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Limits bounds what decoding one message may cost. The zero value means the
// defaults.
type Limits struct {
	// MaxBytes bounds the body, in bytes. 0 means DefaultMaxRequest or
	// DefaultMaxResponse.
	MaxBytes int
}

const (
	// DefaultMaxRequest is the largest request body that is decoded, in bytes.
	DefaultMaxRequest = 1 << 20
	// DefaultMaxResponse is the largest response body that is decoded, in bytes.
	// It admits Metadata of some 200,000 partitions with three replicas.
	DefaultMaxResponse = 16 << 20
)

func (l Limits) bytes(byDefault int) int {
	if l.MaxBytes > 0 {
		return l.MaxBytes
	}
	return byDefault
}

// DecodeRequest decodes the body of a request (what follows its header). The
// result owns its strings, but its byte fields alias body.
//
// Errors: *VersionError for a version that kmsg or Kafka does not know,
// *LimitError before anything was allocated, *MalformedError. With a
// *TrailingError the message is returned as well: it may be read, but not
// encoded anew.
func DecodeRequest(key, version int16, body []byte, lim Limits) (kmsg.Request, error) {
	rq := kmsg.RequestForKey(key)
	if rq == nil || version > rq.MaxVersion() {
		return nil, &VersionError{Key: key, Version: version}
	}
	rq.SetVersion(version)
	err := decode(message{key: key, version: version}, rq, body, lim.bytes(DefaultMaxRequest))
	if err != nil && !trailing(err) {
		return nil, err
	}
	return rq, err
}

// DecodeResponse is DecodeRequest for the body of a response.
func DecodeResponse(key, version int16, body []byte, lim Limits) (kmsg.Response, error) {
	resp := kmsg.ResponseForKey(key)
	if resp == nil || version > resp.MaxVersion() {
		return nil, &VersionError{Key: key, Version: version}
	}
	resp.SetVersion(version)
	err := decode(message{key: key, version: version, response: true}, resp, body, lim.bytes(DefaultMaxResponse))
	if err != nil && !trailing(err) {
		return nil, err
	}
	return resp, err
}

// message names what is decoded.
type message struct {
	key, version int16
	response     bool
}

func trailing(err error) bool {
	_, ok := err.(*TrailingError) //nolint:errorlint // made by check, never wrapped
	return ok
}

// kmsgRefused stands for the field when kmsg does not read what check let pass. That
// is a difference between kmsg and Kafka's definitions. One is known: kmsg reads the
// tagged NodeEndpoints of Produce and Fetch, and what later versions of Fetch tag
// besides, in versions that have no such tag yet.
const kmsgRefused = "message"

func decode(m message, into interface{ ReadFrom([]byte) error }, body []byte, maxBytes int) error {
	if len(body) > maxBytes {
		return &LimitError{Key: m.key, Version: m.version, What: "body bytes", Got: len(body), Max: maxBytes}
	}
	tail := check(m, body)
	if tail != nil && !trailing(tail) {
		return tail
	}
	if err := into.ReadFrom(body); err != nil {
		return &MalformedError{Key: m.key, Version: m.version, Field: kmsgRefused, Offset: len(body), Err: err}
	}
	return tail
}
