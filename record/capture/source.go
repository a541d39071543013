package capture

import (
	"container/list"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"warder/record"
)

// DefaultPort is the port of brokers where nobody says another.
const DefaultPort = 9092

// Source gives what connections to brokers carried, out of the packets of a feed.
//
// The broker of a connection is whom it was opened to; where that was before the
// capture, the side whose port is one of those of Ports, or has been seen to be a
// broker's.
type Source struct {
	feed   Feed
	ports  map[uint16]bool // of brokers
	only   bool            // connections to other ports are nobody's business
	plain  bool            // bytes are given as they were sent, whatever they are
	conns  map[ends]*conn
	recent *list.List // of *conn, the one that was heard of last in front
	now    time.Time  // of the capture; never goes back

	waiting []*conn // which something is missing of, to be looked at when time has passed
	swept   time.Time
	memory  int    // bytes held in all connections
	opened  uint64 // number of the connection that was opened last

	queue  []record.Entry // what a packet brought
	given  int            // of queue
	ended  error          // what the feed ended with
	counts Counts
}

// ends are both ends of a connection, the smaller address first.
type ends struct{ a, b netip.AddrPort }

func endsOf(s *segment) ends {
	if s.src.Compare(s.dst) > 0 {
		return ends{s.dst, s.src}
	}
	return ends{s.src, s.dst}
}

// New reads a feed. With ports, only connections to them are looked at. Without, those
// to DefaultPort are, and others whose first bytes are a request.
func New(feed Feed, ports []uint16) *Source {
	s := &Source{feed: feed, ports: map[uint16]bool{}, only: len(ports) > 0, conns: map[ends]*conn{}, recent: list.New()}
	if len(ports) == 0 {
		ports = []uint16{DefaultPort}
	}
	for _, p := range ports {
		s.ports[p] = true
	}
	return s
}

// Bytes is New for who finds frames himself, and wants to see what is wrong with them:
// what passes between clients and ports is given as it was sent. Lost then says only
// that packets are missing, or that the capture began later than the connection, and
// may stand inside a frame.
func Bytes(feed Feed, ports []uint16) *Source {
	s := New(feed, ports)
	s.only, s.plain = true, true
	return s
}

// Next gives the next entry: io.EOF when there are no more packets, or what the feed
// failed with, after all that could be made of the packets before.
func (s *Source) Next() (*record.Entry, error) {
	for s.given == len(s.queue) {
		s.queue, s.given = s.queue[:0], 0
		if s.ended != nil {
			return nil, s.ended
		}
		p, err := s.feed.Read()
		if err != nil {
			s.end(err)
			continue
		}
		s.packet(&p)
	}
	s.given++
	return &s.queue[s.given-1], nil
}

// Counts is what has been seen so far.
func (s *Source) Counts() *Counts { return &s.counts }

// end gives what still waits. Connections that are open stay so: nobody has seen them end.
func (s *Source) end(err error) {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		s.counts.CutOff = true
		err = io.EOF
	}
	s.ended = err
	for at := s.recent.Back(); at != nil; at = at.Prev() {
		if c, _ := at.Value.(*conn); !c.dead {
			c.flush()
			c.settle(false)
		}
	}
	if from, ok := s.feed.(interface{ Dropped() uint64 }); ok {
		s.counts.unfollowed[KernelDropped].Packets = from.Dropped()
	}
}

// packet takes in what the feed gave.
func (s *Source) packet(p *Packet) {
	if !s.now.IsZero() && p.At.Sub(s.now) > maxJump {
		s.end(fmt.Errorf("packet %d is %s later than the one before it: read what is so far apart one by one", s.counts.Packets+1, p.At.Sub(s.now)))
		return
	}
	if p.At.After(s.now) {
		s.now = p.At
	}
	if len(p.Data) == 0 {
		s.emit(&record.Entry{Kind: record.Passed})
	} else {
		s.counts.Packets++
		seg, why, ok := parse(p.Link, p.Data, p.Length)
		if !ok {
			s.counts.packet(why, p.Length)
		} else if c := s.connection(&seg); c != nil {
			c.push(&seg)
		}
	}
	s.sweep()
}

// connection finds the connection of a segment, nil if it is none to look at.
func (s *Source) connection(seg *segment) *conn {
	id := endsOf(seg)
	c := s.conns[id]
	if c != nil && seg.has(flagSYN) && !c.same(seg) {
		s.forget(c) // the ports are used again
		c = nil
	}
	if c != nil {
		s.recent.MoveToFront(c.place)
		return c
	}
	c = s.side(seg)
	if c == nil {
		return nil
	}
	if len(s.conns) >= maxConnections {
		oldest, _ := s.recent.Back().Value.(*conn)
		if !oldest.dead {
			s.counts.unfollowed[Evicted].Connections++
		}
		s.forget(oldest)
	}
	c.source, c.talk.conn = s, c
	c.talk.first = seg.has(flagSYN)
	c.talk.up.searching, c.talk.down.searching = !c.talk.first, !c.talk.first
	if s.ports[c.broker.Port()] {
		s.counts.Connections++
	}
	c.place = s.recent.PushFront(c)
	s.conns[id] = c
	return c
}

// side makes a connection of a segment that belongs to none, nil if it is none to
// look at.
func (s *Source) side(seg *segment) *conn {
	forth := &conn{client: seg.src, broker: seg.dst}
	back := &conn{client: seg.dst, broker: seg.src}
	switch {
	case seg.has(flagRST):
		return nil
	case seg.has(flagSYN) && seg.has(flagACK):
		return s.looked(back)
	case seg.has(flagSYN):
		return s.looked(forth)
	case seg.size() == 0:
		return nil // the last words of one that has ended
	case s.ports[seg.dst.Port()]:
		return forth
	case s.ports[seg.src.Port()]:
		return back
	}
	return nil
}

func (s *Source) looked(c *conn) *conn {
	if s.only && !s.ports[c.broker.Port()] {
		return nil
	}
	return c
}

// follow notes that a connection is one to a broker.
func (s *Source) follow(c *conn) {
	s.counts.Followed++
	if !c.fromStart() {
		s.counts.Midstream++
	}
	if port := c.broker.Port(); !s.ports[port] {
		s.counts.Connections++
		s.ports[port] = len(s.ports) < maxPorts
	}
}

// forget ends a connection and takes it out.
func (s *Source) forget(c *conn) {
	if !c.dead {
		c.finish()
	}
	s.recent.Remove(c.place)
	id := ends{c.client, c.broker}
	if c.client.Compare(c.broker) > 0 {
		id = ends{c.broker, c.client}
	}
	delete(s.conns, id)
}

// watch looks at a connection again when time has passed, if something is missing.
func (s *Source) watch(c *conn) {
	if !c.waits && c.due() {
		c.waits = true
		s.waiting = append(s.waiting, c)
	}
}

// sweep looks at the connections of which something is missing.
func (s *Source) sweep() {
	if s.now.Sub(s.swept) < sweepEvery {
		return
	}
	s.swept = s.now
	due := s.waiting
	s.waiting = nil
	for _, c := range due {
		c.waits = false
		c.settle(false)
	}
}

// emit gives an entry of a connection, with the time of the moment.
func (s *Source) emit(e *record.Entry) {
	e.At = s.now
	s.queue = append(s.queue, *e)
}
