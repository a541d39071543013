package configs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"time"
)

// Overrides is what stands above the file.
type Overrides struct {
	// Flags in the order given; a later one wins over an earlier one.
	Flags []Flag
	// Defaults are values for knobs that neither file, environment nor Flags
	// set, where a command wants others than the usual.
	Defaults []Flag
	// Rules are the ids of the rules there are; nil leaves names unchecked.
	Rules []string
	// Now is the time by which suppressions and certificates expire; nil: time.Now.
	Now func() time.Time
}

// Load reads the file at path ("" for none), the environment (os.Environ form)
// and the flags, and checks the whole. The error is Problems with every problem
// found, or an error of the file system for path itself.
func Load(path string, env []string, over Overrides) (*Config, error) {
	var data []byte
	if path != "" {
		var err error
		if data, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
	}
	return Parse(path, data, env, over)
}

// Parse is Load with the content of the file given; path serves for messages
// and as the place that relative paths start from.
func Parse(path string, data []byte, env []string, over Overrides) (*Config, error) {
	t, err := newTree(path, data)
	if err != nil {
		return nil, err
	}
	d := &decoder{tree: t}
	flags := append(fromEnvironment(env), over.Flags...)
	for _, f := range over.Defaults {
		if !t.sets(f.Path) && !slices.ContainsFunc(flags, func(other Flag) bool { return other.Path == f.Path }) {
			flags = append(flags, f)
		}
	}
	for _, f := range flags {
		if err := t.apply(f); err != nil {
			var p Problem
			errors.As(err, &p)
			d.problems = append(d.problems, p)
		}
	}
	c := &Config{Path: path, tree: t}
	c.SetDefaults()
	d.value(t.root, reflect.ValueOf(c).Elem(), "")
	if len(c.Listeners) == 0 {
		c.Listeners = []Listener{defaultListener()}
	}
	for i := range c.Listeners {
		c.Listeners[i].complete(i)
	}
	if over.Now == nil {
		over.Now = time.Now
	}
	v := &validator{config: c, rules: over.Rules, now: over.Now()}
	v.all()
	if len(d.problems) == 0 { // else a default may stand where a clash is only apparent
		v.ports()
	}
	if err := merge(d.problems, v.problems).err(); err != nil {
		return nil, err
	}
	v.warnings.sort()
	c.Warnings = v.warnings
	c.Hash = c.hash()
	return c, nil
}

func (c *Config) hash() string {
	text, err := json.Marshal(c.Effective())
	if err != nil {
		panic(fmt.Sprintf("configs: effective configuration: %v", err)) // made of maps, lists and texts only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
