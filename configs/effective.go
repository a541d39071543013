package configs

import (
	"encoding"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Effective is the whole configuration with defaults filled in, as maps, lists
// and texts under the names of the file, for JSON. Secrets are in files of
// their own and never part of it; passwords within URLs are removed.
func (c *Config) Effective() map[string]any {
	return effective(reflect.ValueOf(c).Elem(), "").(map[string]any)
}

func effective(v reflect.Value, tag reflect.StructTag) any {
	if text, ok := reflect.TypeAssert[encoding.TextMarshaler](v); ok && (v.Kind() != reflect.Pointer || !v.IsNil()) {
		b, _ := text.MarshalText()
		return string(b)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return effective(v.Elem(), tag)
	case reflect.Struct:
		return effectiveStruct(v)
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = effective(v.Index(i), tag)
		}
		return list
	case reflect.Map:
		m := map[string]any{}
		for _, k := range v.MapKeys() {
			m[fmt.Sprint(k.Interface())] = effective(v.MapIndex(k), tag)
		}
		return m
	case reflect.String:
		if tag.Get("secret") == "url" {
			return redactURL(v.String())
		}
		return v.String()
	default:
		if d, ok := reflect.TypeAssert[time.Duration](v); ok {
			return d.String()
		}
		return v.Interface()
	}
}

func effectiveStruct(v reflect.Value) any {
	if rules, ok := reflect.TypeAssert[Rules](v); ok {
		m := map[string]any{"defaults": effective(reflect.ValueOf(rules.Defaults), "")}
		for id, c := range rules.ByID {
			m[id] = effective(reflect.ValueOf(c), "")
		}
		return m
	}
	m := map[string]any{}
	fields := fieldsOf(v.Type())
	for name, f := range fields.byName {
		m[name] = effective(v.FieldByIndex(f.Index), f.Tag)
	}
	if fields.rest != nil {
		p := v.FieldByIndex(fields.rest.Index).Interface().(Params)
		for i := 0; i+1 < len(p.content); i += 2 {
			var value any
			if err := p.content[i+1].Decode(&value); err != nil {
				value = p.content[i+1].Value
			}
			m[p.content[i].Value] = plain(value)
		}
	}
	return m
}

// plain makes a decoded YAML value fit for JSON, whose keys are texts.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	case map[any]any:
		m := map[string]any{}
		for k := range v {
			m[fmt.Sprint(k)] = plain(v[k])
		}
		return m
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	}
	return v
}

func redactURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "(not a URL)"
	}
	return u.Redacted()
}

// Change is one knob that differs between two configurations.
type Change struct {
	// Path of the knob, like listeners.0.limits.connections.
	Path string `json:"path"`
	// Old and New value as in the file; empty where there is none.
	Old string `json:"old"`
	New string `json:"new"`
	// Live says that a reload applies it; otherwise it waits for a restart.
	Live bool `json:"live"`
}

// Diff lists what next changes, sorted by path.
func (c *Config) Diff(next *Config) []Change {
	before, after := map[string]string{}, map[string]string{}
	flatten(c.Effective(), "", before)
	flatten(next.Effective(), "", after)
	var changes []Change
	for path, old := range before {
		if now, ok := after[path]; !ok || now != old {
			changes = append(changes, Change{Path: path, Old: old, New: now, Live: live(path)})
		}
	}
	for path, now := range after {
		if _, ok := before[path]; !ok {
			changes = append(changes, Change{Path: path, New: now, Live: live(path)})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return changes
}

func flatten(v any, path string, into map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			flatten(item, joinPath(path, k), into)
		}
	case []any:
		for i, item := range v {
			flatten(item, joinPath(path, fmt.Sprint(i)), into)
		}
	case nil:
	default:
		into[path] = fmt.Sprint(v)
	}
}

// live says whether the knob at a path, or a section around it, is tagged
// reload:"live".
func live(path string) bool {
	t := reflect.TypeFor[Config]()
	for part := range strings.SplitSeq(path, ".") {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		switch t.Kind() {
		case reflect.Struct:
			f, ok := fieldsOf(t).byName[part]
			if !ok {
				return false
			}
			if f.Tag.Get("reload") == "live" {
				return true
			}
			t = f.Type
		case reflect.Slice, reflect.Map:
			t = t.Elem()
		default:
			return false
		}
	}
	return false
}

// YAML writes a part of what Effective gives as it would stand in a file.
func YAML(effective any) (string, error) {
	text, err := yaml.Marshal(effective)
	return string(text), err
}
