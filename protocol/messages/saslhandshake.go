package messages

import (
	"warder/protocol/wire"
)

const keySaslAuthenticate = 36

// ParseSaslHandshake returns the mechanism that a SaslHandshake request asks
// for, such as "PLAIN".
//
// Errors: *VersionError (known are 0 and 1), *MalformedError.
func ParseSaslHandshake(version int16, body []byte) (mechanism string, err error) {
	if version < 0 || version > 1 {
		return "", &VersionError{Key: keySaslHandshake, Version: version}
	}
	r := wire.NewReader(body)
	mechanism = string(r.String())
	if r.Err() != nil {
		return "", &MalformedError{Key: keySaslHandshake, Version: version, Field: "Mechanism", Offset: r.Offset(), Err: r.Err()}
	}
	return mechanism, nil
}

// HeaderlessTokens reports whether a SaslHandshake of that version is followed
// by bare size-prefixed tokens without any Kafka header, instead of
// SaslAuthenticate requests (KIP-152).
func HeaderlessTokens(version int16) bool { return version == 0 }

// SaslHandshakeError returns the error code of a SaslHandshake response: 0,
// UNSUPPORTED_SASL_MECHANISM (33) or ILLEGAL_SASL_STATE (34).
//
// Errors: *VersionError, *MalformedError.
func SaslHandshakeError(version int16, body []byte) (int16, error) {
	if version < 0 || version > 1 {
		return 0, &VersionError{Key: keySaslHandshake, Version: version}
	}
	r := wire.NewReader(body)
	code := r.Int16()
	for range r.ArrayLen(false) {
		if r.String(); r.Err() != nil {
			break
		}
	}
	if r.Err() != nil {
		return 0, &MalformedError{Key: keySaslHandshake, Version: version, Field: "Mechanisms", Offset: r.Offset(), Err: r.Err()}
	}
	return code, nil
}

// AppendUnsupportedSaslHandshake appends the whole answer, without length prefix,
// that refuses the version of a SaslHandshake request: UNSUPPORTED_VERSION and
// no mechanism. It has 10 bytes at either version.
func AppendUnsupportedSaslHandshake(dst []byte, correlationID int32) []byte {
	dst = wire.AppendInt32(dst, correlationID)
	dst = wire.AppendInt16(dst, unsupportedVersion)
	return wire.AppendInt32(dst, 0)
}

// saslToken returns the token of a SaslAuthenticate request; it aliases body.
func saslToken(version int16, body []byte) ([]byte, error) {
	if version < 0 || version > 2 {
		return nil, &VersionError{Key: keySaslAuthenticate, Version: version}
	}
	r := wire.NewReader(body)
	token, _ := r.FlexNullableBytes(version >= 2)
	if r.Err() != nil {
		return nil, &MalformedError{Key: keySaslAuthenticate, Version: version, Field: "AuthBytes", Offset: r.Offset(), Err: r.Err()}
	}
	return token, nil
}

// saslAnswer is a SaslAuthenticate response; token aliases its body.
type saslAnswer struct {
	errorCode  int16
	token      []byte
	lifetimeMs int64 // 0 below version 1
}

func parseSaslAnswer(version int16, body []byte) (saslAnswer, error) {
	if version < 0 || version > 2 {
		return saslAnswer{}, &VersionError{Key: keySaslAuthenticate, Version: version}
	}
	r := wire.NewReader(body)
	a := saslAnswer{errorCode: r.Int16()}
	r.FlexNullableString(version >= 2) // ErrorMessage
	a.token, _ = r.FlexNullableBytes(version >= 2)
	if version >= 1 {
		a.lifetimeMs = r.Int64()
	}
	if r.Err() != nil {
		return saslAnswer{}, &MalformedError{Key: keySaslAuthenticate, Version: version, Field: "AuthBytes", Offset: r.Offset(), Err: r.Err()}
	}
	return a, nil
}
