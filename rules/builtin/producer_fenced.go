package builtin

import (
	"fmt"
	"net/netip"
	"time"

	"warder/rules"
)

// producerFenced finds two live producers with one transactional.id. Each
// InitProducerId raises the epoch and fences whoever had the id before, which
// cannot write any more: its transactions are lost, and when both start anew
// whenever they are fenced, neither gets anything done.
//
// Fencing is also how Kafka keeps a producer that was replaced from writing, so
// what counts is that the one that was fenced is alive: it had been heard of
// within its transaction timeout before the other took the id, and went on to be
// refused. A process that has ended is refused nothing.
type producerFenced struct{ producerFencedKnobs }

// producerFencedKnobs are the keys below `rules.producer-fenced` that only it knows.
type producerFencedKnobs struct {
	// A producer of which nothing was heard for this long when another took its
	// transactional.id had been given up, and is fenced with reason. Zero:
	// its own transaction.timeout.ms, which InitProducerId tells.
	AliveWithin time.Duration `yaml:"alive_within" min:"0s" max:"1h"`
	// It is over when nobody was fenced for this long.
	OverAfter time.Duration `yaml:"over_after" min:"1s" max:"24h"`
}

func producerFencedSpec() rules.Spec {
	return rules.Spec{
		ID:       "producer-fenced",
		Summary:  "two live producers that share a transactional.id and fence each other",
		Severity: rules.Critical,
		Default:  rules.Alert,
		Doc:      "docs/rules/producer-fenced.md",
		Example:  "producer-fenced:\n  alive_within: 30s\n  clients: [\"!migration-*\"]\n",
		FoldBy:   rules.FieldTransactionalID,
		Watches: []rules.Interest{
			{Kind: rules.KindProducerInitialised, By: rules.ByTransactionalID},
			{Kind: rules.KindTransactionEnded, By: rules.ByTransactionalID},
			{Kind: rules.KindProduceFailed, By: rules.ByTransactionalID},
		},
		New: newProducerFenced,
	}
}

func newProducerFenced(decode func(any) error) (rules.Rule, error) {
	p := &producerFenced{producerFencedKnobs{OverAfter: 10 * time.Minute}}
	if err := decode(&p.producerFencedKnobs); err != nil {
		return nil, err
	}
	return p, nil
}

// The errors that a fenced producer gets.
const (
	invalidProducerEpoch = 47 // INVALID_PRODUCER_EPOCH
	producerFencedCode   = 90 // PRODUCER_FENCED
)

const (
	// fencedKept is how many of those that have lost the id are remembered.
	fencedKept = 4
	// fencedFor is how long: what is refused later is an old story.
	fencedFor = 15 * time.Minute
	// fencedEarly is how much sooner the refusal may be heard of than the
	// InitProducerId that caused it, and for how long a producer that is being
	// closed may still be refused when the same program has made another.
	fencedEarly = 5 * time.Second
	// defaultTransactionTimeout is transaction.timeout.ms where the producer has
	// not told it.
	defaultTransactionTimeout = time.Minute
)

// fencing is what is known of one transactional id: some 1.5 KB. An id of which
// nothing was heard for fencedFor is forgotten, and the engine forgets the least
// recently heard of when there are too many.
type fencing struct {
	owner   holder
	lost    []holder // who had it before and was alive then, latest last
	refused refusal  // the last, of the owner
	fenced  int      // how often since the incident began
	first   time.Time
	last    time.Time // when somebody was fenced; zero: nothing is open
	told    rules.Report
}

// refusal is a request of a producer that was fenced.
type refusal struct {
	at      time.Time
	request string
	code    int16
}

// holder is a producer that has, or had, the transactional id.
type holder struct {
	client  *rules.Identity
	timeout time.Duration
	seen    time.Time // when it was heard of last
	since   time.Time // when it took the id
	until   time.Time // when another took it
}

// instance is what tells one running program from another: its address, client.id
// and software. It has several connections, and others after a restart.
type instance struct {
	address                                 netip.Addr
	clientID, softwareName, softwareVersion string
}

func instanceOf(id *rules.Identity) instance {
	return instance{id.Remote.Addr(), id.ClientID, id.SoftwareName, id.SoftwareVersion}
}

// Watch follows who has the id.
func (p *producerFenced) Watch(w *rules.Watch, ev rules.Event) {
	s, _ := w.State.(*fencing)
	if s == nil {
		s = &fencing{}
	}
	switch ev := ev.(type) {
	case rules.ProducerInitialised:
		p.initialised(w, s, ev)
	case rules.TransactionEnded:
		if s.owner.client != nil && instanceOf(ev.Client) == instanceOf(s.owner.client) && ev.At.After(s.owner.seen) {
			s.owner.seen = ev.At
		}
	case rules.ProduceFailed:
		p.failed(w, s, ev)
	case rules.Gap:
		return // the next InitProducerId says again whose the id is
	}
	if s.owner.client != nil {
		w.State = s
	}
}

