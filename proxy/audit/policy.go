package audit

import (
	"maps"
	"math"
	"slices"
	"sync/atomic"

	"warder/configs"
	"warder/protocol"
)

// unknownAPI is the place of all keys that the table of APIs does not have.
const unknownAPI = int(protocol.MaxKey) + 1

// policy says which exchanges stand in the trail.
type policy struct {
	oneOf [unknownAPI + 1]int           // of each API: one of how many; 0 for none
	seen  [unknownAPI + 1]atomic.Uint64 // exchanges of APIs that are sampled
}

func newPolicy(c *configs.Audit) *policy {
	p := &policy{}
	for _, name := range c.APIs {
		p.set(name, 1)
	}
	// The more exactly an API is named, the more that counts.
	names := slices.SortedFunc(maps.Keys(c.Sample), func(a, b string) int { return breadth(b) - breadth(a) })
	for _, name := range names {
		p.set(name, max(1, int(math.Round(1/c.Sample[name]))))
	}
	return p
}

// breadth is how many APIs a word of the configuration may stand for.
func breadth(name string) int {
	if name == configs.AuditAll {
		return unknownAPI
	}
	return max(len(configs.AuditGroups[name]), 1)
}

func (p *policy) set(name string, oneOf int) {
	for _, api := range protocol.APIs() {
		if name == configs.AuditAll || name == api.Name || slices.Contains(configs.AuditGroups[name], api.Name) {
			p.oneOf[api.Key] = oneOf
		}
	}
	if name == configs.AuditAll {
		p.oneOf[unknownAPI] = oneOf
	}
}

// wants says one of how many exchanges of an API is kept, 0 for none, and whether it is this one.
func (p *policy) wants(key int16) (oneOf int, this bool) {
	i := int(key)
	if protocol.LookupAPI(key) == nil {
		i = unknownAPI
	}
	oneOf = p.oneOf[i]
	return oneOf, oneOf == 1 || oneOf > 1 && p.seen[i].Add(1)%uint64(oneOf) == 1
}
