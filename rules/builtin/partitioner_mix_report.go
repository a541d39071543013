package builtin

import (
	"fmt"
	"strconv"

	"warder/rules"
	"warder/rules/state"
)

// mix puts two clients that do not go together into words.
func (m *partitionerMix) mix(s *mixedTopic, found, other *rules.PartitionerFound) rules.Report {
	r := rules.Report{
		Severity: rules.Critical,
		Subject:  rules.Subject{Topic: found.Topic},
		Summary:  mixText(found, other) + ": equal keys land on different partitions",
		Evidence: rules.Evidence{
			{Name: "partitioners", Value: []string{found.Partitioner, other.Partitioner}},
			{Name: "clients", Value: []string{foundText(found), foundText(other)}},
			{Name: "partitions", Value: found.Partitions},
		},
		Advice: "Give both the same partitioner (" + settings(found, other) +
			"); what is written stays where it is. An entry in rules.partitioner-mix.pins, with `action: block`, refuses the other.",
	}
	r.Evidence = append(r.Evidence, m.example(found, other)...)
	if n := len(s.writers); n > 2 {
		r.Evidence = append(r.Evidence, rules.Fact{Name: "writers", Value: n})
	}
	if found.Partitioner == rules.CustomPartitioner || other.Partitioner == rules.CustomPartitioner {
		r.Severity, r.Advice = rules.Warning, customAdvice(found, other)
		r.Summary = mixText(found, other) + ": equal keys can land on different partitions"
	}
	return r
}

// mixText says who does what.
func mixText(found, other *rules.PartitionerFound) string {
	one, two := labelOf(found.Partitioner), labelOf(other.Partitioner)
	if id := found.Client.ClientID; id != "" && id == other.Client.ClientID {
		return fmt.Sprintf("%s uses %s in %s and %s in %s for the keys of topic %s",
			whoIs(found.Client), one, hostOf(found.Client), two, hostOf(other.Client), topicName(found.Topic))
	}
	return fmt.Sprintf("%s uses %s and %s uses %s for the keys of topic %s", whoIs(found.Client), one, whoIs(other.Client), two, topicName(found.Topic))
}

// settings says how clients are given either partitioner, other than by default.
func settings(found, other *rules.PartitionerFound) string {
	p, _ := state.PartitionerNamed(found.Partitioner)
	q, _ := state.PartitionerNamed(other.Partitioner)
	return fmt.Sprintf("%s: %s; %s: %s", p, p.OptionOf(), q, q.OptionOf())
}

func customAdvice(found, other *rules.PartitionerFound) string {
	who, known := found, other
	if other.Partitioner == rules.CustomPartitioner {
		who, known = other, found
	}
	return fmt.Sprintf("If %s names each record's partition on purpose, add {client_id: %q} to rules.partitioner-mix.allow. Else its library ignores keys: kafka-go's Writer does unless it is given a Balancer, Java with partitioner.ignore.keys. %s is %s.",
		whoIs(who.Client), whoIs(who.Client), known.Partitioner, settingFor(known.Partitioner))
}

// hostOf tells instances of one client apart.
func hostOf(id *rules.Identity) string {
	where := rules.Excerpt(id.Software(), 60)
	if id.Remote.IsValid() {
		if where != "" {
			where += " at "
		}
		where += id.Remote.Addr().String()
	}
	if where == "" {
		return "another instance"
	}
	return where
}

func foundText(f *rules.PartitionerFound) string {
	if f.Partitioner == rules.CustomPartitioner {
		return fmt.Sprintf("%s: %s, the closest has %d of %d keys", whereIs(f.Client), f.Partitioner, f.Matches, f.Keys)
	}
	return fmt.Sprintf("%s: %s, %d of %d keys", whereIs(f.Client), f.Partitioner, f.Matches, f.Keys)
}

// example names a key and where each of the two sends it, by preference one that
// they send to different partitions.
func (m *partitionerMix) example(found, other *rules.PartitionerFound) rules.Evidence {
	best := &found.Example
	if best.Places[found.Partitioner] == best.Places[other.Partitioner] {
		best = &other.Example
	}
	e := rules.Evidence{{Name: "key", Value: m.keyText(best.Key, best.Shown)}}
	for _, f := range []*rules.PartitionerFound{found, other} {
		if place, ok := best.Places[f.Partitioner]; ok {
			e = append(e, rules.Fact{Name: "partition_by_" + f.Partitioner, Value: place})
		}
	}
	return e
}

func (m *partitionerMix) keyText(hash, shown string) string {
	if len(m.Reveal) > 0 {
		return strconv.Quote(shown)
	}
	return hash
}

// switched reports a client that has begun to choose partitions in another way.
func (m *partitionerMix) switched(f *rules.PartitionerFound) rules.Report {
	subject := rules.SubjectOf(f.Client)
	subject.Topic = f.Topic
	before := &rules.PartitionerFound{Partitioner: f.Before}
	r := rules.Report{
		Subject: subject,
		Summary: fmt.Sprintf("%s changed from %s to %s for the keys of topic %s: keys go to other partitions than before",
			whoIs(f.Client), labelOf(f.Before), labelOf(f.Partitioner), topicName(f.Topic)),
		Evidence: rules.Evidence{
			{Name: "partitioners", Value: []string{f.Before, f.Partitioner}},
			{Name: "clients", Value: []string{foundText(f)}}, {Name: "partitions", Value: f.Partitions},
		},
		Advice: "An upgrade of the client library or its partitioner setting has changed it. To go back: " + f.Before + " is " + settingFor(f.Before) +
			". To go on, expect order per key to break once, and compacted topics to keep the older value of a key on its old partition.",
	}
	r.Evidence = append(r.Evidence, m.example(f, before)...)
	if f.Partitioner == rules.CustomPartitioner {
		r.Severity = rules.Warning
	}
	return r
}
