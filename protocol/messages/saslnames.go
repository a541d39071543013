package messages

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// The functions of this file find the name of the client in the first token of
// a mechanism. They return copies, and "" for what is not understood.

// plainName reads [authzid] NUL authcid NUL password (RFC 4616). As
// PlainSaslServer does, it accepts an authorization id only if it is the
// authentication id.
func plainName(token []byte) string {
	authzid, rest, ok1 := bytes.Cut(token, []byte{0})
	authcid, password, ok2 := bytes.Cut(rest, []byte{0})
	if !ok1 || !ok2 || bytes.IndexByte(password, 0) >= 0 {
		return ""
	}
	if len(authzid) > 0 && !bytes.Equal(authzid, authcid) {
		return ""
	}
	return string(authcid)
}

// scramName reads the client-first-message of RFC 5802:
// n,[a=authzid],[m=...,]n=name,r=nonce[,extensions].
func scramName(token []byte) string {
	parts := strings.Split(string(token[:min(len(token), maxHeader)]), ",")
	if len(parts) < 4 || len(token) > maxHeader || parts[0] != "n" && parts[0] != "y" {
		return ""
	}
	authzid, attributes := parts[1], parts[2:]
	if strings.HasPrefix(attributes[0], "m=") {
		attributes = attributes[1:]
	}
	if len(attributes) < 2 || !strings.HasPrefix(attributes[0], "n=") || !strings.HasPrefix(attributes[1], "r=") {
		return ""
	}
	for _, extension := range attributes[2:] {
		if strings.EqualFold(extension, "tokenauth=true") {
			return "" // a delegation token: the name is the token's id (ScramExtensions, KIP-48)
		}
	}
	name := attributes[0][len("n="):]
	if authzid != "" && authzid != "a="+name {
		return ""
	}
	return scramUnescape(name)
}

// maxHeader bounds how much of a token is searched for a name, in bytes; the
// claims of OAUTHBEARER apart.
const maxHeader = 8 << 10

// scramUnescape undoes =2C and =3D; any other use of = is an error.
func scramUnescape(s string) string {
	if !strings.Contains(s, "=") {
		return strings.Clone(s)
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "=")
		b.WriteString(before)
		switch {
		case !found:
			return b.String()
		case strings.HasPrefix(after, "2C"):
			b.WriteByte(',')
		case strings.HasPrefix(after, "3D"):
			b.WriteByte('=')
		default:
			return ""
		}
		s = after[2:]
	}
}

// oauthBearerName reads the initial client response of RFC 7628:
// n,[a=authzid],^Aauth=Bearer token^A[key=value^A...]^A. An authorization id is
// the principal, since OAuthBearerSaslServer refuses any other. Else it is the
// claim sub of the token, which is read and not verified: that is the broker's
// task, whose acceptance is waited for.
func oauthBearerName(token []byte) string {
	header, rest, found := bytes.Cut(token, []byte{1})
	gs2 := bytes.Split(header[:min(len(header), maxHeader)], []byte{','})
	if !found || len(gs2) != 3 || string(gs2[0]) != "n" || len(gs2[2]) > 0 {
		return ""
	}
	if authzid, ok := bytes.CutPrefix(gs2[1], []byte("a=")); ok && len(authzid) > 0 {
		return scramUnescape(string(authzid))
	}
	for pair := range bytes.SplitSeq(rest, []byte{1}) {
		key, value, _ := bytes.Cut(pair, []byte{'='})
		if string(key) != "auth" {
			continue
		}
		scheme, jwt, _ := bytes.Cut(value, []byte{' '})
		if strings.EqualFold(string(scheme), "bearer") {
			return jwtSubject(bytes.TrimSpace(jwt))
		}
	}
	return ""
}

// maxClaims bounds the claims of a token that are looked at, in bytes of base64.
const maxClaims = 64 << 10

// jwtSubject returns the claim sub of a JWT in compact form (RFC 7519).
func jwtSubject(jwt []byte) string {
	_, rest, _ := bytes.Cut(jwt, []byte{'.'})
	encoded, _, found := bytes.Cut(rest, []byte{'.'})
	if !found || len(encoded) > maxClaims {
		return ""
	}
	encoded = bytes.TrimRight(encoded, "=") // some issuers pad against the letter
	claims := make([]byte, base64.RawURLEncoding.DecodedLen(len(encoded)))
	defer clear(claims)
	if _, err := base64.RawURLEncoding.Decode(claims, encoded); err != nil {
		return ""
	}
	// A map, as keys of a struct would match in any case.
	var values map[string]json.RawMessage
	if json.Unmarshal(claims, &values) != nil {
		return ""
	}
	var sub string
	if json.Unmarshal(values["sub"], &sub) != nil {
		return ""
	}
	return sub
}
