package builtin

import (
	"fmt"
	"time"

	"warder/rules"
)

// transactionStall finds transactions that stay open for longer than the
// coordinator should let them: past transaction.timeout.ms, without EndTxn. Until
// such a transaction is aborted, read_committed readers stand still at its first
// record, in every partition it has written to, whoever writes behind it.
type transactionStall struct{ stallKnobs }

// stallKnobs are the keys below `rules.transaction-stall` that only it knows.
type stallKnobs struct {
	// transaction.timeout.ms of producers whose InitProducerId was not seen.
	Timeout time.Duration `yaml:"timeout" min:"1s" max:"24h"`
	// How long beyond its timeout a transaction may be open: the coordinator
	// looks for such transactions every 10 s
	// (transaction.abort.timed.out.transaction.cleanup.interval.ms).
	Grace time.Duration `yaml:"grace" min:"0s" max:"1h"`
	// It is critical when readers are seen to stand still at one offset for
	// this long while others write on.
	StandstillAfter time.Duration `yaml:"standstill_after" min:"1s" max:"24h"`
	// When nothing more was heard for this long, the coordinator has done its
	// work.
	OverAfter time.Duration `yaml:"over_after" min:"1s" max:"24h"`
	// How long readers must stand still behind a transaction of which nothing was
	// seen here before the cluster is asked whose it is.
	UnseenAfter time.Duration `yaml:"unseen_after" min:"1s" max:"24h"`
}

func transactionStallSpec() rules.Spec {
	return rules.Spec{
		ID:       "transaction-stall",
		Summary:  "a transaction that stays open beyond its timeout and holds up read_committed readers",
		Severity: rules.Warning,
		Needs:    rules.NeedHeaders,
		Default:  rules.Alert,
		Doc:      "docs/rules/transaction-stall.md",
		Example:  "transaction-stall:\n  timeout: 15m\n  clients: [\"!flink-*\"]\n",
		FoldBy:   rules.FieldTransactionalID,
		Watches: []rules.Interest{
			{Kind: rules.KindObservation, By: rules.ByTransactionalID},
			{Kind: rules.KindProducerInitialised, By: rules.ByTransactionalID},
			{Kind: rules.KindTransactionEnded, By: rules.ByTransactionalID},
			{Kind: rules.KindFetched, By: rules.ByTopic},
			{Kind: rules.KindTransactionsOpen, By: rules.ByTopic},
		},
		New: newTransactionStall,
	}
}

func newTransactionStall(decode func(any) error) (rules.Rule, error) {
	t := &transactionStall{stallKnobs{
		Timeout: defaultTransactionTimeout, Grace: 10 * time.Second, StandstillAfter: 30 * time.Second, OverAfter: 15 * time.Minute,
		UnseenAfter: 2 * time.Minute,
	}}
	if err := decode(&t.stallKnobs); err != nil {
		return nil, err
	}
	return t, nil
}

// NewShared is what sessions and the watcher know together.
func (*transactionStall) NewShared() rules.Store { return newOpenTransactions() }

// NewScratch is what a session wrote last.
func (*transactionStall) NewScratch() any { return &stallSession{} }

// stallSession is the transactional id that a session writes under: a producer has
// one.
type stallSession struct {
	id   string
	open *openTransaction
}

// stallBegin is the first batch of a transaction.
type stallBegin struct{ at stalledPartition }

// Batch tells of the first batch of a transaction.
func (t *transactionStall) Batch(c *rules.Case, b *rules.Batch) {
	if !inTransaction(b) {
		return
	}
	s := c.Scratch.(*stallSession)
	if s.open == nil || s.id != string(b.TransactionalID) {
		s.id = string(b.TransactionalID)
		s.open = c.Shared.(*openTransactions).of(s.id)
	}
	first, gone := s.open.write(b.Time, b.Header.ProducerID)
	if gone {
		s.open = nil
	}
	if first {
		c.Observe(rules.ByTransactionalID, s.id, stallBegin{stalledPartition{b.Topic.Name, b.Partition}})
	}
}

// stallState is what is known of one transactional id: some 700 bytes.
type stallState struct {
	timeout time.Duration // 0: not known
	heard   time.Time
	client  *rules.Identity
	where   stalledPartition
	since   time.Time // zero: no transaction is open

	told     rules.Severity // 0: it is not late
	at       time.Time      // when it was told last
	first    time.Time      // when it was told first
	follows  bool           // readers of where are looked at
	subject  rules.Subject
	standing readerProgress // when it became critical
}

// idForgotten is how long the timeout of an id is remembered after its last
// transaction.
const idForgotten = time.Hour

// Watch follows the transactions of one id, and the readers of one topic.
func (t *transactionStall) Watch(w *rules.Watch, ev rules.Event) {
	open := w.Shared.(*openTransactions)
	if w.By == rules.ByTopic {
		t.watchTopic(w, open, ev)
		return
	}
	s, _ := w.State.(*stallState)
	if s == nil {
		s = &stallState{}
		w.State = s
	}
	s.heard = w.Now
	switch ev := ev.(type) {
	case rules.Observation:
		s.begin(open.of(w.Key), ev)
	case rules.ProducerInitialised:
		if ev.ErrorCode == 0 {
			s.timeout = ev.Timeout
		}
	case rules.TransactionEnded:
		s.end(w, open, ev)
	case rules.Gap: // its end may be what was lost
		s.close(w, open, "events were lost; whether it is still open is not known")
		open.of(w.Key).reset()
	}
}

// begin takes in the first batch of a transaction.
func (s *stallState) begin(open *openTransaction, o rules.Observation) {
	if o.Refused {
		open.reset() // the log has nothing of it
		return
	}
	s.client, s.where = o.Client, o.Data.(stallBegin).at
	if s.since.IsZero() {
		s.since = o.At
	}
}