// initialised gives the id to its new owner.
func (p *producerFenced) initialised(w *rules.Watch, s *fencing, ev rules.ProducerInitialised) {
	switch {
	case ev.ErrorCode == invalidProducerEpoch || ev.ErrorCode == producerFencedCode:
		p.failed(w, s, rules.ProduceFailed{At: ev.At, Client: ev.Client, Request: "InitProducerId", ErrorCode: ev.ErrorCode})
		return
	case ev.ErrorCode != 0 || ev.At.Before(s.owner.since):
		return
	}
	before := s.owner
	s.owner = holder{client: ev.Client, timeout: ev.Timeout, seen: ev.At, since: ev.At}
	if s.owner.timeout <= 0 {
		s.owner.timeout = defaultTransactionTimeout
	}
	refused := s.refused
	s.refused = refusal{}
	if before.client == nil || ev.Resumed && instanceOf(before.client) == instanceOf(ev.Client) ||
		before.client.Remote == ev.Client.Remote && before.client.ClientID == ev.Client.ClientID {
		return // the same producer begins anew
	}
	if ev.At.Sub(before.seen) > p.aliveWithin(&before) {
		return
	}
	before.until = ev.At
	if len(s.lost) == fencedKept {
		s.lost = append(s.lost[:0], s.lost[1:]...)
	}
	s.lost = append(s.lost, before)
	if !refused.at.IsZero() && ev.At.Sub(refused.at) <= fencedEarly && instanceOf(before.client) != instanceOf(ev.Client) {
		p.report(w, s, &before, refused)
	}
}

func (p *producerFenced) aliveWithin(h *holder) time.Duration {
	if p.AliveWithin > 0 {
		return p.AliveWithin
	}
	return h.timeout
}

// failed takes in that somebody was refused for not having the id any more.
func (p *producerFenced) failed(w *rules.Watch, s *fencing, ev rules.ProduceFailed) {
	if ev.ErrorCode != invalidProducerEpoch && ev.ErrorCode != producerFencedCode || s.owner.client == nil {
		return
	}
	r := refusal{ev.At, ev.Request, ev.ErrorCode}
	if h := s.loser(ev); h != nil && ev.At.Sub(h.until) <= fencedFor {
		p.report(w, s, h, r)
		return
	}
	if instanceOf(ev.Client) == instanceOf(s.owner.client) {
		s.refused = r // the coordinator has given up its transaction, or another one's news are on their way
	}
}

// loser finds the producer among those that have lost the id. Within one instance
// only its connection tells a producer from the next: one that was restarted has
// lost its connection with it.
func (s *fencing) loser(ev rules.ProduceFailed) *holder {
	sameAsOwner := instanceOf(ev.Client) == instanceOf(s.owner.client)
	for i := len(s.lost) - 1; i >= 0; i-- {
		h := &s.lost[i]
		switch {
		case instanceOf(h.client) != instanceOf(ev.Client):
		case !sameAsOwner:
			return h
		case h.client.Remote == ev.Client.Remote && ev.Client.Remote != s.owner.client.Remote && ev.At.Sub(h.until) > fencedEarly:
			return h
		}
	}
	return nil
}

// report tells who has fenced whom. Tasks of Kafka Streams with
// processing.guarantee=exactly_once (not _v2) hand on their transactional.id when
// they move, and fence on purpose.
func (p *producerFenced) report(w *rules.Watch, s *fencing, lost *holder, refused refusal) {
	if streamThreads.Match(lost.client.ClientID) && streamThreads.Match(s.owner.client.ClientID) {
		return
	}
	if s.last.IsZero() {
		s.first, s.fenced = refused.at, 0
	}
	s.last = refused.at
	s.fenced++
	r := rules.Report{
		Subject: rules.SubjectOf(lost.client),
		Summary: fmt.Sprintf("%s was fenced by %s: both are running with transactional.id %s, and only the one that started last can write",
			peerText(lost.client), peerText(s.owner.client), transactionNamed(w.Key)),
		Evidence: rules.Evidence{
			{Name: "fenced", Value: peerText(lost.client)},
			{Name: "by", Value: peerText(s.owner.client)},
			{Name: "refused", Value: refused.request},
			{Name: "error", Value: fencedNames[refused.code]},
			{Name: "alive_before", Value: timeSpan(lost.until.Sub(lost.seen))},
			{Name: "times", Value: s.fenced},
		},
		Advice: "Give every running producer a transactional.id of its own (with replicas, one that ends in the pod's or the partition's number), or stop the one that should have been replaced. What was open in the fenced producer is aborted and has to be sent again.",
	}
	r.Subject.TransactionalID = w.Key
	s.told = rules.Report{Subject: r.Subject}
	w.Report(r)
}

// fencedNames are the errors by name.
var fencedNames = map[int16]string{invalidProducerEpoch: "INVALID_PRODUCER_EPOCH", producerFencedCode: "PRODUCER_FENCED"}

// streamThreads are the producers of Kafka Streams.
var streamThreads = rules.MustGlobs("*-StreamThread-*")

// Tick ends an incident, and forgets ids that nobody uses.
func (p *producerFenced) Tick(w *rules.Watch) {
	s, ok := w.State.(*fencing)
	if !ok {
		return
	}
	if !s.last.IsZero() && w.Now.Sub(s.last) >= p.OverAfter {
		s.told.Resolved = true
		s.told.Summary = fmt.Sprintf("nobody was fenced with transactional.id %s for %s", transactionNamed(w.Key), timeSpan(w.Now.Sub(s.last)))
		s.told.Evidence = rules.Evidence{{Name: "times", Value: s.fenced}, {Name: "for", Value: timeSpan(s.last.Sub(s.first))}}
		w.Report(s.told)
		s.last, s.fenced = time.Time{}, 0
	}
	if s.last.IsZero() && w.Now.Sub(s.owner.seen) >= fencedFor {
		w.State = nil
	}
}

// peerText names a client and where it is.
func peerText(id *rules.Identity) string {
	if !id.Remote.IsValid() {
		return clientNamed(id.ClientID)
	}
	return clientNamed(id.ClientID) + " at " + id.Remote.String()
}

// transactionNamed is a transactional.id for a person.
func transactionNamed(id string) string { return rules.Excerpt(id, 80) }
