package engine

import "warder/rules"

// Meter is told what the engine does, for metrics. Functions left nil are not
// called. They run on the goroutine concerned, sessions included, and must be
// quick and safe for concurrent use.
type Meter struct {
	// Finding counts what was found, repeats included, suppressed ones not.
	Finding func(rule string, s rules.Severity, a rules.Action)
	// Suppressed counts findings that a suppression silenced.
	Suppressed func(rule string)
	// Verdict counts partitions of Produce requests, and changes that
	// administrative requests ask for, by what the gate said.
	Verdict func(v Verdict, n int)
	// Inspected counts what rules have looked at.
	Inspected func(batches, records int)
	// Uninspected counts record bytes that a rule wanted to see and could not.
	Uninspected func(reason Reason, bytes int)
	// Dropped counts what did not fit into a queue: "events", "findings",
	// "sink_" and the sink's name.
	Dropped func(queue string, n int)
	// SinkError counts findings that a sink could not write.
	SinkError func(sink string)
	// Panic counts panics of a rule.
	Panic func(rule string)
}

// Verdict is the label of a judged partition or change.
type Verdict string

// The verdicts.
const (
	Allowed    Verdict = "allowed"
	WouldBlock Verdict = "would_block" // a rule that is not on block denied it
	Denied     Verdict = "denied"
)

// Reason says why records could not be inspected.
type Reason string

// The reasons.
const (
	UnknownTopic Reason = "topic_unknown" // a topic id without a name
	BadCodec     Reason = "codec"         // does not decompress
	Bomb         Reason = "bomb"          // expands beyond the limits
	Malformed    Reason = "malformed"     // not what KIP-98 says
	Truncated    Reason = "truncated"     // ends inside a batch
	RulePanic    Reason = "rule_panic"
	TooLarge     Reason = "too_large" // a fetched batch beyond what is copied
)

// StoreSize is the size of a bounded store.
type StoreSize struct {
	Name    string
	Len     int
	Evicted uint64
}

func (m *Meter) finding(rule string, s rules.Severity, a rules.Action) {
	if m.Finding != nil {
		m.Finding(rule, s, a)
	}
}

func (m *Meter) suppressed(rule string) {
	if m.Suppressed != nil {
		m.Suppressed(rule)
	}
}

func (m *Meter) verdict(v Verdict, n int) {
	if m.Verdict != nil && n > 0 {
		m.Verdict(v, n)
	}
}

func (m *Meter) inspected(batches, records int) {
	if m.Inspected != nil && batches > 0 {
		m.Inspected(batches, records)
	}
}

func (m *Meter) uninspected(reason Reason, bytes int) {
	if m.Uninspected != nil {
		m.Uninspected(reason, bytes)
	}
}

func (m *Meter) dropped(queue string, n int) {
	if m.Dropped != nil {
		m.Dropped(queue, n)
	}
}

func (m *Meter) sinkError(sink string) {
	if m.SinkError != nil {
		m.SinkError(sink)
	}
}

func (m *Meter) panicked(rule string) {
	if m.Panic != nil {
		m.Panic(rule)
	}
}
