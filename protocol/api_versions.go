package protocol

import "warder/protocol/wire"

// CodeUnsupportedVersion is the error UNSUPPORTED_VERSION of Errors.java.
const CodeUnsupportedVersion = 35

// AppendUnsupportedApiVersions appends the whole answer, without a length, to
// an ApiVersions request of a version that warder does not decode: whatever
// was asked, a response header v0 and a body v0 with UNSUPPORTED_VERSION and
// the range of ApiVersions alone, as a broker answers. The client then asks
// again on the same connection (KIP-511).
func AppendUnsupportedApiVersions(dst []byte, correlationID int32) []byte {
	a := LookupAPI(ApiVersions)
	dst = AppendResponseHeader(dst, ApiVersions, 0, correlationID)
	dst = wire.AppendInt16(dst, CodeUnsupportedVersion)
	dst = wire.AppendArrayLen(dst, 1, false)
	dst = wire.AppendInt16(dst, a.Key)
	dst = wire.AppendInt16(dst, a.Min)
	return wire.AppendInt16(dst, a.Max)
}
