package format

import "unicode/utf8"

// textScanned is the most bytes that are looked at for being text.
const textScanned = 4 << 10

// printable are the ASCII characters that texts consist of.
var printable = func() (t [utf8.RuneSelf]bool) {
	for c := ' '; c <= '~'; c++ {
		t[c] = true
	}
	t['\t'], t['\n'], t['\r'] = true, true, true
	return t
}()

// text says whether b is valid UTF-8 of which at least 95 % is printable. Of a
// long one the beginning decides, which may end within a character.
func text(b []byte) bool {
	cut := len(b) > textScanned
	b = b[:min(len(b), textScanned)]
	odd, runes := 0, 0
	for i := 0; i < len(b); runes++ {
		if c := b[i]; c < utf8.RuneSelf {
			if !printable[c] {
				odd++
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			if cut && !utf8.FullRune(b[i:]) {
				break
			}
			return false
		}
		if r < 0xa0 || r == utf8.RuneError {
			odd++
		}
		i += size
	}
	return odd*20 <= runes
}

// utf16 says whether b is text in UTF-16: it begins with a byte order mark and
// has an even length, or every second byte is zero and the others are printable ASCII.
func utf16(b []byte) bool {
	if len(b) < 4 || len(b)%2 != 0 {
		return false
	}
	if b[0] == 0xff && b[1] == 0xfe || b[0] == 0xfe && b[1] == 0xff {
		return len(b) > shortest
	}
	if len(b) <= shortest || (b[0] == 0) == (b[1] == 0) {
		return false
	}
	high := 0 // index of the zero in each pair
	if b[1] == 0 {
		high = 1
	}
	b = b[:min(len(b), 256)]
	for i := 0; i+1 < len(b); i += 2 {
		if c := b[i+1-high]; b[i+high] != 0 || c >= utf8.RuneSelf || !printable[c] {
			return false
		}
	}
	return true
}
