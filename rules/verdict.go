package rules

import "time"

// Denial is a rule's opinion that something should not be written.
type Denial struct {
	// Record is the index of the record in its batch; WholeBatch for all.
	Record int
	// Reason completes "refused this record: ", in ASCII, without a full
	// stop, as in "null value would delete key sha256:9f2c1a0b from compacted
	// topic users".
	Reason string
	// AcksZero says what happens to a request that nobody answers.
	AcksZero AcksZero
}

// WholeBatch is the Record of a Denial that concerns no single record.
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
	// Subject: fields left empty are filled from the batch and its client.
	Subject Subject
	// Summary says in one sentence who did what and what comes of it.
	Summary string
	// Evidence holds the numbers behind it.
	Evidence Evidence
	// Advice says what to do next, in one or two sentences.
	Advice string
	// Resolved says that what was reported with the same subject is over.
	Resolved bool
	// Action and WouldBlock are for a Watcher that reports what was denied
	// in a batch; the zero Action means the one the operator chose.
	Action     Action
	WouldBlock bool
}

// Outcome collects what rules say about one batch. It belongs to the engine.
type Outcome struct {
	// Denials holds the first MaxDenials of the current rule.
	Denials []Denial
	// Denied counts all of them.
	Denied int
	// Reports of the current rule.
	Reports []Report
	// Observations of the current rule.
	Observations []Observation
}

// MaxDenials bounds how many records of one batch are named in an answer.
const MaxDenials = 100

// Reset empties the outcome for the next rule or batch.
func (o *Outcome) Reset() {
	clear(o.Denials)
	clear(o.Reports)
	clear(o.Observations)
	o.Denials, o.Reports, o.Observations, o.Denied = o.Denials[:0], o.Reports[:0], o.Observations[:0], 0
}

// Bind is for the engine: what rules say from now on goes to o.
func (q *Request) Bind(o *Outcome, a Action) { q.out, q.Action = o, a }

// Deny says that the request, or the record it names, should not be written.
// Whether that blocks it is the operator's choice.
func (q *Request) Deny(d Denial) {
	q.out.Denied++
	if len(q.out.Denials) < MaxDenials {
		q.out.Denials = append(q.out.Denials, d)
	}
}

// Report leaves a finding. One for a batch is enough; one for each record
// would flood.
func (q *Request) Report(r Report) { q.out.Reports = append(q.out.Reports, r) }

// Observe sends data to the rule's own Watcher, into the state of the given
// key. Data must not alias the batch. It may be lost when the queue is full.
func (q *Request) Observe(by KeyKind, key string, data any) {
	q.out.Observations = append(q.out.Observations, Observation{At: q.Time, By: by, Of: key, Data: data, Client: q.Identity})
}

// Watch is what a Watcher works with: one key and its state.
type Watch struct {
	// Key of the state, of the kind By.
	Key string
	By  KeyKind
	// Now is the time of the event, or of the tick.
	Now time.Time
	// Action is what the operator chose for this rule, never Off.
	Action Action
	// State is nil at first; what the rule stores here is kept for the key
	// until the rule stores nil or the store is full.
	State any

	reports []Report
}

// Report leaves a finding.
func (w *Watch) Report(r Report) { w.reports = append(w.reports, r) }

// Reports is for the engine: it hands over what was reported and forgets it.
func (w *Watch) Reports() []Report {
	r := w.reports
	w.reports = nil
	return r
}
