package godriver

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// Record is a record in both directions: Topic and Offset are set on the way out only.
type Record struct {
	Topic     string   `json:"t"`
	Partition int32    `json:"p"` // Chosen on the way in, where it is the library's to choose
	Offset    int64    `json:"o"`
	Key       []byte   `json:"k"` // nil is null; encoding/json writes and reads base64 and null
	Value     []byte   `json:"v"`
	Headers   []Header `json:"h"`
	Timestamp int64    `json:"ts"` // milliseconds; 0 on the way in: the library's clock
}

// Chosen is the partition of a record that the library's partitioner chooses one for.
const Chosen int32 = -1

// Header is one record header, a pair ["name", "base64" or null] in JSON.
type Header struct {
	Name  string
	Value []byte
}

func (h Header) MarshalJSON() ([]byte, error) { return json.Marshal([2]any{h.Name, h.Value}) }

func (h *Header) UnmarshalJSON(text []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(text, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("a header of %d elements", len(pair))
	}
	if err := json.Unmarshal(pair[0], &h.Name); err != nil {
		return err
	}
	return json.Unmarshal(pair[1], &h.Value)
}

// Generate stands for a series of records that is the same in every driver.
type Generate struct {
	Count      int      `json:"count"`
	Size       int      `json:"size"`
	Partitions int      `json:"partitions"`
	TS         int64    `json:"ts"`
	Flavour    string   `json:"flavour"`
	Prefix     string   `json:"prefix"`
	Keys       int      `json:"keys"`
	Hot        int      `json:"hot"`
	Value      string   `json:"value"`
	Avoid      []string `json:"avoid"`
}

func (g *Generate) avoids(what string) bool {
	return slices.Contains(g.Avoid, what)
}

// Record makes record i of the series.
func (g *Generate) Record(i int) Record {
	r := Record{Partition: int32(i % max(g.Partitions, 1)), Key: g.key(i), Value: g.value(i)}
	if g.TS != 0 {
		r.Timestamp = g.TS + int64(i)
	}
	if g.Flavour != "mixed" {
		return r
	}
	switch i % 7 {
	case 3:
		r.Value = nil
	case 5:
		r.Value = []byte{}
	}
	if i%5 == 4 && !(r.Value == nil && g.avoids("null_key_and_value")) {
		r.Key = nil
	}
	if i%3 == 0 {
		r.Headers = []Header{{Name: "h1", Value: []byte(strconv.Itoa(i))}, {Name: "h2"}}
		if g.avoids("null_header_values") {
			r.Headers[1].Value = []byte{}
		}
	}
	return r
}

func (g *Generate) key(i int) []byte {
	switch {
	case g.Hot > 0 && i%g.Hot == 0:
		return []byte(g.Prefix + "hot")
	case g.Keys > 0:
		i %= g.Keys
	}
	return fmt.Appendf(nil, "%sk%d", g.Prefix, i)
}

// values are the forms of a generated value.
var values = map[string]func(g *Generate, i int) []byte{
	"":     (*Generate).text,
	"text": (*Generate).text,
	"json": func(_ *Generate, i int) []byte {
		return fmt.Appendf(nil, `{"id":%d,"name":"n%d","email":"e%d@example.org"}`, i, i, i)
	},
	"json-null-email": func(_ *Generate, i int) []byte { return fmt.Appendf(nil, `{"id":%d,"name":"n%d","email":null}`, i, i) },
	"confluent":       func(g *Generate, i int) []byte { return append([]byte{0, 0, 0, 0, 7}, g.text(i)...) },
	"null":            func(*Generate, int) []byte { return nil },
	"null-text":       func(*Generate, int) []byte { return []byte("null") },
	"empty":           func(*Generate, int) []byte { return []byte{} },
	"empty-object":    func(*Generate, int) []byte { return []byte("{}") },
}

func (g *Generate) value(i int) []byte { return values[g.Value](g, i) }

// valid tells a form of value that this driver does not know.
func (g *Generate) valid() error {
	if values[g.Value] == nil {
		return fmt.Errorf("no form of value %q", g.Value)
	}
	return nil
}

func (g *Generate) text(i int) []byte {
	value := fmt.Appendf(make([]byte, 0, max(g.Size, 32)), "%sv%d:", g.Prefix, i)
	for j := 0; len(value) < g.Size; j++ {
		value = append(value, "abcdefghijklmnopqrstuvwxyz"[(i*7+j*j)%26])
	}
	return value
}
