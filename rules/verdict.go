package rules

import "time"

// Denial is a rule's opinion that something should not be written.
type Denial struct {
	// Record is the index of the record in its batch; WholeBatch for all.
	Record int
	// Key is the record's key as KeyText writes it, for the rule's own report.
	Key string
	// Reason completes "refused this record: " (or batch, or change), in ASCII,
	// without a full stop, as in "null value would delete key sha256:9f2c1a0b from
	// compacted topic users".
	Reason string
	// AcksZero says what happens to a request that nobody answers.
	AcksZero AcksZero
}

// WholeBatch is the Record of a Denial that concerns no single record: a whole
// batch or request, or a Change.
const WholeBatch = -1

// AcksZero is what a refusal means for a client that waits for no answer
// (acks=0).
type AcksZero uint8

// What can be done.
const (
	// CloseConnection, as a broker does on an error with acks=0, tells the
	// client that something is wrong.
	CloseConnection AcksZero = iota
	// DropSilently throws the batch away: the client loses data and is not
	// told. The finding says so.
	DropSilently
)

// String names it as the configuration does.
func (a AcksZero) String() string {
	if a == DropSilently {
		return "drop"
	}
	return "close"
}

// Report is what a rule has found. The engine adds rule, action, identity,
// topic and partition, and turns it into a Finding.
type Report struct {
	// Severity, if other than Spec.Severity.
	Severity Severity
	// Subject: of a batch, fields left empty are filled from the batch and its
	// client. A Watcher fills it itself, see SubjectOf.
	Subject Subject
	// OwnSubject says that Subject is complete as it is: the finding is about
	// a topic or a group, not about the client whose batch happened to show it.
	OwnSubject bool
	// Aspect tells incidents of one rule and subject apart, as in "key json" and
	// "value json": it is part of the fingerprint.
	Aspect string
	// Summary says in one sentence who did what and what comes of it.
	Summary string
	// Evidence holds the numbers behind it.
	Evidence Evidence
	// Advice says what to do next, in one or two sentences.
	Advice string
	// WouldBlock is for a Watcher that reports what it would have denied.
	WouldBlock bool
	// Resolved says that what was reported with the same subject is over.
	Resolved bool
	// News says that the incident has come to something new, and not just
	// grown: it is sent at once, although it was sent a moment ago.
	News bool
}

// Case is where a rule leaves what it thinks of a request or batch, and where
// it finds its own memory. There is one for each rule and session.
type Case struct {
	// Blocks says that Deny refuses the batch: the operator chose to block,
	// and the topic's configuration is known where the rule needs it.
	Blocks bool
	// Scratch is what the rule's NewScratch made for this session.
	Scratch any
	// Shared is what the rule's NewShared made.
	Shared Store

	// What the rule has left, collected and reset by the engine.
	Denials      []Denial // the first MaxDenials
	Denied       int      // all of them
	Reports      []Report
	Observations []Observation
}

// MaxDenials bounds how many records of one batch are named in an answer.
const MaxDenials = 100

// Deny says that the batch should not be written, because of the record or
// reason that d names. Whether that refuses it is the operator's choice.
func (c *Case) Deny(d Denial) {
	c.Denied++
	if len(c.Denials) < MaxDenials {
		c.Denials = append(c.Denials, d)
	}
}

// Report leaves a finding. One for a batch is enough; one for each record
// would flood.
func (c *Case) Report(r Report) { c.Reports = append(c.Reports, r) }

// Observe sends data to the rule's own Watcher, into the state of the given
// key. Data must not alias the batch. It is told afterwards whether the batch was
// refused, and is lost when the queue is full.
func (c *Case) Observe(by KeyKind, key string, data any) {
	c.Observations = append(c.Observations, Observation{By: by, Of: key, Data: data})
}

// Empty says whether the rule has left nothing.
func (c *Case) Empty() bool { return c.Denied+len(c.Reports)+len(c.Observations) == 0 }

// Reset is for the engine: it forgets what the rule has left.
func (c *Case) Reset() {
	clear(c.Denials)
	clear(c.Reports)
	clear(c.Observations)
	c.Denials, c.Denied = c.Denials[:0], 0
	c.Reports, c.Observations = c.Reports[:0], c.Observations[:0]
}

// Watch is what a Watcher works with: one key and its state.
type Watch struct {
	// Key of the state, of the kind By.
	Key string
	By  KeyKind
	// Now is the time of the event, or of the tick.
	Now time.Time
	// State is nil at first; what the rule stores here is kept for the key
	// until the rule stores nil or the store is full.
	State any
	// Model is what is known of the key, if there is a Model for that kind of
	// key. It is read only, and only during the call.
	Model ModelState
	// Shared is what the rule's NewShared made, if it is a Sharer.
	Shared Store
	// Topic gives what is known of a topic now, nil when nothing is. What it points
	// to never changes.
	Topic func(name string) *Topic

	reports   []Report
	questions []Question
}

// Report leaves a finding.
func (w *Watch) Report(r Report) { w.reports = append(w.reports, r) }

// Ask puts a question to the cluster. The answer is an event, see Question.
func (w *Watch) Ask(q Question) { w.questions = append(w.questions, q) }

// Left is for the engine: it hands over what was reported and asked and forgets
// it.
func (w *Watch) Left() ([]Report, []Question) {
	r, q := w.reports, w.questions
	w.reports, w.questions = nil, nil
	return r, q
}
