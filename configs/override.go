package configs

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Flag is one knob set on the command line.
type Flag struct {
	// Name as the user typed it, like --listen; for messages.
	Name string
	// Path of the knob, like listeners.0.address; numbers index lists.
	Path string
	// Value as it would stand in the file; lists may be written a,b.
	Value string
}

// shorthands are the variables with a name of their own, one for each flag of
// the same name.
var shorthands = map[string]string{
	"WARDER_UPSTREAM":   "upstream.bootstrap",
	"WARDER_LISTEN":     "listeners.0.address",
	"WARDER_ADVERTISE":  "listeners.0.advertise",
	"WARDER_ADMIN":      "admin.address",
	"WARDER_TOKEN_FILE": "admin.token_file",
	"WARDER_LOG_LEVEL":  "log.level",
	"WARDER_LOG_FORMAT": "log.format",
}

// notKnobs are variables of ours that set nothing in the configuration.
var notKnobs = map[string]bool{"WARDER_CONFIG": true, "WARDER_BOOTSTRAP": true}

// serviceVariable matches what Kubernetes puts into every container for a
// service whose name begins with warder.
var serviceVariable = regexp.MustCompile(`^WARDER(_[A-Z0-9_]+)?_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// fromEnvironment finds the knobs among variables of the form NAME=value. An
// empty value sets nothing.
func fromEnvironment(env []string) []Flag {
	var flags []Flag
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "WARDER_") || value == "" || notKnobs[name] || serviceVariable.MatchString(name) {
			continue
		}
		path, ok := shorthands[name]
		if !ok {
			path = variablePath(name)
		}
		flags = append(flags, Flag{Name: "environment " + name, Path: path, Value: value})
	}
	return flags
}

// variablePath turns WARDER_RULES__KEY_DRIFT__ACTION into rules.key-drift.action.
func variablePath(name string) string {
	parts := strings.Split(strings.ToLower(strings.TrimPrefix(name, "WARDER_")), "__")
	if parts[0] == "rules" && len(parts) > 1 {
		parts[1] = strings.ReplaceAll(parts[1], "_", "-")
	}
	return strings.Join(parts, ".")
}

// apply sets one knob in the tree.
func (t *tree) apply(f Flag) error {
	value, err := t.overrideNode(f)
	if err != nil {
		return err
	}
	at := t.root
	parts := strings.Split(f.Path, ".")
	for i, part := range parts {
		slot, err := t.slot(at, part, f.Name)
		if err != nil {
			return err
		}
		if i == len(parts)-1 {
			*slot = value
			return nil
		}
		if *slot == nil || (*slot).Tag == "!!null" {
			*slot = t.overrideContainer(parts[i+1], f.Name)
		}
		at = resolve(*slot)
	}
	return nil
}

// sets says whether the file gives a value to a knob.
func (t *tree) sets(path string) bool {
	at := t.root
	for part := range strings.SplitSeq(path, ".") {
		slot := entry(at, part)
		if slot == nil {
			return false
		}
		if at = resolve(*slot); at.Tag == "!!null" {
			return false
		}
	}
	return true
}

// entry is the place of a child that is there, nil when there is none.
func entry(at *yaml.Node, part string) **yaml.Node {
	if at.Kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(at.Content) {
			return &at.Content[i]
		}
		return nil
	}
	for i := 0; i+1 < len(at.Content); i += 2 { // a plain value has no content
		if at.Content[i].Value == part {
			return &at.Content[i+1]
		}
	}
	return nil
}

// overrideNode makes the node of a value; flow YAML is understood.
func (t *tree) overrideNode(f Flag) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: f.Value}
	if strings.HasPrefix(f.Value, "[") || strings.HasPrefix(f.Value, "{") {
		var doc yaml.Node
		if err := yaml.Load([]byte(f.Value), &doc); err != nil {
			return nil, Problem{File: f.Name, Message: fmt.Sprintf("%q is not YAML: %v", f.Value, err)}
		}
		n = &doc
		if doc.Kind == yaml.DocumentNode {
			n = doc.Content[0]
		}
	}
	t.markOrigin(n, f.Name)
	return n, nil
}

func (t *tree) overrideContainer(next, origin string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if _, err := strconv.Atoi(next); err == nil {
		n = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	}
	t.origin[n] = origin
	return n
}

func (t *tree) markOrigin(n *yaml.Node, origin string) {
	t.origin[n] = origin
	for _, c := range n.Content {
		t.markOrigin(c, origin)
	}
}

// slot is the place of a child, made if it is not there.
func (t *tree) slot(at *yaml.Node, part, origin string) (**yaml.Node, error) {
	if slot := entry(at, part); slot != nil {
		return slot, nil
	}
	switch at.Kind {
	case yaml.MappingNode:
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: part}
		t.origin[key] = origin
		at.Content = append(at.Content, key, nil)
		return &at.Content[len(at.Content)-1], nil
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(part); err != nil || i != len(at.Content) {
			return nil, Problem{File: origin, Message: fmt.Sprintf("the list has %d entries; %q is not one of them and not the next", len(at.Content), part)}
		}
		at.Content = append(at.Content, nil)
		return &at.Content[len(at.Content)-1], nil
	default:
		return nil, Problem{File: origin, Message: fmt.Sprintf("%q has no parts; it cannot be set below a plain value", part)}
	}
}

// resolve follows an alias.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}
