package builtin

import (
	"fmt"
	"strings"

	"warder/rules"
	"warder/rules/state"
)

// What the rules about keys and partitions say alike.

// labelOf puts the name of a partitioner into words.
func labelOf(name string) string {
	p, _ := state.PartitionerNamed(name)
	return p.Label()
}

// settingFor says how clients are made to use a partitioner; "" for none.
func settingFor(name string) string {
	p, _ := state.PartitionerNamed(name)
	var ways []string
	for _, way := range []string{p.DefaultOf(), p.OptionOf()} {
		if way != "" {
			ways = append(ways, way)
		}
	}
	if p.DefaultOf() != "" {
		ways[0] = "the default of " + ways[0]
	}
	return strings.Join(ways, "; ")
}

// whoIs names a client in a sentence.
func whoIs(id *rules.Identity) string {
	if id == nil {
		return "a client"
	}
	return clientText(id)
}

// whereIs names a client with its library and address, for evidence.
func whereIs(id *rules.Identity) string {
	text := whoIs(id)
	var about []string
	if software := id.Software(); software != "" {
		about = append(about, rules.Excerpt(software, 60))
	}
	if id.Remote.IsValid() {
		about = append(about, id.Remote.Addr().String())
	}
	if len(about) == 0 {
		return text
	}
	return fmt.Sprintf("%s (%s)", text, strings.Join(about, ", "))
}

func topicName(topic string) string { return rules.Excerpt(topic, 249) }

// plural is "1 key" or "3 keys".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
