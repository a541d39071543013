package configs

import (
	"fmt"
	"reflect"

	"go.yaml.in/yaml/v4"
)

// Params is the part of a rule's configuration that only the rule understands.
type Params struct {
	tree    *tree
	path    string
	content []*yaml.Node // key, value, key, value…
}

func (p *Params) add(key, value *yaml.Node) { p.content = append(p.content, key, value) }

// Decode fills v, a pointer to a struct with its defaults set, from the rule's
// own keys. It is as strict as the rest of the file: an unknown key, a value of
// the wrong form or outside its enum, min or max tag is reported with its
// position, all at once as Problems. Field types: those of this package,
// numbers, bool, string, time.Duration, anything that unmarshals text, and
// lists, maps and structs of these. A rule without knobs is decoded into an
// empty struct, so that a stray key is still found.
func (c RuleConfig) Decode(v any) error {
	if len(c.Params.content) == 0 {
		return nil
	}
	d := &decoder{tree: c.Params.tree.fork()}
	target := reflect.ValueOf(v).Elem()
	fields := fieldsOf(target.Type())
	common := fieldsOf(reflect.TypeFor[RuleConfig]()).names
	d.pairs(&yaml.Node{Content: c.Params.content}, c.Params.path, func(key, value *yaml.Node, at string) {
		f, ok := fields.byName[key.Value]
		if !ok {
			d.fail(key, "%s", unknown("key", key.Value, c.Params.path, append(fields.names, common...)))
			return
		}
		d.field(value, target.FieldByIndex(f.Index), f.Tag, at)
	})
	return d.problems.err()
}

// Problem is a problem with one key of the rule at the place where it was set,
// be that in `defaults`; with no key it is about the rule as a whole.
func (c RuleConfig) Problem(key, format string, args ...any) error {
	if c.Params.tree == nil {
		return Problem{File: "configuration", Message: fmt.Sprintf(format, args...)}
	}
	path := c.Params.path
	if key == "" {
		return c.Params.tree.problemOnKey(path, format, args...)
	}
	for i := 0; i+1 < len(c.Params.content); i += 2 {
		if c.Params.content[i].Value == key {
			return c.Params.tree.problemAt(c.Params.content[i+1], format, args...)
		}
	}
	if _, ok := c.Params.tree.value[joinPath(path, key)]; ok {
		return c.Params.tree.problemOn(joinPath(path, key), format, args...)
	}
	return c.Params.tree.problemOn(joinPath("rules.defaults", key), format, args...)
}

// decodeNode reads `defaults` first, since every other entry begins as a copy
// of it.
func (r *Rules) decodeNode(d *decoder, n *yaml.Node, path string) {
	if !d.expect(n, yaml.MappingNode, path, "keys and values") {
		return
	}
	r.ByID = map[string]RuleConfig{}
	r.Defaults.Params.tree = d.tree
	d.pairs(n, path, func(key, value *yaml.Node, at string) {
		if key.Value != "defaults" {
			return
		}
		d.value(value, reflect.ValueOf(&r.Defaults).Elem(), at)
		known := fieldsOf(reflect.TypeFor[RuleConfig]()).names
		for i := 0; i < len(r.Defaults.Params.content); i += 2 {
			k := r.Defaults.Params.content[i]
			d.fail(k, "%s", unknown("key", k.Value, at, known))
		}
		r.Defaults.Params.content = nil
	})
	for i := 0; i+1 < len(n.Content); i += 2 {
		id, at := n.Content[i].Value, joinPath(path, n.Content[i].Value)
		if _, twice := r.ByID[id]; id == "defaults" || twice {
			continue // told by pairs
		}
		c := r.Defaults
		c.Params = Params{tree: d.tree, path: at}
		d.value(n.Content[i+1], reflect.ValueOf(&c).Elem(), at)
		r.ByID[id] = c
	}
}
