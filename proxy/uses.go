package proxy

import (
	"time"

	"warder/protocol"
	"warder/rules"
)

// How a client uses its connection, counted for those who give advice about it. It
// is counted where answers are matched with their requests, in the response loop,
// and told from there, so that it takes no lock; what an answer needs to know of
// its request comes with the exchange. Nothing is counted that nobody wants.

// uses is what was counted since it was told last. It belongs to the response loop,
// and to run once both loops have ended.
type uses struct {
	connection rules.ConnectionUsed
	told       time.Time // when ConnectionUsed came last; zero: not yet
	seen       bool      // it has something to tell

	produce *rules.ProduceAnswered // nil until somebody wants to know
	fetch   *rules.FetchAnswered
	since   struct{ produce, fetch time.Time } // the first of what was counted

	answerBytes int64 // of records in the Fetch answer at hand
}

// askedOf is what the counts of an answer need to know of its request.
type askedOf struct {
	counted             bool // somebody wants to know
	inFlight            int  // requests without an answer when it came, itself included
	minBytes, maxWaitMs int32
	partitions          int
}

// askedOfFetch is that of a Fetch; one without partitions only ends a fetch session,
// and is not counted.
func askedOfFetch(req *protocol.FetchRequest, partitions int) askedOf {
	return askedOf{counted: partitions > 0, minBytes: req.MinBytes, maxWaitMs: req.MaxWaitMs, partitions: partitions}
}

// noteUse counts an answer and tells what is due.
func (s *session) noteUse(ex *exchange) {
	if !s.srv.engine.Wants(rules.KindConnectionUsed) {
		return
	}
	u := &s.uses
	c := &u.connection
	u.seen = true
	switch ex.key {
	case protocol.ApiVersions:
		c.ApiVersions++
		return
	case protocol.SaslHandshake, protocol.SaslAuthenticate:
		return
	case protocol.Metadata:
		c.Metadata++
	case protocol.FindCoordinator:
		c.FindCoordinator++
	}
	c.Requests++
	if u.told.IsZero() || s.out.readAt.Sub(u.told) >= rules.UsedEvery {
		s.tellConnection(s.out.readAt)
	}
}

func (s *session) tellConnection(at time.Time) {
	u := &s.uses
	u.connection.At, u.connection.Client, u.connection.Opened = at, s.identity.Load(), s.opened
	u.connection.First = u.told.IsZero()
	s.emit(u.connection)
	u.connection, u.told = rules.ConnectionUsed{}, at
}

// noteProduceUse counts the answer to a Produce request.
func (s *session) noteProduceUse(ex *exchange, throttleMs int32) {
	u, at := &s.uses, s.out.readAt
	if u.produce == nil {
		u.produce = &rules.ProduceAnswered{}
	}
	p := u.produce
	if p.Requests == 0 {
		u.since.produce = at
	}
	took := at.Sub(ex.readAt)
	p.Requests++
	p.Waited += took
	p.Latency.Add(int64(took / rules.LatencyUnit))
	p.InFlight.Add(int64(ex.asked.inFlight))
	if throttleMs > 0 {
		p.Throttled++
		p.ThrottleTime += millis(throttleMs)
	}
	if at.Sub(u.since.produce) >= rules.UsedEvery {
		s.tellProduceUse(at)
	}
}

func (s *session) tellProduceUse(at time.Time) {
	p := s.uses.produce
	p.At, p.Client = at, s.identity.Load()
	s.emit(*p)
	*p = rules.ProduceAnswered{}
}

// noteFetchUse counts the answer to a Fetch request that has been walked.
func (s *session) noteFetchUse(ex *exchange) {
	u, at := &s.uses, s.out.readAt
	if u.fetch == nil {
		u.fetch = &rules.FetchAnswered{}
	}
	f := u.fetch
	if f.Answers == 0 {
		u.since.fetch = at
	}
	f.Answers++
	f.MinBytes, f.MaxWait, f.Partitions = ex.asked.minBytes, millis(ex.asked.maxWaitMs), ex.asked.partitions
	if u.answerBytes == 0 {
		f.Empty++
	} else {
		f.Bytes += u.answerBytes
		f.Sizes.Add(u.answerBytes / rules.SizeUnit)
	}
	if at.Sub(u.since.fetch) >= rules.UsedEvery {
		s.tellFetchUse(at)
	}
}

func (s *session) tellFetchUse(at time.Time) {
	f := s.uses.fetch
	f.At, f.Client = at, s.identity.Load()
	s.emit(*f)
	*f = rules.FetchAnswered{}
}

// usesEnd tells the rest. Both loops have ended.
func (s *session) usesEnd(cause error) {
	u, now := &s.uses, s.srv.now()
	if u.produce != nil && u.produce.Requests > 0 {
		s.tellProduceUse(now)
	}
	if u.fetch != nil && u.fetch.Answers > 0 {
		s.tellFetchUse(now)
	}
	if u.seen {
		u.connection.Ended, u.connection.ByClient = true, reasonOf(cause) == ReasonClientGone
		s.tellConnection(now)
	}
}
