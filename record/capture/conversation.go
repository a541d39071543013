package capture

import (
	"warder/protocol"
	"warder/record"
)

// flow is what is known of the frames of one direction. At most one of its three
// states holds: searching; in the middle of a frame of which left bytes are to come;
// or at the beginning of one, of which buf has been seen.
type flow struct {
	searching bool   // where frames begin is not known
	left      int    // bytes to come of a frame that is given or left out as it comes
	given     bool   // it is given
	buf       []byte // length and content of the frame that has begun, until enough is there to judge it
}

// trust says how sure it is where requests begin.
type trust uint8

const (
	sure    trust = iota // frames have been followed since the first one
	hopeful              // the next bytes look like a request, somewhere in a stream
	waiting              // they were one frame, and what comes next decides
)

// conversation finds requests and answers in the bytes of a connection, and gives
// them as entries.
//
// Entries alias the bytes that it is called with, and its own buffers, which are
// never written to again once they are given.
type conversation struct {
	conn   *conn
	number uint64 // of the connection among the entries; 0 until something is given
	up     flow
	down   flow
	open   []int32 // correlation ids of the requests that wait for answers, in their order
	said   bool    // something was given since the last loss
	first  bool    // nothing has been seen yet of what the client says from the beginning
	asked  bool    // a Fetch was looked into

	trust trust
	maybe []byte // the frame before what decides, if it is small; owned
}

// begin opens a connection for whoever reads the entries.
func (c *conversation) begin() {
	s := c.conn.source
	s.opened++
	c.number = s.opened
	s.follow(c.conn)
	s.emit(&record.Entry{Kind: record.Opened, Conn: c.number, Remote: c.conn.client, Broker: c.conn.broker.String(), Node: -1})
}

// give gives bytes of a direction. The first entry of a connection opens it.
func (c *conversation) give(kind record.Kind, b []byte) {
	if c.number == 0 {
		c.begin()
	}
	s := c.conn.source
	c.said = true
	s.counts.Bytes += uint64(len(b))
	s.emit(&record.Entry{Kind: kind, Conn: c.number, Data: b})
}

// plain gives bytes without a look at them.
func (c *conversation) plain(kind record.Kind, b []byte) {
	if c.number == 0 && !c.conn.fromStart() {
		c.plainLost()
	}
	c.give(kind, b)
}

// plainLost says that bytes are missing, also where they are the first: who reads the
// entries would take what follows for the beginning.
func (c *conversation) plainLost() {
	if c.number == 0 {
		c.begin()
		c.said = true // by somebody, unheard
	}
	c.lose()
}

// close ends the connection for whoever reads the entries.
func (c *conversation) close() {
	if c.number != 0 {
		c.conn.source.emit(&record.Entry{Kind: record.Closed, Conn: c.number, ByBroker: c.conn.byBroker})
	}
}

// release lets go of what is held, and says how many bytes that was.
func (c *conversation) release() int {
	n := cap(c.up.buf) + cap(c.down.buf) + cap(c.maybe)
	c.conn.source.counts.bytes(BeforeSync, len(c.maybe))
	c.up.buf, c.down.buf, c.maybe = nil, nil, nil
	return n
}

// stop ends the following of the connection: nothing more is made of it.
func (c *conversation) stop(why Reason, bytes int) {
	s := c.conn.source
	s.counts.unfollowed[why].Connections++
	s.counts.bytes(why, bytes)
	c.conn.why = why
	c.close()
	c.conn.drop()
}

// collect takes from b into the buffer of f until that has want bytes, and says
// whether it has.
func (c *conversation) collect(f *flow, b []byte, want int) (rest []byte, enough bool) {
	n := min(want-len(f.buf), len(b))
	if n > 0 {
		before := cap(f.buf)
		f.buf = append(f.buf, b[:n]...)
		c.conn.source.memory += cap(f.buf) - before
		b = b[n:]
	}
	return b, len(f.buf) >= want
}

// taken empties the buffer of f, whose bytes have been given or left out.
func (c *conversation) taken(f *flow) {
	c.conn.source.memory -= cap(f.buf)
	f.buf = nil
}

// pass gives or leaves out the bytes of a frame whose end is known.
func (c *conversation) pass(f *flow, kind record.Kind, b []byte) (rest []byte) {
	n := min(f.left, len(b))
	if f.given {
		c.give(kind, b[:n])
	}
	f.left -= n
	return b[n:]
}

// zeros stand for bytes that are lost.
var zeros [64 << 10]byte

// fill fills up a frame that is being given, with zeros. What comes of it after that
// is left out.
func (c *conversation) fill(f *flow, kind record.Kind) {
	if !f.given {
		return
	}
	c.conn.source.counts.Bytes -= uint64(f.left)
	for left := f.left; left > 0; {
		n := min(left, len(zeros))
		c.give(kind, zeros[:n])
		left -= n
	}
	f.given = false
}

// lose says that bytes are missing. Frames that have begun are filled up, in both
// directions; requests that are open have no answer any more.
func (c *conversation) lose() {
	c.fill(&c.up, record.Request)
	c.fill(&c.down, record.Answer)
	c.open = c.open[:0]
	if c.said {
		c.conn.source.counts.Losses++
		c.conn.source.emit(&record.Entry{Kind: record.Lost, Conn: c.number})
	}
	c.said = false
}

// skip takes n lost bytes out of a direction: where frames begin afterwards is known
// if the frame that they belong to ends behind them.
func (c *conversation) skip(f *flow, n int) {
	if f.searching {
		return
	}
	if size, err := protocol.FrameSize(f.buf, 0, maxAnswer); err == nil {
		c.conn.source.counts.bytes(Partial, len(f.buf))
		f.left, f.given = protocol.FrameLengthSize+size-len(f.buf), false
	} else if len(f.buf) > 0 {
		f.searching = true
	}
	c.taken(f)
	if f.searching = f.searching || n > f.left; f.searching {
		f.left = 0
		return
	}
	f.left -= n
}

func (c *conversation) requestLost(n int) {
	c.first = false
	c.lose()
	c.skip(&c.up, n)
	if c.trust != sure {
		c.doubt()
		c.taken(&c.up)
		c.up.searching, c.up.left = true, 0
	}
}

func (c *conversation) answerLost(n int) {
	c.lose()
	c.skip(&c.down, n)
}
