package format

// maxDepth is the most objects and arrays within each other that are followed.
const maxDepth = 256

// Token is a piece of a JSON text.
type Token uint8

// The tokens. Bad ends a text that is no JSON; Short one that ends too early,
// End one that is complete.
const (
	Bad Token = iota
	Short
	End
	ObjectBegins
	ObjectEnds
	ArrayBegins
	ArrayEnds
	Name // of a member
	StringValue
	NumberValue
	TrueValue
	FalseValue
	NullValue
)

// Tokens reads a JSON text (RFC 8259) token by token, without allocation. Like
// encoding/json it takes any bytes within strings for characters.
type Tokens struct {
	// From and To are where the last token stands: of a name or string within
	// its quotes, still escaped.
	From, To int

	b       []byte
	at      int
	want    want
	depth   int
	objects [maxDepth / 64]uint64 // one bit for each level: an object, not an array
}

// want is what must come next.
type want uint8

const (
	wantValue want = iota
	wantValueOrEnd
	wantName
	wantNameOrEnd
	wantCommaOrEnd
	wantNothing
)

// Tokenize begins to read b.
func Tokenize(b []byte) Tokens { return Tokens{b: b} }

// Depth is how many objects and arrays the last token is in.
func (t *Tokens) Depth() int { return t.depth }

// Next reads a token. After Bad, Short or End it must not be called again.
func (t *Tokens) Next() Token {
	if t.want == wantCommaOrEnd {
		c, ok := t.peek()
		if !ok {
			return Short
		}
		if c != ',' {
			return t.leave(c)
		}
		t.at++
		t.want = wantValue
		if t.inObject() {
			t.want = wantName
		}
	}
	c, ok := t.peek()
	switch {
	case t.want == wantNothing && ok:
		return Bad
	case t.want == wantNothing:
		return End
	case !ok:
		return Short
	case t.want == wantName || t.want == wantNameOrEnd:
		return t.name(c)
	case t.want == wantValueOrEnd && c == ']':
		return t.leave(c)
	}
	return t.value(c)
}

// peek skips white space and gives the next byte.
func (t *Tokens) peek() (byte, bool) {
	for t.at < len(t.b) && space[t.b[t.at]] {
		t.at++
	}
	if t.at == len(t.b) {
		return 0, false
	}
	return t.b[t.at], true
}

var space = [256]bool{' ': true, '\t': true, '\n': true, '\r': true}

func (t *Tokens) inObject() bool { return t.objects[(t.depth-1)/64]>>((t.depth-1)%64)&1 != 0 }

// name reads the name of a member and its colon, or the end of the object.
func (t *Tokens) name(c byte) Token {
	if c == '}' && t.want == wantNameOrEnd {
		return t.leave(c)
	}
	if c != '"' {
		return Bad
	}
	if got := t.quoted(Name); got != Name {
		return got
	}
	c, ok := t.peek()
	if !ok {
		return Short
	}
	if c != ':' {
		return Bad
	}
	t.at++
	t.want = wantValue
	return Name
}

// value reads a value, or the beginning of one.
func (t *Tokens) value(c byte) Token {
	switch c {
	case '{', '[':
		return t.enter(c)
	case '"':
		return t.valued(t.quoted(StringValue))
	case 't':
		return t.valued(t.literal("true", TrueValue))
	case 'f':
		return t.valued(t.literal("false", FalseValue))
	case 'n':
		return t.valued(t.literal("null", NullValue))
	}
	return t.valued(t.number())
}

// valued goes on behind a value.
func (t *Tokens) valued(token Token) Token {
	t.want = wantCommaOrEnd
	if t.depth == 0 {
		t.want = wantNothing
	}
	return token
}

