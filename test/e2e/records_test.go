package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// gen is a generator of records; README.md says what its fields mean.
type gen struct {
	Count      int    `json:"count"`
	Size       int    `json:"size"`
	Partitions int    `json:"partitions"`
	TS         int64  `json:"ts"`
	Flavour    string `json:"flavour,omitempty"`
	Prefix     string `json:"prefix,omitempty"`
	Keys       int    `json:"keys,omitempty"`
	Hot        int    `json:"hot,omitempty"`
	Value      string `json:"value,omitempty"`
	// Avoid names what the library refuses to send: null_header_values, null_key_and_value.
	Avoid []string `json:"avoid,omitempty"`
}

// header is a name with its value, null when nil.
type header struct {
	name  string
	value []byte
}

type record struct {
	partition  int
	key, value []byte
	headers    []header
	ts         int64
}

func (g gen) record(i int) record {
	r := record{partition: i % max(1, g.Partitions), ts: g.TS + int64(i), key: g.key(i), value: g.value(i)}
	if g.Flavour != "mixed" {
		return r
	}
	switch i % 7 {
	case 3:
		r.value = nil
	case 5:
		r.value = []byte{}
	}
	if i%5 == 4 && !(r.value == nil && slices.Contains(g.Avoid, "null_key_and_value")) {
		r.key = nil
	}
	if i%3 == 0 {
		r.headers = []header{{"h1", []byte(strconv.Itoa(i))}, {"h2", nil}}
		if slices.Contains(g.Avoid, "null_header_values") {
			r.headers[1].value = []byte{}
		}
	}
	return r
}

func (g gen) key(i int) []byte {
	switch {
	case g.Hot > 0 && i%g.Hot == 0:
		return []byte(g.Prefix + "hot")
	case g.Keys > 0:
		i %= g.Keys
	}
	return fmt.Appendf(nil, "%sk%d", g.Prefix, i)
}

func (g gen) value(i int) []byte {
	switch g.Value {
	case "json":
		return fmt.Appendf(nil, `{"id":%d,"name":"n%d","email":"e%d@example.org"}`, i, i, i)
	case "json-null-email":
		return fmt.Appendf(nil, `{"id":%d,"name":"n%d","email":null}`, i, i)
	case "null":
		return nil
	case "null-text":
		return []byte("null")
	case "empty":
		return []byte{}
	case "empty-object":
		return []byte("{}")
	}
	value := fmt.Appendf(nil, "%sv%d:", g.Prefix, i)
	for j := 0; len(value) < g.Size; j++ {
		value = append(value, byte('a'+(i*7+j*j)%26))
	}
	if g.Value == "confluent" {
		value = append([]byte{0, 0, 0, 0, 7}, value...)
	}
	return value
}

func text(b []byte) string {
	if b == nil {
		return "-"
	}
	return base64.StdEncoding.EncodeToString(b)
}

// line is what digests are made of.
func (r record) line() string {
	var hs []string
	for _, h := range r.headers {
		hs = append(hs, h.name+"="+text(h.value))
	}
	return fmt.Sprintf("%s\t%s\t%s\t%d\n", text(r.key), text(r.value), strings.Join(hs, ","), r.ts)
}

// sum is the count and digest of one partition.
type sum struct {
	Count int    `json:"count"`
	SHA   string `json:"sha256"`
}

// digests of generated records that are stored once and in order; several generators follow one another.
func digests(gens ...gen) map[string]sum {
	counts, hashes := map[int]int{}, map[int]hash.Hash{}
	for _, g := range gens {
		for i := range g.Count {
			r := g.record(i)
			if hashes[r.partition] == nil {
				hashes[r.partition] = sha256.New()
			}
			counts[r.partition]++
			hashes[r.partition].Write([]byte(r.line()))
		}
	}
	all := map[string]sum{}
	for p, h := range hashes {
		all[strconv.Itoa(p)] = sum{counts[p], hex.EncodeToString(h.Sum(nil))}
	}
	return all
}

// TestGeneratorIsAsWritten holds this generator to the vectors that the drivers' authors test theirs with.
func TestGeneratorIsAsWritten(t *testing.T) {
	file, err := os.ReadFile("clients/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Generate   gen
		Partitions map[string]sum
	}
	if err := json.Unmarshal(file, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		if got := digests(v.Generate); !maps.Equal(got, v.Partitions) {
			t.Errorf("%+v: got %v, want %v", v.Generate, got, v.Partitions)
		}
	}
	if len(vectors) == 0 {
		t.Error("no vectors")
	}
}
