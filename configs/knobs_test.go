package configs

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write generated files instead of comparing them")

// knob is one documented field of the configuration.
type knob struct {
	path    string // listeners[].limits.frame
	kind    string // for people: size, list of patterns
	comment string
	value   string // default, empty when there is none
	tag     reflect.StructTag
	live    bool
}

// knobs lists every field that holds a value, in the order of declaration.
func knobs(t *testing.T) []knob {
	t.Helper()
	w := &knobWalk{comments: fieldComments(t)}
	w.section(reflect.ValueOf(Default()).Elem(), "", false)
	return w.found
}

type knobWalk struct {
	comments map[string]string
	found    []knob
}

func (w *knobWalk) section(v reflect.Value, path string, live bool) {
	for _, name := range fieldsOf(v.Type()).names {
		f := fieldsOf(v.Type()).byName[name]
		at := joinPath(path, name)
		live := live || f.Tag.Get("reload") == "live"
		comment := w.comments[v.Type().Name()+"."+f.Name]
		inner, suffix := elementOf(v.FieldByIndex(f.Index))
		isSection := inner.Kind() == reflect.Struct && !scalarType(inner.Type())
		if isSection {
			w.found = append(w.found, knob{path: at, kind: sectionKind(f.Type), comment: comment, live: live})
		}
		if inner.Type() == reflect.TypeFor[Rules]() {
			w.section(reflect.ValueOf(Default().Rules.Defaults), at+".RULE", live)
			continue
		}
		if isSection {
			w.section(inner, at+suffix, live)
			continue
		}
		w.found = append(w.found, knob{
			path: at, kind: kindOf(f.Type), comment: comment, tag: f.Tag, live: live,
			value: defaultText(v.FieldByIndex(f.Index)),
		})
	}
}

func sectionKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice:
		return "list of sections"
	case reflect.Pointer:
		return "section, optional"
	default:
		return "section"
	}
}

// elementOf gives a value of the section that a field holds one or many of, with
// its defaults.
func elementOf(v reflect.Value) (reflect.Value, string) {
	switch {
	case v.Kind() == reflect.Pointer:
		made := reflect.New(v.Type().Elem())
		setDefaults(made)
		return made.Elem(), ""
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		made := reflect.New(v.Type().Elem())
		setDefaults(made)
		return made.Elem(), "[]"
	default:
		return v, ""
	}
}

func defaultText(v reflect.Value) string {
	if v.IsZero() && v.Kind() != reflect.Bool {
		return ""
	}
	return fmt.Sprint(effective(v, ""))
}

var kinds = map[reflect.Type]string{
	reflect.TypeFor[Size]():          "size",
	reflect.TypeFor[time.Duration](): "duration",
	reflect.TypeFor[Address]():       "host:port",
	reflect.TypeFor[PortRange]():     "FIRST-LAST",
	reflect.TypeFor[Pattern]():       "pattern",
	reflect.TypeFor[Path]():          "file",
	reflect.TypeFor[Date]():          "date",
}

func kindOf(t reflect.Type) string {
	if k, ok := kinds[t]; ok {
		return k
	}
	switch t.Kind() {
	case reflect.Pointer:
		return kindOf(t.Elem())
	case reflect.Slice:
		return "list of " + kindOf(t.Elem())
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return "name -> " + kindOf(t.Elem())
		}
		return "node id -> " + kindOf(t.Elem())
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Float64:
		return "number"
	case reflect.Bool:
		return "true, false"
	default:
		return "text"
	}
}

// fieldComments reads the comment of every struct field of this package, under
// Type.Field.
func fieldComments(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					for _, id := range f.Names {
						comments[spec.Name.Name+"."+id.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
					}
				}
			}
			return true
		})
	}
	return comments
}

// golden compares a generated file with the committed one, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("%s is stale: run `make docs` and commit the result", name)
	}
}

func TestEveryKnobIsExplained(t *testing.T) {
	for _, k := range knobs(t) {
		if k.comment == "" || !strings.HasSuffix(k.comment, ".") {
			t.Errorf("%s: comment %q is not a sentence", k.path, k.comment)
		}
		if least, most := k.tag.Get("min"), k.tag.Get("max"); least != "" && !strings.Contains(k.comment, least+"-"+most) {
			t.Errorf("%s: its comment does not give the range %s-%s", k.path, least, most)
		}
	}
}

func TestDefaultsAreWithinBounds(t *testing.T) {
	for _, k := range knobs(t) {
		if list := k.tag.Get("enum"); list != "" && k.value != "" && !strings.Contains(","+list+",", ","+k.value+",") {
			t.Errorf("%s: default %q is not one of %s", k.path, k.value, list)
		}
	}
}
