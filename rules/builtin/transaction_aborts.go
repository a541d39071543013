package builtin

import (
	"fmt"
	"time"

	"warder/rules"
)

// transactionAborts finds producers that abort more of their transactions than
// happens when they stop or are rebalanced. What is aborted was written, copied and
// read over for nothing, and is usually written again.
type transactionAborts struct{ abortKnobs }

// abortKnobs are the keys below `rules.transaction-aborts` that only it knows.
type abortKnobs struct {
	// How far back transactions are counted.
	Window time.Duration `yaml:"window" min:"1s" max:"24h"`
	// Fewer transactions than this in the window are not judged …
	MinTransactions int `yaml:"min_transactions" min:"1" max:"1000000"`
	// … nor are fewer aborts: one at shutdown, one for a rebalance.
	MinAborts int `yaml:"min_aborts" min:"1" max:"1000000"`
	// From so many percent on it is a warning, and from so many critical.
	WarningPercent  float64 `yaml:"warning_percent" min:"0" max:"100"`
	CriticalPercent float64 `yaml:"critical_percent" min:"0" max:"100"`
}

func transactionAbortsSpec() rules.Spec {
	return rules.Spec{
		ID:       "transaction-aborts",
		Summary:  "a producer that aborts many of its transactions",
		Severity: rules.Warning,
		Default:  rules.Alert,
		Doc:      "docs/rules/transaction-aborts.md",
		Example:  "transaction-aborts:\n  window: 30m\n  warning_percent: 10\n",
		FoldBy:   rules.FieldTransactionalID,
		Watches:  []rules.Interest{{Kind: rules.KindTransactionEnded, By: rules.ByTransactionalID}},
		New:      newTransactionAborts,
	}
}

func newTransactionAborts(decode func(any) error) (rules.Rule, error) {
	t := &transactionAborts{abortKnobs{
		Window: 10 * time.Minute, MinTransactions: 20, MinAborts: 3, WarningPercent: 5, CriticalPercent: 30,
	}}
	if err := decode(&t.abortKnobs); err != nil {
		return nil, err
	}
	return t, nil
}

const (
	// abortSlots is how many parts the window has; the oldest is dropped whole.
	abortSlots = 10
	// abortTellEvery is how often what goes on is told again.
	abortTellEvery = time.Minute
)

// outcomes counts how transactions ended.
type outcomes struct {
	committed, aborted int
	// starts are those that InitProducerId may have aborted: of a producer that
	// was started anew, or gave up after an error. Whether anything was open
	// then it does not say.
	starts int
}

func (o outcomes) all() int { return o.committed + o.aborted }

// percent is how many of those that ended were aborted.
func (o outcomes) percent() float64 {
	if o.all() == 0 {
		return 0
	}
	return 100 * float64(o.aborted) / float64(o.all())
}

// abortState is what is known of one transactional id: some 600 bytes. One of which
// nothing was heard for a window is forgotten.
type abortState struct {
	slots   [abortSlots]outcomes
	window  time.Duration // that the slots are parts of
	slot    int64         // number of the latest slot since the epoch
	client  *rules.Identity
	aborter *rules.Identity // who aborted last
	aborted time.Time
	told    rules.Severity // 0: nothing is open
	at      time.Time      // when it was told
	subject rules.Subject
}

func (t *transactionAborts) slotOf(at time.Time) int64 {
	return at.UnixNano() / max(int64(t.Window)/abortSlots, 1)
}

// advance drops what is older than the window.
func (t *transactionAborts) advance(s *abortState, now time.Time) {
	slot := t.slotOf(now)
	if s.window != t.Window { // the configuration has changed: begin anew
		s.slots, s.slot, s.window = [abortSlots]outcomes{}, slot, t.Window
	}
	for n := min(slot-s.slot, abortSlots); n > 0; n-- {
		s.slots[(slot-n+1)%abortSlots] = outcomes{}
	}
	s.slot = max(s.slot, slot)
}

// Watch counts.
func (t *transactionAborts) Watch(w *rules.Watch, ev rules.Event) {
	end, ok := ev.(rules.TransactionEnded)
	if !ok {
		return // what was lost is missing among commits as much as among aborts
	}
	s, _ := w.State.(*abortState)
	if s == nil {
		s = &abortState{}
		w.State = s
	}
	t.advance(s, end.At)
	o := &s.slots[s.slot%abortSlots]
	s.client = end.Client
	switch {
	case end.Initialised:
		o.starts++
	case end.Committed:
		o.committed++
	default:
		o.aborted++
		s.aborter, s.aborted = end.Client, end.At
	}
}

// Tick judges.
func (t *transactionAborts) Tick(w *rules.Watch) {
	s, ok := w.State.(*abortState)
	if !ok {
		return
	}
	t.advance(s, w.Now)
	var sum outcomes
	for _, o := range s.slots {
		sum.committed += o.committed
		sum.aborted += o.aborted
		sum.starts += o.starts
	}
	all, percent := sum.all(), sum.percent()
	severity := t.judge(sum, percent)
	switch {
	case severity > s.told || severity != 0 && s.aborted.After(s.at) && w.Now.Sub(s.at) >= abortTellEvery:
		s.told, s.at = max(severity, s.told), w.Now
		t.report(w, s, sum, percent, severity)
	case s.told != 0 && (percent <= t.WarningPercent/2 || all < t.MinTransactions):
		w.Report(rules.Report{
			Subject: s.subject, Severity: s.told, Resolved: true,
			Summary:  fmt.Sprintf("%s aborts hardly any transactions of %s any more: %d of %d", clientNamed(s.client.ClientID), transactionNamed(w.Key), sum.aborted, all),
			Evidence: t.evidence(sum, percent),
		})
		s.told = 0
	}
	if all+sum.starts == 0 {
		w.State = nil
	}
}

// judge gives 0 when all is well.
func (t *transactionAborts) judge(sum outcomes, percent float64) rules.Severity {
	switch {
	case sum.committed+sum.aborted < t.MinTransactions || sum.aborted < t.MinAborts:
		return 0
	case percent >= t.CriticalPercent:
		return rules.Critical
	case percent >= t.WarningPercent:
		return rules.Warning
	}
	return 0
}

func (t *transactionAborts) report(w *rules.Watch, s *abortState, sum outcomes, percent float64, severity rules.Severity) {
	s.subject = rules.SubjectOf(s.aborter)
	s.subject.TransactionalID = w.Key
	w.Report(rules.Report{
		Subject: s.subject, Severity: severity,
		Summary: fmt.Sprintf("%s aborted %d of %d transactions of %s within %s: what was in them is not seen by read_committed readers and has to be done again",
			clientNamed(s.aborter.ClientID), sum.aborted, sum.committed+sum.aborted, transactionNamed(w.Key), timeSpan(t.Window)),
		Evidence: t.evidence(sum, percent),
		Advice:   "The application's log says why it called abortTransaction; a record that fails each time aborts each time. Where refused or late records are the cause, look at delivery.timeout.ms and transaction.timeout.ms.",
	})
}

func (t *transactionAborts) evidence(sum outcomes, percent float64) rules.Evidence {
	return rules.Evidence{
		{Name: "aborted", Value: sum.aborted},
		{Name: "committed", Value: sum.committed},
		{Name: "aborted_percent", Value: float64(int(percent*10+0.5)) / 10},
		{Name: "window", Value: timeSpan(t.Window)},
		{Name: "producer_starts", Value: sum.starts},
	}
}
