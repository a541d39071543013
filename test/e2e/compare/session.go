package compare

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"warder/protocol"
)

// side is one of the two of a warder.
type side int

const (
	atClient side = iota
	atBroker
	sides
)

// ownClientID is the client id of warder's own questions on a client's connection.
const ownClientID = "warder"

// session is a connection of a client with the one to the broker that warder opened for it. What a client sends, in its order, must reach
// the broker, but for what warder answers in the place of the broker; and so back.
type session struct {
	c      *Comparator
	warder *warder
	client netip.AddrPort
	host   string  // of warder, which the client has connected to
	opened *opened // by the log; nil until there is a connection to the broker
	began  time.Time
	now    time.Time

	up, down  [sides]splitter
	asked     []*exchange        // of the client, in order, that have not been found at the broker
	reached   []*exchange        // the broker, in order, that have not been found among those; mostly none
	open      [sides][]*exchange // as each side has seen them, of which an answer is due, in order
	held      int                // bytes that wait for their counterpart
	name      string             // client id
	ends      [sides]bool
	spoken    [sides]bool // the first bytes of requests have been seen there
	done      bool        // not compared any more
	exchanges int
	why       string // it was not compared to its end; else empty
}

// exchange is a request and its answer, as one side has seen them.
type exchange struct {
	protocol.RequestHeader
	request frame
	expects bool   // an answer
	answer  *frame // until it was compared
	twin    *exchange

	own  bool          // at the broker: a question of warder's
	kept bool          // at the client: it has reached nobody
	cut  map[part]bool // at the client: partitions that a verdict has taken out
}

func newSession(c *Comparator, w *warder, client netip.AddrPort, host string, at time.Time) *session {
	s := &session{c: c, warder: w, client: client, host: host, began: at, now: at}
	for i := range sides {
		s.up[i].least, s.down[i].least = protocol.MinRequestHeader, protocol.MinResponseHeader
	}
	w.sessions = append(w.sessions, s)
	if w.encrypts {
		s.giveUp("TLS to the broker")
	}
	return s
}

// request takes in bytes on their way to the broker.
func (s *session) request(at side, b []byte) {
	if s.done || s.encrypted(at, b) {
		return
	}
	err := s.up[at].feed(b, func(f frame) bool {
		s.ask(at, f)
		s.match()
		return !s.done
	})
	if err != nil {
		s.noRequest(at, err, nil)
	}
}

// noRequest is for bytes that are no request: of warder's making, or what a client has sent.
func (s *session) noRequest(at side, err error, f *frame) {
	if at == atBroker {
		s.differ(nil, "what reached the broker is no request: "+err.Error(), nil, f)
		return
	}
	s.giveUp("no Kafka")
}

// encrypted gives up a session whose first bytes on one side are TLS.
func (s *session) encrypted(at side, b []byte) bool {
	first := !s.spoken[at]
	s.spoken[at] = true
	if !first || !protocol.LooksLikeTLS(b) {
		return false
	}
	s.giveUp([]string{"TLS to the client", "TLS to the broker"}[at])
	return true
}

// ask notes a request as one side has seen it.
func (s *session) ask(at side, f frame) {
	h, err := protocol.ParseRequestHeader(f.content())
	if err != nil {
		s.noRequest(at, err, &f)
		return
	}
	x := &exchange{RequestHeader: h, request: f}
	x.expects = x.answered()
	if x.expects {
		s.open[at] = append(s.open[at], x)
	}
	switch {
	case at == atClient:
		s.name = string(h.ClientID)
		s.asked = append(s.asked, x)
	case string(h.ClientID) == ownClientID:
		x.own = true
		s.c.report.Own++
		return
	default:
		s.reached = append(s.reached, x)
	}
	x.ClientID = nil // of the frame, which is not kept
	s.hold(len(f.data))
}

// answered says whether a request has an answer: all have, but Produce with acks=0.
func (x *exchange) answered() bool {
	if x.Key != protocol.Produce {
		return true
	}
	acks, err := protocol.PeekProduceAcks(x.Version, x.request.content()[x.Size:])
	return err != nil || acks != 0
}

