package messages

import "github.com/twmb/franz-go/pkg/kmsg"

// Request gives the parser of a request that is read as kmsg has it, within the
// bounds of DecodeRequest; bytes that follow the message are forgiven. Its byte
// fields alias the body.
//
// Errors of the parser: *VersionError, *LimitError, *MalformedError.
func Request[M kmsg.Request](like M) func(version int16, body []byte, lim Limits) (M, error) {
	key := like.Key()
	return func(version int16, body []byte, lim Limits) (M, error) {
		return read[M](DecodeRequest(key, version, body, lim))
	}
}

// Response is Request for a response.
func Response[M kmsg.Response](like M) func(version int16, body []byte, lim Limits) (M, error) {
	key := like.Key()
	return func(version int16, body []byte, lim Limits) (M, error) {
		return read[M](DecodeResponse(key, version, body, lim))
	}
}
