package messages

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// MalformedError says that bytes are not the message they claim to be.
type MalformedError struct {
	Key, Version int16
	Field        string // what was being read, such as "Topics.Partitions.ReplicaNodes", in the words of Kafka's message definitions
	Offset       int    // bytes into the body
	Err          error  // one of the reasons of package wire, or more detail
}

// Error names the message, the field and the place.
func (e *MalformedError) Error() string {
	return fmt.Sprintf("malformed %s v%d: %s at byte %d: %v", kmsg.NameForKey(e.Key), e.Version, e.Field, e.Offset, e.Err)
}

// Unwrap returns the reason.
func (e *MalformedError) Unwrap() error { return e.Err }

// VersionError says that this package does not read a message at a version.
type VersionError struct {
	Key, Version int16
}

// Error names the message and the version.
func (e *VersionError) Error() string {
	return fmt.Sprintf("version %d of %s (key %d) is not supported", e.Version, kmsg.NameForKey(e.Key), e.Key)
}

// LimitError says that decoding a message would exceed a bound.
type LimitError struct {
	Key, Version int16
	What         string // "body bytes", or "memory" for what kmsg would allocate
	Got, Max     int    // bytes
}

// Error names the bound and both figures.
func (e *LimitError) Error() string {
	return fmt.Sprintf("%s v%d: %s of %d exceeds the limit of %d", kmsg.NameForKey(e.Key), e.Version, e.What, e.Got, e.Max)
}

// TrailingError says that bytes follow the end of a message. Brokers tolerate
// them, so the message itself is good to read; it must not be encoded anew.
type TrailingError struct {
	Key, Version int16
	Offset       int // bytes of the message proper
	Trailing     int // bytes after it, > 0
}

// Error says how much follows what.
func (e *TrailingError) Error() string {
	return fmt.Sprintf("%d bytes follow the end of %s v%d at byte %d", e.Trailing, kmsg.NameForKey(e.Key), e.Version, e.Offset)
}
