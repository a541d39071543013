package configs

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

type object = map[string]any

var scalarSchemas = map[reflect.Type]object{
	reflect.TypeFor[Size]():          {"type": "string", "pattern": `^[0-9]+ ?([KMGT]iB|[kKMGT]?B)$`},
	reflect.TypeFor[time.Duration](): {"type": "string", "pattern": `^([0-9]+d|([0-9.]+(ns|us|µs|ms|s|m|h))+|0)$`},
	reflect.TypeFor[Address]():       {"type": "string", "pattern": `^(.*:[0-9]+|off)$`},
	reflect.TypeFor[Date]():          {"type": "string", "pattern": `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`},
	reflect.TypeFor[Pattern]():       {"type": "string", "minLength": 1},
}

// schemaMaker writes the JSON Schema that editors use, from the same
// declarations that the decoder reads.
type schemaMaker struct{ comments map[string]string }

func (m schemaMaker) of(v reflect.Value, tag reflect.StructTag) object {
	t := v.Type()
	if t == reflect.TypeFor[PortRange]() {
		return object{"type": []string{"string", "integer"}, "pattern": `^(0|[0-9]+( ?- ?[0-9]+)?)$`, "minimum": 0, "maximum": 65535}
	}
	if s, ok := scalarSchemas[t]; ok {
		return s
	}
	if t == reflect.TypeFor[Rules]() {
		rule := reflect.ValueOf(Default().Rules.Defaults)
		return object{"type": "object", "properties": object{"defaults": m.section(rule, false)}, "additionalProperties": m.section(rule, true)}
	}
	inner, _ := elementOf(v)
	switch t.Kind() {
	case reflect.Pointer:
		return m.of(inner, tag)
	case reflect.Struct:
		return m.section(v, false)
	case reflect.Slice:
		return object{"type": "array", "items": m.of(valueFor(t.Elem()), tag)}
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return object{"type": "object", "additionalProperties": m.of(valueFor(t.Elem()), "")}
		}
		return object{"type": "object", "patternProperties": object{"^[0-9]+$": m.of(valueFor(t.Elem()), "")}, "additionalProperties": false}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Int:
		return object{"type": "integer", "minimum": json.Number(tag.Get("min")), "maximum": json.Number(tag.Get("max"))}
	default:
		if list := tag.Get("enum"); list != "" {
			return object{"type": "string", "enum": strings.Split(list, ",")}
		}
		return object{"type": "string"}
	}
}

// section describes a struct; open leaves room for keys that it does not know.
func (m schemaMaker) section(v reflect.Value, open bool) object {
	properties := object{}
	for name, f := range fieldsOf(v.Type()).byName {
		field := v.FieldByIndex(f.Index)
		s := object{}
		maps.Copy(s, m.of(field, f.Tag))
		s["description"] = m.comments[v.Type().Name()+"."+f.Name]
		if d := defaultText(field); d != "" && scalarType(field.Type()) {
			s["default"] = effective(field, "")
		}
		properties[name] = s
	}
	return object{"type": "object", "properties": properties, "additionalProperties": open}
}

func valueFor(t reflect.Type) reflect.Value {
	made := reflect.New(t)
	setDefaults(made)
	return made.Elem()
}

func TestSchemaIsFresh(t *testing.T) {
	root := schemaMaker{fieldComments(t)}.section(reflect.ValueOf(Default()).Elem(), false)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "warder configuration"
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		t.Fatal(err)
	}
	golden(t, "schema.json", b.Bytes())
}

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON gives a YAML file as a schema sees it: an editor knows no dates.
func asJSON(t *testing.T, data []byte) any {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		t.Fatal(err)
	}
	datesAsText(&doc)
	var v any
	if err := doc.Decode(&v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(plain(v))
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func datesAsText(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!timestamp" {
		n.Tag = "!!str"
	}
	for _, c := range n.Content {
		datesAsText(c)
	}
}

func TestExamplesMatchTheSchema(t *testing.T) {
	schema := compiledSchema(t)
	for _, name := range examples(t) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(asJSON(t, data)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.HasPrefix(data, []byte("# yaml-language-server: $schema=schema.json\n")) {
			t.Errorf("%s does not name the schema for editors on its first line", name)
		}
	}
}

func TestSchemaRefusesWhatLoadRefuses(t *testing.T) {
	schema := compiledSchema(t)
	for _, text := range []string{
		"upstraem: {}",
		"upstream: {bootstrap: kafka:9092}",
		"upstream: {bootstrap: [kafka]}",
		"listeners: [{ports: 9093..9192}]",
		"listeners: [{limits: {frame: 100}}]",
		"listeners: [{limits: {connections: 0}}]",
		"rules: {defaults: {moed: alert}}",
		"rules: {tombstone: {action: blok}}",
		"suppressions: [{until: tomorrow}]",
		"drain: {deadline: soon}",
	} {
		if schema.Validate(asJSON(t, []byte(text))) == nil {
			t.Errorf("the schema accepts %s", text)
		}
		env := []string{"WARDER_UPSTREAM=b:1"}
		if strings.HasPrefix(text, "upstream:") {
			env = nil
		}
		if _, err := Parse("c.yaml", []byte(text), env, Overrides{}); err == nil {
			t.Errorf("Parse accepts %s", text)
		}
	}
}

// examples are the shipped configurations.
func examples(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 6 {
		t.Fatalf("shipped examples: %v, %v", files, err)
	}
	return files
}
