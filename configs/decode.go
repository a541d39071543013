package configs

import (
	"encoding"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"
)

// decoder fills Go values from a tree and keeps going after a problem.
type decoder struct {
	tree     *tree
	problems Problems
}

// nodeDecoder is a type with a form of its own.
type nodeDecoder interface {
	decodeNode(d *decoder, n *yaml.Node, path string)
}

// defaulter is a section with defaults, set before anything is decoded into it.
type defaulter interface{ SetDefaults() }

func (d *decoder) fail(n *yaml.Node, format string, args ...any) {
	d.problems = append(d.problems, d.tree.problemAt(n, format, args...))
}

// value decodes n into v, which must be addressable.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	n = resolve(n)
	d.tree.value[path] = n
	if custom, ok := reflect.TypeAssert[nodeDecoder](v.Addr()); ok {
		custom.decodeNode(d, n, path)
		return
	}
	if scalarType(v.Type()) {
		d.scalar(n, v, path)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		d.pointer(n, v, path)
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	default:
		panic(fmt.Sprintf("configs: no way to decode into a %s at %s", v.Type(), path))
	}
}

// pointer decodes an optional section or value; naming it at all makes it.
func (d *decoder) pointer(n *yaml.Node, v reflect.Value, path string) {
	if isNull(n) {
		d.fail(n, "%s has no value; give one ({} for its defaults) or remove the key", path)
		return
	}
	made := reflect.New(v.Type().Elem())
	setDefaults(made)
	d.value(n, made.Elem(), path)
	v.Set(made)
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) {
	if !d.expect(n, yaml.MappingNode, path, "keys and values") {
		return
	}
	fields := fieldsOf(v.Type())
	d.pairs(n, path, func(key, value *yaml.Node, at string) {
		f, ok := fields.byName[key.Value]
		switch {
		case ok:
			d.field(value, v.FieldByIndex(f.Index), f.Tag, at)
		case fields.rest != nil:
			v.FieldByIndex(fields.rest.Index).Addr().Interface().(*Params).add(key, value)
		default:
			d.fail(key, "%s", unknown("key", key.Value, path, fields.names))
		}
	})
}

// field decodes one field and, if that went well, checks its bounds.
func (d *decoder) field(n *yaml.Node, v reflect.Value, tag reflect.StructTag, path string) {
	before := len(d.problems)
	d.value(n, v, path)
	if len(d.problems) == before {
		d.bounds(n, v, tag, path)
	}
}

// pairs walks a mapping and names keys that come twice.
func (d *decoder) pairs(n *yaml.Node, path string, visit func(key, value *yaml.Node, at string)) {
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if first, ok := seen[key.Value]; ok {
			d.fail(key, "key `%s` is already on line %d", key.Value, first.Line)
			continue
		}
		seen[key.Value] = key
		at := joinPath(path, key.Value)
		d.tree.key[at] = key
		visit(key, value, at)
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	v.SetZero()
	items := n.Content
	if origin, ok := d.tree.origin[n]; ok && n.Kind == yaml.ScalarNode {
		items = d.split(n, origin)
	} else if !d.expect(n, yaml.SequenceNode, path, "a list, like [a, b]") {
		return
	}
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		setDefaults(list.Index(i).Addr())
		d.value(item, list.Index(i), indexPath(path, i))
	}
	v.Set(list)
}

// split makes the entries of a list that came as a,b from a flag or variable.
func (d *decoder) split(n *yaml.Node, origin string) []*yaml.Node {
	var items []*yaml.Node
	for part := range strings.SplitSeq(n.Value, ",") {
		item := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.TrimSpace(part)}
		d.tree.origin[item] = origin
		items = append(items, item)
	}
	return items
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	if !d.expect(n, yaml.MappingNode, path, "keys and values") {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	d.pairs(n, path, func(key, value *yaml.Node, at string) {
		k := reflect.New(v.Type().Key()).Elem()
		if err := setScalar(k, key.Value); err != nil {
			d.fail(key, "%v", err)
			return
		}
		item := reflect.New(v.Type().Elem())
		setDefaults(item)
		d.value(value, item.Elem(), at)
		v.SetMapIndex(k, item.Elem())
	})
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	switch {
	case isNull(n):
		d.fail(n, "%s has no value; give one or remove the key", path)
	case n.Kind != yaml.ScalarNode:
		d.fail(n, "%s must be one value, not %s", path, kindName(n))
	default:
		if err := setScalar(v, n.Value); err != nil {
			d.fail(n, "%s: %v", path, err)
			return
		}
		d.anchorPath(n, v)
	}
}

// anchorPath makes a path from the file relative to the file's directory.
func (d *decoder) anchorPath(n *yaml.Node, v reflect.Value) {
	p, ok := reflect.TypeAssert[*Path](v.Addr())
	if _, fromOutside := d.tree.origin[n]; !ok || fromOutside || *p == "" || filepath.IsAbs(string(*p)) {
		return
	}
	*p = Path(filepath.Join(filepath.Dir(d.tree.file), string(*p)))
}

// expect reports a node of another kind. An empty value counts as an empty
// mapping or list, so that a section may have all its lines commented out.
func (d *decoder) expect(n *yaml.Node, kind yaml.Kind, path, wanted string) bool {
	if n.Kind == kind || isNull(n) {
		return true
	}
	if path == "" {
		path = "the configuration"
	}
	d.fail(n, "%s must be %s, not %s", path, wanted, kindName(n))
	return false
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	default:
		return fmt.Sprintf("the plain value %q", n.Value)
	}
}

func setDefaults(pointer reflect.Value) {
	if s, ok := reflect.TypeAssert[defaulter](pointer); ok {
		s.SetDefaults()
	}
}

func scalarType(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float64, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	default:
		return false
	}
}
