package rules

import "fmt"

// Spec describes a rule before it is configured. The table of all rules is
// builtin.Specs.
type Spec struct {
	// ID is the name in configuration, findings and metrics, as in
	// "key-drift". It is never reused.
	ID string
	// Summary says in one line what the rule finds.
	Summary string
	// Severity of its findings, unless a Report says otherwise.
	Severity Severity
	// Needs says how deep warder must look for this rule.
	Needs Needs
	// CanBlock says whether Deny means anything: action `block` is refused
	// for rules without it.
	CanBlock bool
	// Default is the action when the configuration names none.
	Default Action
	// Doc is the page of the rule, from the top of the repository.
	Doc string
	// Example is a piece of configuration, YAML below `rules:`.
	Example string
	// FoldBy names what makes two findings of the rule the same incident;
	// together with rule and cluster it is the fingerprint.
	FoldBy Fields
	// Tells says what the rule's Store tells of topics, see TopicTeller.
	Tells Tells
	// Watches lists the events its Watcher is given, and the key that
	// chooses the state it is given with them.
	Watches []Interest
	// New makes the rule. decode fills a pointer to a struct of the rule's
	// own knobs, whose defaults are set, and is strict: an unknown key is an
	// error with its position. New must call it even if there are no knobs.
	New func(decode func(params any) error) (Rule, error)
}

// Rule is a configured rule: immutable, and used by many goroutines at once.
// It implements some of RequestRule, BatchRule, RecordRule, SampleRule,
// ChangeRule and Watcher, and where it needs them Selector, RecordSelector,
// Scratcher, Sharer, Sweeper and Ticker.
type Rule any

// RequestRule judges a Produce request before anyone looks at its batches.
type RequestRule interface {
	Request(c *Case, q *Request)
}

// BatchRule judges a record batch. It is called once per batch, after
// RecordRule has seen all its records; control batches are left out. It is
// not called when the records could not be read although Needs asks for them.
type BatchRule interface {
	Batch(c *Case, b *Batch)
}

// RecordRule judges one record. It is called for every record of a batch, in
// order, and must be cheap: most traffic is clean.
type RecordRule interface {
	Record(c *Case, b *Batch, r *Record)
}

// SampleRule looks at some records, for what shows in any handful of them:
// formats, frequent keys. A client that writes little to a topic has all its
// records looked at, one that writes much one in SampleEvery; Batch.Weight says
// how many records the sample stands for. With NeedFetched it is also shown
// samples of what consumers fetch, see Batch.Fetched; a BatchRule is not. A
// batch of which nothing is sampled is not decompressed for it.
type SampleRule interface {
	Sample(c *Case, b *Batch, r *Record)
}

// How records are sampled for SampleRule, for each session and topic: about
// SamplesPerSecond of each second, spread over it by the pace of the second
// before, and never fewer than one in SampleEvery.
const (
	SamplesPerSecond = 32
	SampleEvery      = 64
)

// Watcher follows one key through the events named in Spec.Watches. Order and
// completeness are not promised: it must rely on Kafka's own clocks (epochs,
// generations, offsets, the time of the event), and a Gap tells it that events
// were lost.
type Watcher interface {
	Watch(w *Watch, ev Event)
}

// Ticker is a Watcher that also acts when nothing happens. Tick is called about
// once a second for every key it has state for; w.Now says when.
type Ticker interface {
	Tick(w *Watch)
}

// Sweeper is a Sharer that also acts when nothing happens. Sweep is called about
// once a second, by one goroutine, with the memory as w.Shared: Key and State of
// w are empty. Sessions use the memory meanwhile.
type Sweeper interface {
	Sweep(w *Watch)
}

// Selector says whether the rule cares for what this client writes to this
// topic or, with NeedFetched, fetches from it. The answer is kept until the configuration, the client's identity or
// what is known of the topic changes, so that uninteresting batches are not
// even decompressed.
type Selector interface {
	Wants(id *Identity, t *Topic) bool
}

// RecordSelector is a RecordRule that looks at every record of some topics only,
// where it cannot be content with samples. Elsewhere batches are not walked for
// it. The answer is kept as that of Selector is, which is asked first.
type RecordSelector interface {
	WantsRecords(id *Identity, t *Topic) bool
}

// Scratcher is a rule that needs memory from record to record. Each session has
// its own scratch, given as Case.Scratch, and another one for what it fetches if
// the rule is shown that; both are dropped when the configuration changes. It
// must have a fixed bound.
type Scratcher interface {
	NewScratch() any
}

// Sharer is a rule that needs memory across sessions, given as Case.Shared.
// It is made once for each rule id and outlives reloads, so its type must not
// depend on the knobs. It must be safe for concurrent use and bounded. If it is a
// TopicTeller people are shown what it knows.
type Sharer interface {
	NewShared() Store
}

// Store is bounded state; the engine reports its size in metrics.
type Store interface {
	// Len is the number of entries now.
	Len() int
	// Evicted counts the entries that were dropped to stay within the bound.
	Evicted() uint64
}

// Needs says what must be decoded for a rule, as a set.
type Needs uint8

// What a rule can need.
const (
	// NeedHeaders: the heads of record batches, nothing decompressed.
	NeedHeaders Needs = 1 << iota
	// NeedRecords: the records themselves.
	NeedRecords
	// NeedTopicConfig: the topic's cleanup.policy.
	NeedTopicConfig
	// NeedSamples: some of the records, for SampleRule.
	NeedSamples
	// NeedFetched: samples of what consumers fetch as well.
	NeedFetched
	// NeedKeys: the keys of all records are followed, for PartitionerFound,
	// KeysMoved and KeyFormatChanged, and Batch.Seen is set.
	NeedKeys
	// NeedTopicSettings: Topic.Settings, for a ChangeRule.
	NeedTopicSettings
)

// Has says whether n includes all of m.
func (n Needs) Has(m Needs) bool { return n&m == m }

// Action is what the operator wants done about a finding.
type Action uint8

// The actions, from least to most.
const (
	Off   Action = iota // the rule does not run
	Alert               // a finding
	Keep                // a finding, and the exchange goes into the recording (`record`)
	Block               // a finding, and the write is refused
)

var actionNames = [...]string{"off", "alert", "record", "block"}

// String is the action as the configuration writes it.
func (a Action) String() string { return actionNames[a] }

// MarshalText is String.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads off, alert, record or block.
func (a *Action) UnmarshalText(text []byte) error {
	for i, name := range actionNames {
		if string(text) == name {
			*a = Action(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not an action; write off, alert, record or block", text)
}

// Severity is how bad a finding is, whatever is done about it.
type Severity uint8

// The severities. The zero value stands for the one in Spec.
const (
	_ Severity = iota
	Info
	Warning
	Critical
)

var severityNames = [...]string{"", "info", "warning", "critical"}

// String is the severity as findings write it.
func (s Severity) String() string { return severityNames[s] }

// MarshalText is String.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads info, warning or critical.
func (s *Severity) UnmarshalText(text []byte) error {
	for i, name := range severityNames {
		if i > 0 && string(text) == name {
			*s = Severity(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not a severity; write info, warning or critical", text)
}
