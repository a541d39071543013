package builtin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// fieldsOf gives the fields of a value by path, as the rule walks it.
func fieldsOf(t testing.TB, value []byte) (fields map[string]fieldFacts, ok bool) {
	t.Helper()
	w := &fieldWalk{}
	if !w.read(value) {
		return nil, false
	}
	fields = map[string]fieldFacts{}
	paths := make([]string, w.n)
	for i, f := range w.fields[:w.n] {
		path := ""
		if f.parent >= 0 {
			path = paths[f.parent]
			if f.inArray {
				path += "[]"
			}
			path += "."
		}
		paths[i] = path + string(value[f.from:f.to])
		if _, twice := fields[paths[i]]; twice {
			t.Errorf("%s: %s twice", value, paths[i])
		}
		fields[paths[i]] = f.has
	}
	return fields, true
}

func TestFieldsOfValues(t *testing.T) {
	const v, n, o, e = factValue, factNull, factObject, factExcused
	for _, c := range []struct {
		value string
		want  map[string]fieldFacts
	}{
		{`{}`, map[string]fieldFacts{}},
		{`{"id":1,"name":null,"on":false,"":""}`, map[string]fieldFacts{"id": v, "name": n, "on": v, "": v}},
		{`{"a":{"b":{"c":{"d":{"e":1}}}}}`, map[string]fieldFacts{"a": v | o, "a.b": v | o, "a.b.c": v | o, "a.b.c.d": v | o}},
		{`{"items":[{"sku":"a","n":null},{"sku":null}],"tags":["x",null]}`, map[string]fieldFacts{"items": v | o, "items[].sku": v | n, "items[].n": n, "tags": v}},
		{`{"m":[[{"x":1}],[]],"z":1}`, map[string]fieldFacts{"m": v | o, "m[].x": v, "z": v}},
		{`{"before":null,"after":{"id":1},"op":"c"}`, map[string]fieldFacts{"before": n | e, "after": v | o, "after.id": v, "op": v}},
		{`{"payload":{"before":{"id":1},"after":null,"op":"d"}}`, map[string]fieldFacts{"payload": v | o, "payload.before": v | o, "payload.before.id": v, "payload.after": n | e, "payload.op": v}},
		{`{"before":null,"x":1}`, map[string]fieldFacts{"before": n, "x": v}},
		{`{"schema":{"type":"struct","fields":[{"field":"id"}]},"payload":{"id":1}}`, map[string]fieldFacts{"schema": v | o, "payload": v | o, "payload.id": v}},
		{`{"a":{"schema":{"b":1}}}`, map[string]fieldFacts{"a": v | o, "a.schema": v | o, "a.schema.b": v}},
	} {
		got, ok := fieldsOf(t, []byte(c.value))
		if !ok || !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.value, got, c.want)
		}
	}
	for _, bad := range []string{``, `{`, `{"a":}`, `{"a":1}x`} {
		if got, ok := fieldsOf(t, []byte(bad)); ok {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

func TestFieldsOfAValueAreBounded(t *testing.T) {
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprintf("%q:{\"x\":%d}", fmt.Sprint("key-", i), i))
	}
	got, ok := fieldsOf(t, []byte("{"+strings.Join(many, ",")+"}"))
	if !ok || len(got) != fieldsOfValue {
		t.Errorf("%d fields, %v", len(got), ok)
	}
	deep := strings.Repeat(`{"a":[`, 100) + strings.Repeat(`]}`, 100)
	if got, ok := fieldsOf(t, []byte(deep)); !ok || len(got) != fieldDepth {
		t.Errorf("%v, %v", got, ok)
	}
}

// fieldOracle walks a value with encoding/json.
type fieldOracle struct {
	d      *json.Decoder
	fields map[string]fieldFacts
}

func (o fieldOracle) token() json.Token {
	token, err := o.d.Token()
	if err != nil {
		panic(err)
	}
	return token
}

// value reads the value of a field, or an element of it; of what is left out the
// depth is beyond the bound.
func (o fieldOracle) value(field string, element bool, depth int) {
	fact := factValue
	switch o.token() {
	case nil:
		fact = factNull
	case json.Delim('{'):
		fact |= factObject
		for o.d.More() {
			name := o.token().(string)
			if field != "" {
				name = field + strings.Repeat("[]", map[bool]int{true: 1}[element]) + "." + name
			}
			if depth < fieldDepth {
				o.fields[name] |= 0
			}
			o.value(name, false, depth+1)
		}
		o.token()
	case json.Delim('['):
		for o.d.More() {
			o.value(field, true, depth)
		}
		o.token()
	}
	if element {
		fact &= factObject // elements say nothing else of the array
	}
	if _, ok := o.fields[field]; ok {
		o.fields[field] |= fact
	}
}

func FuzzFields(f *testing.F) {
	for _, seed := range []string{
		`{"id":1,"name":null}`, `{"a":{"b":{"c":{"d":{"e":1}}}}}`, `{"items":[{"sku":"a"},{"sku":null}],"tags":["x",null]}`,
		`{"m":[[{"x":1}],[]],"z":1}`, `{"a":1,"a":null,"a":{"b":1}}`, `{"a":[1,{"b":[{"c":2}]}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if !bytes.HasPrefix(value, []byte("{")) || !utf8.Valid(value) || bytes.ContainsAny(value, `\`) ||
			bytes.Count(value, []byte(`":`)) > 100 || bytes.Count(value, []byte("["))+bytes.Count(value, []byte("{")) > walkDepth {
			t.Skip("beyond the bounds, or written in more than one way")
		}
		for _, special := range []string{`""`, `"op"`, `"schema"`, "].", "[]\"", "."} {
			if bytes.Contains(value, []byte(special)) {
				t.Skip("a name with a meaning, or that looks like a path")
			}
		}
		got, ok := fieldsOf(t, value)
		if ok != json.Valid(value) {
			t.Fatalf("%s: %v", value, ok)
		}
		if !ok {
			return
		}
		o := fieldOracle{json.NewDecoder(bytes.NewReader(value)), map[string]fieldFacts{}}
		o.value("", false, 0)
		if want := o.fields; !maps.Equal(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", value, got, want)
		}
	})
}

func TestWalkAllocatesNothing(t *testing.T) {
	w := &fieldWalk{}
	if n := testing.AllocsPerRun(100, func() { w.read(jsonValue) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if got, _ := fieldsOf(t, jsonValue); !slices.Contains(slices.Collect(maps.Keys(got)), "items[].sku") {
		t.Errorf("%v", got)
	}
}
