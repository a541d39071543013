package capture

import (
	"container/list"
	"net/netip"

	"warder/record"
)

// conn is one TCP connection of a client to a broker.
type conn struct {
	source         *Source
	client, broker netip.AddrPort
	up, down       stream // what the client sends, what the broker sends
	place          *list.Element
	waits          bool   // in source.waiting
	byBroker       bool   // the broker ended it
	dead           bool   // ended, or not followed: what still comes of it is left alone
	why            Reason // it is not followed
	talk           conversation
}

// push takes in a segment of the connection, at the time of the source.
func (c *conn) push(s *segment) {
	from, to := &c.up, &c.down
	if s.src == c.broker {
		from, to = to, from
	}
	if c.dead {
		c.source.counts.bytes(c.why, s.size())
		return
	}
	now := c.source.now
	seq := s.seq
	if s.has(flagSYN) {
		seq++
		from.isn, from.began = s.seq, true
	}
	from.begin(seq)
	if s.has(flagACK) {
		to.begin(s.ack)
	}
	if s.has(flagFIN) && !s.has(flagSYN) && !from.ends {
		from.ends, from.end = true, seq+uint32(s.size())
	}
	if s.has(flagFIN|flagRST) && !to.ends {
		c.byBroker = from == &c.down
	}
	c.give(from, piece{seq: seq, ack: s.ack, data: s.data, missing: s.missing})
	if s.has(flagACK) && !c.dead {
		to.acknowledge(s.ack, now)
		c.drain()
	}
	from.look(now)
	c.settle(s.has(flagRST))
}

// settle is done after each change: what is overdue is lost, and what is over ends.
func (c *conn) settle(reset bool) {
	if !c.dead {
		c.expire()
	}
	switch {
	case c.dead:
	case reset:
		c.finish()
	case c.up.over() && c.down.over():
		c.finish()
	default:
		c.source.watch(c)
	}
}

// give gives a piece of a stream if it is its turn, else keeps it.
func (c *conn) give(s *stream, p piece) {
	p = p.from(s.next)
	if p.size() == 0 || after(s.next, p.seq) {
		return
	}
	if len(s.waiting) == 0 && p.seq == s.next && c.ready(s, &p) {
		c.deliver(s, p)
		c.drain()
		return
	}
	c.source.memory += s.hold(p)
	c.drain()
	if c.source.memory > maxMemory {
		c.lose(s)
	}
}

// ready says whether a piece may be given as far as the other direction is concerned:
// an answer is not given before the request that it answers, whatever the order in
// which they were captured. Requests wait for nothing, so the two never wait for each
// other.
func (c *conn) ready(s *stream, p *piece) bool {
	return s == &c.up || !c.up.known || !after(p.ack, c.up.next) || c.up.ends && p.ack == c.up.end+1 && c.up.over()
}

// drain gives what can be given of what waits, in both directions.
func (c *conn) drain() {
	for _, s := range []*stream{&c.up, &c.down} {
		for len(s.waiting) > 0 && !c.dead && !after(s.waiting[0].seq, s.next) && c.ready(s, &s.waiting[0]) {
			p := s.take()
			c.source.memory -= len(p.data)
			c.deliver(s, p.from(s.next))
		}
	}
}

// deliver gives a piece whose turn it is to the conversation.
func (c *conn) deliver(s *stream, p piece) {
	s.next = p.end()
	s.moved(c.source.now)
	if len(p.data) > 0 {
		c.say(s, p.data)
	}
	if p.missing > 0 && !c.dead {
		c.miss(s, p.missing)
	}
}

func (c *conn) say(s *stream, b []byte) {
	switch {
	case c.source.plain:
		c.talk.plain(c.kind(s), b)
	case s == &c.up:
		c.talk.request(b)
	default:
		c.talk.answer(b)
	}
}

func (c *conn) miss(s *stream, n int) {
	c.source.counts.bytes(LostBytes, n)
	switch {
	case c.source.plain:
		c.talk.plainLost()
	case s == &c.up:
		c.talk.requestLost(n)
	default:
		c.talk.answerLost(n)
	}
}

func (c *conn) kind(s *stream) record.Kind {
	if s == &c.up {
		return record.Request
	}
	return record.Answer
}

// expire gives up what has been missing for too long. Requests come first: answers may
// wait for them.
func (c *conn) expire() {
	for _, s := range []*stream{&c.up, &c.down} {
		for !c.dead && s.overdue(c.source.now) && c.lose(s) {
			continue
		}
	}
}

// lose gives up the bytes that are missing next in a stream, and says whether
// anything came of it.
func (c *conn) lose(s *stream) bool {
	n := s.lost()
	if n == 0 {
		if s == &c.up || len(s.waiting) == 0 {
			return false
		}
		return c.lose(&c.up) // the answers wait for requests
	}
	s.next += uint32(n)
	s.moved(c.source.now)
	c.miss(s, n)
	c.drain()
	return true
}

// flush gives what waits, with what is missing before it lost.
func (c *conn) flush() {
	for !c.dead && (c.lose(&c.up) || c.lose(&c.down)) {
		continue
	}
}

// finish ends the connection.
func (c *conn) finish() {
	c.flush()
	if !c.dead {
		c.talk.close()
		c.drop()
	}
}

// drop lets go of what the connection holds. It stays known, so that what still comes
// of it begins no new one.
func (c *conn) drop() {
	c.source.memory -= c.up.held + c.down.held + c.talk.release()
	c.up.waiting, c.down.waiting, c.up.held, c.down.held = nil, nil, 0, 0
	c.dead = true
}

// same says whether a segment with SYN belongs to this connection, and begins no new
// one between the same ports.
func (c *conn) same(s *segment) bool {
	of := &c.up
	if s.src == c.broker {
		of = &c.down
	}
	if of.began {
		return of.isn == s.seq
	}
	return !of.known || of.next == s.seq+1
}

// due says whether the connection must be looked at again when time has passed.
func (c *conn) due() bool {
	return !c.dead && (!c.up.since.IsZero() || !c.down.since.IsZero())
}

// fromStart says whether the connection was seen to begin.
func (c *conn) fromStart() bool { return c.up.began || c.down.began }