func (t *Tokens) enter(c byte) Token {
	if t.depth == maxDepth {
		return Bad
	}
	t.From, t.To = t.at, t.at+1
	t.at++
	bit := uint64(1) << (t.depth % 64)
	t.objects[t.depth/64] &^= bit
	t.depth++
	if c == '[' {
		t.want = wantValueOrEnd
		return ArrayBegins
	}
	t.objects[(t.depth-1)/64] |= bit
	t.want = wantNameOrEnd
	return ObjectBegins
}

// leave ends an object or array, if c is its end.
func (t *Tokens) leave(c byte) Token {
	object := t.inObject()
	if object && c != '}' || !object && c != ']' {
		return Bad
	}
	t.From, t.To = t.at, t.at+1
	t.at++
	t.depth--
	if object {
		return t.valued(ObjectEnds)
	}
	return t.valued(ArrayEnds)
}

// quoted reads a string that begins here.
func (t *Tokens) quoted(token Token) Token {
	b, i := t.b, t.at+1
	t.From = i
	for {
		for i < len(b) && plainChar[b[i]] {
			i++
		}
		switch {
		case i == len(b):
			return Short
		case b[i] == '"':
			t.To, t.at = i, i+1
			return token
		case b[i] != '\\':
			return Bad
		}
		n := escape(b[i:])
		if n <= 0 {
			return [...]Token{Short, Bad}[-n]
		}
		i += n
	}
}

// plainChar are the bytes of strings that stand for themselves.
var plainChar = func() (t [256]bool) {
	for c := 0x20; c < 256; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// escape gives the length of the escape that b begins with; 0 if b is too short, -1 if
// it is none.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		digits := b[2:min(len(b), 6)]
		for _, c := range digits {
			if !hexDigit[c] {
				return -1
			}
		}
		if len(digits) < 4 {
			return 0
		}
		return 6
	}
	return -1
}

var hexDigit = func() (t [256]bool) {
	for _, c := range hexDigits {
		t[c] = true
	}
	return t
}()

const hexDigits = "0123456789abcdefABCDEF"

func (t *Tokens) literal(word string, token Token) Token {
	rest := t.b[t.at:]
	n := min(len(rest), len(word))
	if string(rest[:n]) != word[:n] {
		return Bad
	}
	if n < len(word) {
		return Short
	}
	t.From, t.To = t.at, t.at+n
	t.at += n
	return token
}

// number reads a number: an optional minus, digits without a leading zero, an
// optional fraction and exponent.
func (t *Tokens) number() Token {
	b, i := t.b, t.at
	if b[i] == '-' {
		i++
	}
	whole := digits(b, i)
	switch {
	case whole == i:
		return missing(b, i)
	case b[i] == '0' && whole > i+1:
		return Bad
	}
	i = whole
	if i < len(b) && b[i] == '.' {
		end := digits(b, i+1)
		if end == i+1 {
			return missing(b, end)
		}
		i = end
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		end := digits(b, i)
		if end == i {
			return missing(b, end)
		}
		i = end
	}
	t.From, t.To, t.at = t.at, i, i
	return NumberValue
}

// digits gives where the digits that begin at i end.
func digits(b []byte, i int) int {
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	return i
}

// missing is what is said when a digit should stand at i.
func missing(b []byte, i int) Token {
	if i == len(b) {
		return Short
	}
	return Bad
}

// validJSON says whether b is JSON. Of a long text the beginning decides, and
// that it ends with the bracket that it began with.
func validJSON(b []byte) bool {
	head := b[:min(len(b), scanned)]
	t := Tokenize(head)
	for {
		switch t.Next() {
		case Bad:
			return false
		case End:
			return len(head) == len(b)
		case Short:
			return len(head) < len(b) && closes(b)
		default:
		}
	}
}

// closes says whether b ends with the bracket or quote that belongs to its
// first.
func closes(b []byte) bool {
	i := len(b)
	for i > 0 && space[b[i-1]] {
		i--
	}
	switch firstByte(b) {
	case '{':
		return b[i-1] == '}'
	case '[':
		return b[i-1] == ']'
	case '"':
		return b[i-1] == '"'
	}
	return false
}
