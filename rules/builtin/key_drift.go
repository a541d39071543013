package builtin

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// keyDrift finds keys that are written to two partitions of a topic although the
// number of its partitions has not changed: order per key is lost, and whoever
// keeps state by partition sees half of it. And it finds clients whose keys have
// got other bytes, which has the same effect without any key being seen twice.
type keyDrift struct{ keyDriftKnobs }

// keyDriftKnobs are the keys below `rules.key-drift` that only it knows.
type keyDriftKnobs struct {
	// How many different keys on two partitions make it critical.
	CriticalKeys int `yaml:"critical_keys" min:"1"`
	// The incident is over when no key has moved for so long.
	ResolveAfter time.Duration `yaml:"resolve_after" min:"1s"`
	// What is shown instead of its hash.
	Reveal []string `yaml:"reveal" enum:"keys"`
}

func keyDriftSpec() rules.Spec {
	return rules.Spec{
		ID:       "key-drift",
		Summary:  "a key written to two partitions of a topic, or keys whose bytes have changed",
		Severity: rules.Warning,
		Needs:    rules.NeedKeys,
		Default:  rules.Alert,
		Doc:      "docs/rules/key-drift.md",
		Example:  "key-drift:\n  critical_keys: 10\n  allow: [{client_id: \"*MirrorSourceConnector*\"}]\n",
		FoldBy:   rules.FieldTopic | rules.FieldClientID,
		Watches: []rules.Interest{
			{Kind: rules.KindKeysMoved, By: rules.ByTopic},
			{Kind: rules.KindKeyFormatChanged, By: rules.ByTopic},
		},
		New: newKeyDrift,
	}
}

func newKeyDrift(decode func(any) error) (rules.Rule, error) {
	d := &keyDrift{keyDriftKnobs{CriticalKeys: 10, ResolveAfter: time.Hour}}
	if err := decode(&d.keyDriftKnobs); err != nil {
		return nil, err
	}
	return d, nil
}

// driftingTopic is an incident, in some 1.2 KiB.
type driftingTopic struct {
	last  time.Time
	moved int
	worst rules.Severity
	keys  state.Distinct
}

// count estimates how many different keys have moved.
func (s *driftingTopic) count() int { return min(s.keys.Count(), s.moved) }

// Watch reports keys that have moved, and keys that look otherwise.
func (d *keyDrift) Watch(w *rules.Watch, ev rules.Event) {
	switch ev := ev.(type) {
	case rules.KeyFormatChanged:
		w.Report(formatChanged(&ev))
	case rules.KeysMoved:
		s, ok := w.State.(*driftingTopic)
		if !ok {
			s = &driftingTopic{}
			w.State = s
		}
		s.last = ev.At
		s.moved += ev.Moved
		for _, hash := range ev.Hashes {
			s.keys.Add(hash)
		}
		w.Report(d.report(s, &ev))
	}
}

// Tick ends an incident in which nothing has moved for a while.
func (d *keyDrift) Tick(w *rules.Watch) {
	s, ok := w.State.(*driftingTopic)
	if !ok || w.Now.Sub(s.last) < d.ResolveAfter {
		return
	}
	w.State = nil
	w.Report(rules.Report{
		Severity: s.worst, Subject: rules.Subject{Topic: w.Key}, Resolved: true,
		Summary:  fmt.Sprintf("no key of topic %s has changed its partition for %s", topicName(w.Key), d.ResolveAfter),
		Evidence: rules.Evidence{{Name: "keys", Value: s.count()}, {Name: "writes_elsewhere", Value: s.moved}},
		Advice:   "What was written meanwhile stays on both partitions until retention or compaction removes it.",
	})
}

func (d *keyDrift) report(s *driftingTopic, ev *rules.KeysMoved) rules.Report {
	keys := s.count()
	key := ev.KeyText
	if len(d.Reveal) > 0 {
		key = strconv.Quote(ev.Shown)
	}
	clients := []string{whereIs(ev.Client)}
	if ev.Writer != nil && whereIs(ev.Writer) != clients[0] {
		clients = append(clients, whereIs(ev.Writer))
	}
	r := rules.Report{
		Severity: rules.Warning,
		Subject:  rules.Subject{Topic: ev.Topic},
		Summary: fmt.Sprintf("%s wrote key %s of topic %s to partition %d, but %s (%s): readers lose the order of %s",
			whoIs(ev.Client), key, topicName(ev.Topic), ev.To, writtenBefore(ev), numberText(ev), ofKeys(keys)),
		Evidence: rules.Evidence{
			{Name: "keys", Value: keys}, {Name: "writes_elsewhere", Value: s.moved},
			{Name: "key", Value: key}, {Name: "from", Value: ev.From}, {Name: "to", Value: ev.To},
			{Name: "partitions", Value: ev.Partitions}, {Name: "clients", Value: clients},
		},
		Advice: driftAdvice(ev),
	}
	if len(ev.InUse) > 0 {
		r.Evidence = append(r.Evidence, rules.Fact{Name: "partitioners", Value: ev.InUse})
	}
	if keys >= d.CriticalKeys {
		r.Severity = rules.Critical
	}
	s.worst = max(s.worst, r.Severity)
	return r
}

