package messages

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// schemaText holds Apache Kafka's definitions of all requests and responses; its
// head says how to read it, test/fixtures how it is made.
//
//go:embed schema.txt
var schemaText string

// versionRange is an inclusive range of versions.
type versionRange struct{ lo, hi int16 }

func (v versionRange) has(version int16) bool { return v.lo <= version && version <= v.hi }

const keyStopReplica = 5

// noVersions has no version.
var noVersions = versionRange{0, -1}

// definition is a request or response over a range of versions.
type definition struct {
	key                int16
	response           bool
	versions, flexible versionRange
	fields             []field
}

// field is one line below a definition.
type field struct {
	name               string
	kind               string // the element's, if it is an array
	array              bool
	versions, nullable versionRange
	tag                uint32
	tagged             versionRange
	fields             []field // of a struct
	memory             int     // bytes that kmsg's struct takes, at most, without what it points to
}

// schema is parsed when the first message is decoded, and kept: some 2,000 fields.
var schema = sync.OnceValue(func() map[api][]definition {
	defs, err := parseSchema(schemaText)
	if err != nil {
		panic("messages: schema.txt: " + err.Error()) // TestSchemaCoversKmsg parses it
	}
	byAPI := map[api][]definition{}
	for _, d := range defs {
		a := api{d.key, d.response}
		byAPI[a] = append(byAPI[a], d)
	}
	for _, defs := range byAPI {
		var all [][]field
		for i := range defs {
			all = append(all, defs[i].fields)
		}
		structMemory(all)
	}
	return byAPI
})

// api is the requests or the responses of a key.
type api struct {
	key      int16
	response bool
}

// define returns the definition of m, or nil. There is none of StopReplica requests,
// though schema.txt has it: kmsg reads version 4 in another order than Kafka does
// (IsKRaftController behind ControllerEpoch) and gives versions 0 to 2 other fields.
// Only controllers send it, so that nobody misses it.
func define(m message) *definition {
	if m.key == keyStopReplica && !m.response {
		return nil
	}
	defs := schema()[api{m.key, m.response}]
	for i := range defs {
		if d := &defs[i]; d.versions.has(m.version) {
			return d
		}
	}
	return nil
}

func parseSchema(text string) ([]definition, error) {
	var defs []definition
	for n, line := range strings.Split(text, "\n") {
		name := strings.TrimLeft(line, " ")
		if name == "" || name[0] == '#' {
			continue
		}
		depth := len(line) - len(name)
		words := strings.Fields(name)
		var err error
		if depth == 0 {
			var d definition
			d, err = parseDefinition(words)
			defs = append(defs, d)
		} else {
			into := &defs[len(defs)-1].fields
			for range depth - 1 {
				into = &(*into)[len(*into)-1].fields
			}
			var f field
			f, err = parseField(words)
			*into = append(*into, f)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return defs, nil
}

// parseDefinition reads "request|response KEY NAME VERSIONS FLEXIBLE RELEASE".
func parseDefinition(words []string) (d definition, err error) {
	if len(words) != 6 {
		return d, fmt.Errorf("%d words", len(words))
	}
	key, err := strconv.ParseInt(words[1], 10, 16)
	if err != nil {
		return d, err
	}
	d = definition{key: int16(key), response: words[0] == "response"}
	if d.versions, err = parseVersions(words[3]); err != nil {
		return d, err
	}
	d.flexible, err = parseVersions(words[4])
	return d, err
}

// parseField reads "FIELD TYPE VERSIONS [?NULLABLE] [#TAG@VERSIONS]".
func parseField(words []string) (f field, err error) {
	if len(words) < 3 {
		return f, fmt.Errorf("%d words", len(words))
	}
	f = field{name: words[0], nullable: noVersions, tagged: noVersions}
	f.kind, f.array = strings.CutPrefix(words[1], "[]")
	if f.versions, err = parseVersions(words[2]); err != nil {
		return f, err
	}
	for _, w := range words[3:] {
		if nullable, ok := strings.CutPrefix(w, "?"); ok {
			f.nullable, err = parseVersions(nullable)
		} else {
			number, tagged, _ := strings.Cut(strings.TrimPrefix(w, "#"), "@")
			var tag uint64
			if tag, err = strconv.ParseUint(number, 10, 32); err == nil {
				f.tag = uint32(tag)
				f.tagged, err = parseVersions(tagged)
			}
		}
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

// parseVersions reads "3", "0-3", "3+" and "none".
func parseVersions(s string) (versionRange, error) {
	if s == "none" {
		return noVersions, nil
	}
	lo, hi, ranged := strings.Cut(s, "-")
	if !ranged {
		var open bool
		if lo, open = strings.CutSuffix(s, "+"); open {
			hi = "32767"
		} else {
			hi = lo
		}
	}
	low, err := strconv.ParseInt(lo, 10, 16)
	if err != nil {
		return noVersions, err
	}
	high, err := strconv.ParseInt(hi, 10, 16)
	return versionRange{int16(low), int16(high)}, err
}
