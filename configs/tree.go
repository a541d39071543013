package configs

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// tree is the merged YAML of file, environment and flags, and knows where every
// value came from.
type tree struct {
	file   string
	lines  []string
	root   *yaml.Node
	origin map[*yaml.Node]string // nodes that no file holds: flag or variable that set them
	value  map[string]*yaml.Node // decoded path -> its value
	key    map[string]*yaml.Node // decoded path -> its key
}

func newTree(file string, data []byte) (*tree, error) {
	t := &tree{
		file:   file,
		lines:  strings.Split(string(data), "\n"),
		root:   &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: 1, Column: 1},
		origin: map[*yaml.Node]string{},
		value:  map[string]*yaml.Node{},
		key:    map[string]*yaml.Node{},
	}
	if file == "" {
		t.origin[t.root] = "configuration"
	}
	doc, problems := t.parse(data)
	if problems != nil {
		return nil, problems.err()
	}
	switch {
	case doc == nil || doc.Kind == yaml.ScalarNode && doc.Tag == "!!null":
	case doc.Kind == yaml.MappingNode:
		t.root = doc
	default:
		return nil, Problems{t.problemAt(doc, "the configuration must be keys and values")}
	}
	return t, nil
}

// parse reads the single document of a file; nil for an empty one.
func (t *tree) parse(data []byte) (*yaml.Node, Problems) {
	loader, err := yaml.NewLoader(strings.NewReader(string(data)))
	if err != nil {
		return nil, t.syntax(err)
	}
	var doc yaml.Node
	if err := loader.Load(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, t.syntax(err)
	}
	var second yaml.Node
	if err := loader.Load(&second); err == nil {
		return nil, Problems{t.problemAt(&second, "a second document; a configuration is one")}
	} else if !errors.Is(err, io.EOF) {
		return nil, t.syntax(err)
	}
	if doc.Kind == yaml.DocumentNode {
		return doc.Content[0], nil
	}
	return &doc, nil
}

// syntax turns what the YAML library says into problems.
func (t *tree) syntax(err error) Problems {
	if many, ok := errors.AsType[*yaml.LoadErrors](err); ok {
		var ps Problems
		for _, e := range many.Errors {
			ps = append(ps, t.syntax(e)...)
		}
		return ps
	}
	var one *yaml.LoadError
	if !errors.As(err, &one) {
		return Problems{{File: t.file, Message: err.Error()}}
	}
	return Problems{t.problem(one.Mark.Line, max(one.Mark.Column, 1), one.Message)}
}

// fork shares what was read but not what is decoded from now on.
func (t *tree) fork() *tree {
	f := *t
	f.value, f.key = map[string]*yaml.Node{}, map[string]*yaml.Node{}
	return &f
}

func (t *tree) problem(line, column int, message string) Problem {
	p := Problem{File: t.file, Line: line, Column: column, Message: message}
	if line >= 1 && line <= len(t.lines) {
		p.excerpt = strings.TrimRight(t.lines[line-1], "\r")
	}
	return p
}

func (t *tree) problemAt(n *yaml.Node, format string, args ...any) Problem {
	message := fmt.Sprintf(format, args...)
	if origin, ok := t.origin[n]; ok {
		return Problem{File: origin, Message: message}
	}
	return t.problem(n.Line, n.Column, message)
}

// problemOn is a problem with the value at a path, or, if nobody set that, with
// the nearest thing around it that somebody did.
func (t *tree) problemOn(path, format string, args ...any) Problem {
	for p := path; p != ""; p = parentPath(p) {
		if n, ok := t.value[p]; ok {
			return t.problemAt(n, format, args...)
		}
	}
	return t.problemAt(t.root, format, args...)
}

// problemOnKey is like problemOn, but points at the name instead of the value.
func (t *tree) problemOnKey(path, format string, args ...any) Problem {
	if n, ok := t.key[path]; ok {
		return t.problemAt(n, format, args...)
	}
	return t.problemOn(path, format, args...)
}

// parentPath cuts the last element of a path like listeners[0].map.1.
func parentPath(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func indexPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
