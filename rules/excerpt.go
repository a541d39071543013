package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// KeyText names a record key without showing it: sha256: and the first 8 hex
// digits of its hash, enough to find it again for who has the key. A null key
// is "null".
func KeyText(key []byte) string {
	if key == nil {
		return "null"
	}
	sum := sha256.Sum256(key)
	return "sha256:" + hex.EncodeToString(sum[:4])
}

// Excerpt copies at most n bytes of text for a person, in printable ASCII:
// anything else becomes a question mark, and three dots end what was cut.
func Excerpt[T ~string | ~[]byte](text T, n int) string {
	cut := len(text) > n
	if cut {
		text = text[:max(n-3, 0)]
	}
	var b strings.Builder
	b.Grow(len(text) + 3)
	for _, r := range string(text) {
		if r < ' ' || r > '~' {
			r = '?'
		}
		b.WriteRune(r)
	}
	if cut {
		b.WriteString("...")
	}
	return b.String()
}
