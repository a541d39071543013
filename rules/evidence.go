package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Evidence is a list of named values, a JSON object that keeps its order.
type Evidence []Fact

// Fact is one value: a string, a bool, a number, or a list of strings. Keys and
// values of records appear only as KeyText writes them.
type Fact struct {
	Name  string
	Value any
}

// Get gives the value of that name, nil when there is none.
func (e Evidence) Get(name string) any {
	for _, f := range e {
		if f.Name == name {
			return f.Value
		}
	}
	return nil
}

// MarshalJSON writes one object.
func (e Evidence) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, f := range e {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(f.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.Value)
		if err != nil {
			return nil, fmt.Errorf("evidence %s: %w", f.Name, err)
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

// UnmarshalJSON reads one object and keeps the order of its members.
func (e *Evidence) UnmarshalJSON(text []byte) error {
	*e = nil
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t == nil {
		return err
	} else if t != json.Delim('{') {
		return fmt.Errorf("evidence is %v, want an object", t)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return err
		}
		*e = append(*e, Fact{Name: name.(string), Value: value})
	}
	return nil
}
