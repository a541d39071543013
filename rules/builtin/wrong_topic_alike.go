package builtin

import (
	"math/bits"
	"strings"
)

// likeness says how two topic names look alike.
type likeness uint8

const (
	unlike likeness = iota
	// alikeButPunctuation: only case, or `.`, `_` and `-`, differ. Brokers
	// themselves refuse some of these pairs (Topic.hasCollision).
	alikeButPunctuation
	// alikeVariant: only a version (`-v2`), an environment (`.dev`) or a plural s
	// differs.
	alikeVariant
	// alikeSpelling: one or two slips of the keyboard.
	alikeSpelling
)

var likenessNames = [...]string{"", "case or punctuation", "version, environment or plural", "spelling"}

// String says what differs.
func (l likeness) String() string { return likenessNames[l] }

// topicForm is a topic name made ready to be compared.
type topicForm struct {
	name string
	// words of the name without what makes a variant, in lower case, with one
	// `-` between them.
	words string
	// letters is how long words is without the `-`.
	letters int
	// mask has a bit for each letter that occurs, another for each that occurs
	// again, and one for each digit: two names that are d slips apart differ in
	// 2d bits at most.
	mask uint64
}

// environments are words that say where a topic belongs rather than what it holds.
var environments = map[string]bool{
	"dev": true, "test": true, "qa": true, "uat": true, "stg": true, "stage": true, "staging": true, "int": true,
	"sandbox": true, "local": true, "preprod": true, "prd": true, "prod": true, "production": true,
}

// onesBetween counts the bits that only one of two masks has.
func onesBetween(a, b uint64) int { return bits.OnesCount64(a ^ b) }

func newTopicForm(name string) topicForm {
	f := topicForm{name: name}
	lower := strings.ToLower(name)
	kept := func(word string) bool { return !isVersion(word) && !environments[word] }
	f.words = joinWords(lower, kept)
	if f.words == "" { // such as "v2": nothing else would be left of it
		f.words = joinWords(lower, func(string) bool { return true })
	}
	if f.words == name {
		f.words = name // one string, not two
	}
	for i := range len(f.words) {
		switch c := f.words[i]; {
		case c == '-':
			continue
		case 'a' <= c && c <= 'z':
			once := uint64(1) << (2 * (c - 'a'))
			f.mask |= once | f.mask&once<<1
		default:
			f.mask |= 1 << (52 + c%12)
		}
		f.letters++
	}
	return f
}

// joinWords writes the kept words of a name, each without a plural s.
func joinWords(name string, kept func(string) bool) string {
	var b strings.Builder
	for word := range strings.FieldsFuncSeq(name, isPunctuation) {
		if !kept(word) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('-')
		}
		b.WriteString(singular(word))
	}
	return b.String()
}

func isPunctuation(r rune) bool { return r == '.' || r == '_' || r == '-' }

// isVersion is v1, v22.
func isVersion(word string) bool {
	return len(word) > 1 && word[0] == 'v' && strings.Trim(word[1:], "0123456789") == ""
}

func singular(word string) string {
	if len(word) > 3 && word[len(word)-1] == 's' && word[len(word)-2] != 's' {
		return word[:len(word)-1]
	}
	return word
}

// maxSlips is how many slips of the keyboard make a look-alike: two, one in names
// under six characters.
func maxSlips(a, b string) int {
	if min(len(a), len(b)) < 6 {
		return 1
	}
	return 2
}

// compare says how two names look alike and how many slips there are between them.
// Names that differ by a number are of a family, such as shards, and not alike.
func (f *topicForm) compare(g *topicForm) (likeness, int) {
	switch limit := maxSlips(f.name, g.name); {
	case f.name == g.name:
	case f.letters == g.letters && f.mask == g.mask && sameBut(f.words, g.words):
		if sameBut(f.name, g.name) {
			return alikeButPunctuation, 0
		}
		return alikeVariant, 0
	case max(f.letters, g.letters)-min(f.letters, g.letters) <= limit && onesBetween(f.mask, g.mask) <= 2*limit:
		if n := slipsBetween(f.words, g.words, limit); n > 0 {
			return alikeSpelling, n
		}
	}
	return unlike, 0
}

// sameBut says whether two names are the same but for case and punctuation.
func sameBut(a, b string) bool {
	i, j := 0, 0
	for {
		for i < len(a) && isPunctuation(rune(a[i])) {
			i++
		}
		for j < len(b) && isPunctuation(rune(b[j])) {
			j++
		}
		if i == len(a) || j == len(b) {
			return i == len(a) && j == len(b)
		}
		if lowerASCII(a[i]) != lowerASCII(b[j]) {
			return false
		}
		i, j = i+1, j+1
	}
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// slipsBetween counts the slips between two names, word by word; 0 when they are
// more than limit, or of a kind that makes another word of it.
func slipsBetween(a, b string, limit int) (total int) {
	for a != "" && b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, "-")
		y, b, _ = strings.Cut(b, "-")
		if x == y {
			continue
		}
		n := wordSlips(x, y)
		if total += n; n == 0 || total > limit {
			return 0
		}
	}
	if a != b { // one has more words
		return 0
	}
	return total
}

// wordSlips counts the slips between two words that differ; 0 when they are
// different words. Short words are codes, where every letter counts: eu and us,
// in and out. Two slips at one spot make another word as well: import and
// export, valid and invalid.
func wordSlips(a, b string) int {
	if max(len(a), len(b)) <= 3 {
		return 0
	}
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if hasDigit(a) || hasDigit(b) {
		return 0
	}
	n := typingDistance(a, b, 2)
	if n > 2 || n == 2 && max(len(a), len(b)) <= 2 {
		return 0
	}
	return n
}

func hasDigit(s string) bool { return strings.ContainsAny(s, "0123456789") }

// typingDistance is the restricted Damerau-Levenshtein distance: letters inserted,
// left out, replaced, or swapped with their neighbour. It gives up beyond limit
// with a larger number, so that it takes some passes over the words at most.
func typingDistance(a, b string, limit int) int {
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	if limit == 0 {
		return 1
	}
	best := min(typingDistance(a[1:], b[1:], limit-1), typingDistance(a[1:], b, limit-1), typingDistance(a, b[1:], limit-1))
	if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
		best = min(best, typingDistance(a[2:], b[2:], limit-1))
	}
	return best + 1
}