func ofKeys(n int) string {
	if n == 1 {
		return "that key"
	}
	return fmt.Sprintf("%d keys", n)
}

// writtenBefore says who put the key where it was.
func writtenBefore(ev *rules.KeysMoved) string {
	who := "it"
	if ev.Writer != nil && whereIs(ev.Writer) != whereIs(ev.Client) {
		who = whoIs(ev.Writer)
	}
	ago := ""
	if ev.Ago >= time.Minute {
		ago = fmt.Sprintf(", %s before", strings.TrimSuffix(ev.Ago.String(), "0s"))
	}
	if who == "it" {
		return fmt.Sprintf("it was on %d%s", ev.From, ago)
	}
	return fmt.Sprintf("%s had put it on %d%s", who, ev.From, ago)
}

// numberText says by how many partitions the client goes.
func numberText(ev *rules.KeysMoved) string {
	if ev.TopicPartitions > 0 && ev.TopicPartitions != ev.Partitions {
		return fmt.Sprintf("%s goes by %d partitions where there are %d", whoIs(ev.Client), ev.Partitions, ev.TopicPartitions)
	}
	return fmt.Sprintf("of %d partitions, now as then", ev.Partitions)
}

// driftAdvice names the cause where it is known.
func driftAdvice(ev *rules.KeysMoved) string {
	one, other := ev.WriterPartitioner, ev.Partitioner
	switch {
	case ev.TopicPartitions > 0 && ev.TopicPartitions != ev.Partitions:
		return fmt.Sprintf("%s has not asked for metadata since partitions were added: lower its metadata.max.age.ms below 10 minutes, or restart it.", whoIs(ev.Client))
	case one != "" && other != "" && one != other:
		return fmt.Sprintf("The two clients choose partitions by %s and %s: give them the same partitioner, see the partitioner-mix finding of this topic.", labelOf(one), labelOf(other))
	case other == rules.CustomPartitioner:
		return fmt.Sprintf("%s uses %s. If each record's partition is meant, add {client_id: %q} to rules.key-drift.allow; kafka-go's Writer ignores keys unless it is given a Balancer such as &kafka.Murmur2Balancer{}.",
			whoIs(ev.Client), labelOf(other), whoIs(ev.Client))
	case len(ev.InUse) > 1:
		return fmt.Sprintf("Writers of this topic use different partitioners (%s): give them the same one.", strings.Join(ev.InUse, ", "))
	}
	return "Look for a client with stale metadata (metadata.max.age.ms above 10 minutes), a producer that names partitions itself, or a job that rewrites keys. Writers that do so on purpose belong into rules.key-drift.allow."
}

// formatChanged reports that a client serializes keys otherwise than before.
func formatChanged(ev *rules.KeyFormatChanged) rules.Report {
	same := ""
	if ev.Partitioner != "" && ev.Partitioner != rules.CustomPartitioner {
		same = "same partitioner, but "
	}
	subject := rules.SubjectOf(ev.Client)
	subject.Topic = ev.Topic
	r := rules.Report{
		Severity: rules.Warning,
		Subject:  subject,
		Summary: fmt.Sprintf("%s serializes the keys of topic %s otherwise: %skeys changed from %s to %s, so equal keys no longer meet",
			whoIs(ev.Client), topicName(ev.Topic), same, ev.Before, ev.After),
		Evidence: rules.Evidence{{Name: "format_before", Value: ev.Before}, {Name: "format", Value: ev.After}, {Name: "keys_sampled", Value: ev.Keys}},
		Advice:   "Compare key.serializer (or the key encoder) of the two releases. If the change is meant, readers must expect each key in both forms, and a compacted topic keeps both.",
	}
	if ev.Partitioner != "" {
		r.Evidence = append(r.Evidence, rules.Fact{Name: "partitioner", Value: ev.Partitioner})
	}
	return r
}
