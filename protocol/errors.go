package protocol

import (
	"fmt"

	"warder/protocol/wire"
)

// ErrShort says that more bytes of the frame are needed before an answer can
// be given. Only the functions that accept a prefix of a message return it
// bare; elsewhere a message that ends early is a *MalformedError.
var ErrShort = wire.ErrShort

// MalformedError says that bytes do not form the message they claim to be.
type MalformedError struct {
	Key     APIKey // the API, -1 while it is not known
	Version int16
	Field   string // what was being read, in the words of Kafka's message definitions
	Offset  int    // bytes into the header or body where reading stopped
	Err     error  // one of the reasons of package wire, or more detail
}

// Error names the API, the version, the field and the place.
func (e *MalformedError) Error() string {
	name := "frame"
	if e.Key >= 0 {
		name = fmt.Sprintf("%s v%d", APIName(e.Key), e.Version)
	}
	return fmt.Sprintf("malformed %s: %s at byte %d: %v", name, e.Field, e.Offset, e.Err)
}

// Unwrap returns the reason.
func (e *MalformedError) Unwrap() error { return e.Err }

// LimitError says that something a peer asks for exceeds a configured bound.
type LimitError struct {
	What string // in words for the operator, such as "frame size"
	Got  int64
	Max  int64
}

// Error names the bound and both figures.
func (e *LimitError) Error() string {
	return fmt.Sprintf("%s of %d exceeds the limit of %d", e.What, e.Got, e.Max)
}

// VersionError says that a message has a version that this package does not
// decode. A broker closes the connection on such a request, ApiVersions apart.
type VersionError struct {
	Key     APIKey
	Version int16
}

// Error names the API and the version.
func (e *VersionError) Error() string {
	return fmt.Sprintf("version %d of %s (key %d) is not supported", e.Version, APIName(e.Key), e.Key)
}
