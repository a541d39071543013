package builtin

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// partitionerMix finds clients that write to one topic by different partitioners:
// equal keys land on different partitions. What each client uses is worked out by
// state.Keys from the keys and partitions themselves.
type partitionerMix struct{ partitionerMixKnobs }

// partitionerMixKnobs are the keys below `rules.partitioner-mix` that only it
// knows.
type partitionerMixKnobs struct {
	// Topics whose keys must be where a partitioner puts them; the first entry
	// that matches counts. With `action: block` other writes are refused.
	Pins []partitionerPin `yaml:"pins"`
	// A client that has not written for so long is no longer part of a mix.
	ForgetAfter time.Duration `yaml:"forget_after" min:"1s"`
	// Report a client whose keys are placed by no known partitioner beside one
	// that has one.
	Custom bool `yaml:"custom"`
	// What a refusal means for clients that wait for no answer (acks=0):
	// close the connection, or drop the batch, which loses data silently.
	AcksZero string `yaml:"acks_0" enum:"close,drop"`
	// What is shown instead of its hash.
	Reveal []string `yaml:"reveal" enum:"keys"`
}

func partitionerMixSpec() rules.Spec {
	return rules.Spec{
		ID:       "partitioner-mix",
		Summary:  "clients that choose the partition of a key in different ways, so equal keys land apart",
		Severity: rules.Critical,
		Needs:    rules.NeedKeys | rules.NeedRecords,
		CanBlock: true,
		Default:  rules.Alert,
		Doc:      "docs/rules/partitioner-mix.md",
		Example:  "partitioner-mix:\n  action: block\n  pins: [{topic: \"orders.*\", partitioner: java}]\n",
		FoldBy:   rules.FieldTopic | rules.FieldClientID,
		Watches:  []rules.Interest{{Kind: rules.KindPartitionerFound, By: rules.ByTopic}},
		New:      newPartitionerMix,
	}
}

func newPartitionerMix(decode func(any) error) (rules.Rule, error) {
	m := &partitionerMix{partitionerMixKnobs{ForgetAfter: time.Hour, Custom: true, AcksZero: "close"}}
	if err := decode(&m.partitionerMixKnobs); err != nil {
		return nil, err
	}
	for i := range m.Pins {
		if p := &m.Pins[i]; p.Topic.Empty() || p.Partitioner == state.NoPartitioner {
			return nil, errors.New("rules.partitioner-mix.pins: an entry needs both topic and partitioner, as in {topic: \"orders.*\", partitioner: java}")
		}
	}
	if len(m.Pins) > 0 {
		return &pinnedMix{m}, nil
	}
	return m, nil
}

// mixedTopic is who writes to one topic. It takes at most 64 KiB.
type mixedTopic struct {
	writers []mixWriter // the latest last, at most maxMixWriters
	told    []string    // clients and partitioners that were reported
	worst   rules.Severity
}

// Bounds of a mixedTopic. Once so many were told, further ones are no news.
const (
	maxMixWriters = 64
	maxMixTold    = 128
)

// mixWriter is a client and what it was last found to use.
type mixWriter struct {
	who   string // address, client id and software
	found rules.PartitionerFound
}

func mixWho(id *rules.Identity) string {
	return id.Remote.Addr().String() + " " + id.ClientID + " " + id.Software()
}

// Watch compares what a client uses with what it and others used before.
func (m *partitionerMix) Watch(w *rules.Watch, ev rules.Event) {
	found, ok := ev.(rules.PartitionerFound)
	if !ok {
		return
	}
	s, ok := w.State.(*mixedTopic)
	if !ok {
		s = &mixedTopic{}
		w.State = s
	}
	s.forget(w.Now.Add(-m.ForgetAfter))
	s.put(mixWriter{mixWho(found.Client), found})
	if found.Before != "" && found.Before != rules.CustomPartitioner {
		w.Report(m.switched(&found))
	}
	m.mixed(w, s, &found)
}

// Tick forgets clients that are gone, and ends what they were part of.
func (m *partitionerMix) Tick(w *rules.Watch) {
	s, ok := w.State.(*mixedTopic)
	if !ok {
		return
	}
	s.forget(w.Now.Add(-m.ForgetAfter))
	if len(s.told) > 0 && !m.anyMix(s) {
		w.Report(rules.Report{
			Severity: s.worst, Subject: rules.Subject{Topic: w.Key}, Resolved: true,
			Summary: fmt.Sprintf("all who write to topic %s choose partitions in the same way", topicName(w.Key)),
			Advice:  "Keys that were written meanwhile stay where they are until retention or compaction removes them.",
		})
		s.told, s.worst = nil, 0
	}
	if len(s.writers) == 0 {
		w.State = nil
	}
}

// forget drops who was not heard of since.
func (s *mixedTopic) forget(since time.Time) {
	s.writers = slices.DeleteFunc(s.writers, func(w mixWriter) bool { return w.found.At.Before(since) })
}

// put makes a client the latest.
func (s *mixedTopic) put(w mixWriter) {
	s.writers = slices.DeleteFunc(s.writers, func(other mixWriter) bool { return other.who == w.who })
	if len(s.writers) >= maxMixWriters {
		s.writers = slices.Delete(s.writers, 0, 1)
	}
	s.writers = append(s.writers, w)
}

// mixed reports a client that does not go with another one, unless both were
// reported.
func (m *partitionerMix) mixed(w *rules.Watch, s *mixedTopic, found *rules.PartitionerFound) {
	other := m.opponent(s, found)
	if other == nil {
		return
	}
	news := false
	for _, f := range []*rules.PartitionerFound{found, other} {
		if name := f.Client.ClientID + " " + f.Partitioner; len(s.told) < maxMixTold && !slices.Contains(s.told, name) {
			s.told, news = append(s.told, name), true
		}
	}
	if news {
		r := m.mix(s, found, other)
		s.worst = max(s.worst, r.Severity)
		w.Report(r)
	}
}

// opponent is the latest client that chooses partitions in another way: one with
// a known partitioner if there is one.
func (m *partitionerMix) opponent(s *mixedTopic, found *rules.PartitionerFound) (other *rules.PartitionerFound) {
	for i := range slices.Backward(s.writers) {
		f := &s.writers[i].found
		if !m.differ(found, f) {
			continue
		}
		if f.Partitioner != rules.CustomPartitioner {
			return f
		}
		if other == nil {
			other = f
		}
	}
	return other
}

func (m *partitionerMix) anyMix(s *mixedTopic) bool {
	for i := range s.writers {
		if m.opponent(s, &s.writers[i].found) != nil {
			return true
		}
	}
	return false
}

// differ says whether two clients send equal keys to different partitions. With
// some numbers of partitions two partitioners are one.
func (m *partitionerMix) differ(a, b *rules.PartitionerFound) bool {
	if a.Partitioner == b.Partitioner {
		return false
	}
	p, _ := state.PartitionerNamed(a.Partitioner)
	q, _ := state.PartitionerNamed(b.Partitioner)
	if p == state.NoPartitioner || q == state.NoPartitioner {
		return m.Custom
	}
	return p.Plainest(a.Partitions) != q.Plainest(a.Partitions) && p.Plainest(b.Partitions) != q.Plainest(b.Partitions)
}