// match finds what has reached the broker among what the client has asked. What the client had asked before, warder has kept.
func (s *session) match() {
	for len(s.reached) > 0 && !s.done {
		b := s.reached[0]
		i := slices.IndexFunc(s.asked, func(x *exchange) bool {
			return x.Key == b.Key && x.Version == b.Version && x.CorrelationID == b.CorrelationID
		})
		if i < 0 {
			return // the client's side is captured later, or finish wonders where it came from
		}
		before, x := s.asked[:i], s.asked[i]
		s.asked, s.reached = s.asked[i+1:], s.reached[1:]
		for _, kept := range before {
			s.keep(kept)
		}
		s.pass(x, b)
	}
}

// pass takes in that a request has reached the broker.
func (s *session) pass(x, b *exchange) {
	s.sameRequest(x, &b.request)
	s.hold(-len(b.request.data) - len(x.request.data))
	x.request.data, b.request.data = nil, nil
	x.twin, b.twin = b, x
	if x.expects {
		s.settle(x)
	} else {
		s.equal(x)
	}
}

// keep takes in that a request has reached nobody.
func (s *session) keep(x *exchange) {
	if s.done {
		return
	}
	x.kept = true
	if x.expects {
		s.settle(x)
		return
	}
	s.refused(x, nil)
}

// answer takes in bytes on their way to the client.
func (s *session) answer(at side, b []byte) {
	if s.done {
		return
	}
	err := s.down[at].feed(b, func(f frame) bool {
		s.answerFrame(at, f)
		return !s.done
	})
	switch {
	case err != nil && at == atClient:
		s.differ(nil, "what reached the client is no answer: "+err.Error(), nil, nil)
	case err != nil:
		s.giveUp("no Kafka")
	}
}

// answerFrame finds the request of an answer: the oldest without one.
func (s *session) answerFrame(at side, f frame) {
	id := int32(binary.BigEndian.Uint32(f.content()))
	if len(s.open[at]) == 0 {
		s.differ(nil, []string{"an answer reached the client that it did not ask for", "the broker has answered what it was not asked"}[at], nil, &f)
		return
	}
	x := s.open[at][0]
	s.open[at] = s.open[at][1:]
	switch {
	case x.CorrelationID != id:
		s.differ(x, []string{"the answers reach the client in another order", "the broker answers in another order"}[at], nil, &f)
		return
	case x.own:
		return
	}
	s.hold(len(f.data))
	x.answer = &f
	if at == atBroker {
		x = x.twin
	}
	if x != nil {
		s.settle(x)
	}
}

// settle compares the answers of both sides when they are there. An answer that the client has before anybody knows whether its request
// reached the broker waits for that.
func (s *session) settle(x *exchange) {
	switch {
	case x.answer == nil:
	case x.kept:
		s.refused(x, x.answer)
		s.hold(-len(x.answer.data))
	case x.twin != nil && x.twin.answer != nil:
		s.sameAnswer(x, x.answer, x.twin.answer)
		s.hold(-len(x.answer.data) - len(x.twin.answer.data))
		x.answer, x.twin.answer = nil, nil
	}
}

// equal counts an exchange of which both sides are the same.
func (s *session) equal(x *exchange) {
	if s.done {
		return
	}
	s.exchanges++
	s.c.report.Exchanges++
	s.c.report.kinds[kind{x.Key, x.Version}]++
}

// hold counts bytes that wait for their counterpart.
func (s *session) hold(n int) {
	if s.done {
		return
	}
	s.held += n
	s.c.held += n
	if s.c.held > maxHeld {
		s.giveUp("too much waited for its counterpart")
	}
}

// giveUp says why a session is not compared to its end.
func (s *session) giveUp(why string) {
	if !s.done {
		s.why = why
		s.drop()
	}
}

// drop lets go of all that is held.
func (s *session) drop() {
	s.done = true
	s.c.held -= s.held
	s.held, s.asked, s.reached, s.open = 0, nil, nil, [sides][]*exchange{}
	s.up, s.down = [sides]splitter{}, [sides]splitter{}
}