// end closes the transaction.
func (s *stallState) end(w *rules.Watch, open *openTransactions, ev rules.TransactionEnded) {
	if s.since.After(ev.At) {
		return
	}
	how := "committed"
	switch {
	case ev.Initialised:
		how = "aborted by InitProducerId of " + clientNamed(ev.Client.ClientID)
	case !ev.Committed:
		how = "aborted"
	}
	s.close(w, open, "it was "+how)
	s.since = open.of(w.Key).end(ev.At)
	if s.client == nil {
		s.since = time.Time{}
	}
}

// close ends what is open, and what was told of it.
func (s *stallState) close(w *rules.Watch, open *openTransactions, why string) {
	if s.told != 0 {
		w.Report(rules.Report{
			Subject: s.subject, Severity: s.told, Resolved: true,
			Summary:  fmt.Sprintf("the transaction of %s that had been open since %s is over: %s", transactionNamed(w.Key), clockTime(s.since), why),
			Evidence: rules.Evidence{{Name: "open_for", Value: timeSpan(w.Now.Sub(s.since))}},
		})
	}
	if s.follows {
		open.leave(s.where)
	}
	s.since, s.told, s.follows = time.Time{}, 0, false
}

func clockTime(at time.Time) string { return at.UTC().Format(time.TimeOnly) }

// Tick looks for what is open for too long.
func (t *transactionStall) Tick(w *rules.Watch) {
	open := w.Shared.(*openTransactions)
	if w.By == rules.ByTopic {
		t.tickTopic(w, open)
		return
	}
	s, ok := w.State.(*stallState)
	if !ok {
		return
	}
	switch {
	case s.since.IsZero():
		if w.Now.Sub(s.heard) >= idForgotten {
			w.State = nil
		}
	case w.Now.Sub(s.since) <= t.timeoutOf(s)+t.Grace:
	case s.told == 0:
		s.told, s.first = rules.Warning, w.Now
		s.follows = open.follow(s.where)
		t.report(w, s)
	default:
		t.look(w, s, open)
	}
}

func (t *transactionStall) timeoutOf(s *stallState) time.Duration {
	if s.timeout > 0 {
		return s.timeout
	}
	return t.Timeout
}

// stallTellEvery is how often a transaction that stays open is told again.
const stallTellEvery = time.Minute

// look sees what has become of a transaction that is late.
func (t *transactionStall) look(w *rules.Watch, s *stallState, open *openTransactions) {
	p, known := open.progress(s.where)
	known = known && s.follows
	news := s.first
	if known && p.seen.After(news) {
		news = p.seen
	}
	switch {
	case known && p.passed || known && p.seen.After(s.first) && p.stable >= p.end:
		s.close(w, open, fmt.Sprintf("readers of %s have gone on, so the coordinator has aborted it", topicNamed(s.where.topic)))
		open.of(w.Key).reset()
	case w.Now.Sub(news) >= t.OverAfter:
		s.close(w, open, "nothing more was heard of it, and the coordinator aborts what is older than its timeout")
		open.of(w.Key).reset()
	case known && s.told < rules.Critical && p.seen.Sub(p.moved) >= t.StandstillAfter && p.stable < p.end:
		s.told, s.standing = rules.Critical, p
		t.report(w, s)
	case w.Now.Sub(s.at) >= stallTellEvery:
		if known {
			s.standing = p
		}
		t.report(w, s)
	}
}

func (t *transactionStall) report(w *rules.Watch, s *stallState) {
	s.at = w.Now
	s.subject = rules.SubjectOf(s.client)
	s.subject.Topic, s.subject.Partition, s.subject.TransactionalID = s.where.topic, new(s.where.partition), w.Key
	r := rules.Report{
		Subject: s.subject, Severity: s.told,
		Summary: fmt.Sprintf("%s has had a transaction of %s open for %s, and its timeout is %s: readers with isolation.level=read_committed get nothing beyond its first record in %s-%d and wherever else it has written",
			clientNamed(s.client.ClientID), transactionNamed(w.Key), timeSpan(w.Now.Sub(s.since)), timeSpan(t.timeoutOf(s)), topicNamed(s.where.topic), s.where.partition),
		Evidence: rules.Evidence{
			{Name: "open_for", Value: timeSpan(w.Now.Sub(s.since))},
			{Name: "timeout", Value: timeSpan(t.timeoutOf(s))},
			{Name: "timeout_known", Value: s.timeout > 0},
		},
		Advice: "If the producer is gone, start it again with the same transactional.id: InitProducerId aborts what is open. If it runs, its transactions take longer than transaction.timeout.ms, and the coordinator fences it.",
	}
	if s.told == rules.Critical {
		p := s.standing
		r.Summary = fmt.Sprintf("%s has had a transaction of %s open for %s, and readers of %s-%d stand still at offset %d, %d behind the end",
			clientNamed(s.client.ClientID), transactionNamed(w.Key), timeSpan(w.Now.Sub(s.since)), topicNamed(s.where.topic), s.where.partition, p.stable, p.end-p.stable)
		r.Evidence = append(r.Evidence,
			rules.Fact{Name: "last_stable_offset", Value: p.stable}, rules.Fact{Name: "behind", Value: p.end - p.stable},
			rules.Fact{Name: "standing_for", Value: timeSpan(p.seen.Sub(p.moved))}, rules.Fact{Name: "reader", Value: clientNamed(p.reader.ClientID)})
		r.Advice = "The coordinator should have aborted it. Find it with kafka-transactions.sh find-hanging, and abort it there; a producer with the same transactional.id that starts aborts it as well, if the coordinator still knows of it."
	}
	w.Report(r)
}
