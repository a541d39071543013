package tap

import (
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Filter says which exchanges a subscriber wants: those that meet every condition that is set.
// The zero value wants all. Filters are called while publishing and must be fast and safe for concurrent use.
type Filter struct {
	APIs   []string               // names (any case) or keys of the APIs wanted; empty for all
	Topic  func(name string) bool // wants an exchange that touches a topic of such a name; nil for all
	Client func(id string) bool   // wants an exchange of such a client id; nil for all
	Group  func(id string) bool   // wants an exchange that names such a group, or is of a member of it; nil for all
}

// Wants reports whether the filter lets x through. What is beyond [MaxPartitions] and [MaxResources] is not seen.
func (f *Filter) Wants(x *Exchange) bool {
	if len(f.APIs) > 0 && !slices.ContainsFunc(f.APIs, func(api string) bool { return isAPI(x, api) }) {
		return false
	}
	if f.Client != nil && !f.Client(x.ClientID) {
		return false
	}
	if f.Group != nil && !anyOf(x.Groups, f.Group) {
		return false
	}
	return f.Topic == nil || slices.ContainsFunc(x.Partitions, func(p Partition) bool { return f.Topic(p.Topic) })
}

func anyOf(names iter.Seq[string], wants func(string) bool) bool {
	for name := range names {
		if wants(name) {
			return true
		}
	}
	return false
}

func isAPI(x *Exchange, want string) bool {
	if strings.EqualFold(x.API, want) {
		return true
	}
	key, err := strconv.ParseInt(want, 10, 16)
	return err == nil && int16(key) == x.Key
}
