package configs

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"
)

// fieldSet is the keys a section understands.
type fieldSet struct {
	byName map[string]reflect.StructField
	names  []string             // in the order of declaration
	rest   *reflect.StructField // takes the keys nobody else knows
}

// fieldsOf reads the yaml tags of a struct. A field without a tag has its name
// in lower case with underscores; one tagged "-" is not part of the file.
func fieldsOf(t reflect.Type) fieldSet {
	set := fieldSet{byName: map[string]reflect.StructField{}}
	for _, f := range reflect.VisibleFields(t) {
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-" || len(f.Index) > 1:
			continue
		case option == "rest":
			set.rest = &f
			continue
		case name == "":
			name = snakeCase(f.Name)
		}
		set.byName[name] = f
		set.names = append(set.names, name)
	}
	return set
}

func snakeCase(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		startsWord := i > 0 && unicode.IsUpper(r) &&
			(unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if startsWord {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// unknown words the sentence about a name that nothing has, with the nearest
// one that exists.
func unknown(what, got, path string, known []string) string {
	in := ""
	if path != "" {
		in = " in " + path
	}
	if best, ok := Nearest(got, known); ok {
		return fmt.Sprintf("unknown %s `%s`%s; did you mean `%s`?", what, got, in, best)
	}
	if len(known) == 0 {
		return fmt.Sprintf("unknown %s `%s`%s", what, got, in)
	}
	return fmt.Sprintf("unknown %s `%s`%s; known: %s", what, got, in, strings.Join(known, ", "))
}

// Nearest finds the name that is the fewest slips of the keyboard away, if
// there are few enough for it to be one, or else one that was cut short.
func Nearest(got string, known []string) (string, bool) {
	best, least := "", max(2, len(got)/3)+1
	if len(got) >= 3 {
		for _, k := range known {
			if strings.HasPrefix(k, strings.ToLower(got)) {
				best = k
				break
			}
		}
	}
	for _, k := range known {
		if n := slips(strings.ToLower(got), k); n < least {
			best, least = k, n
		}
	}
	return best, best != ""
}

// slips counts the letters to insert, delete, replace or swap with their
// neighbour to get from a to b (restricted Damerau-Levenshtein distance).
func slips(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
