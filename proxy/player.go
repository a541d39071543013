package proxy

import (
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"warder/configs"
	"warder/record"
	"warder/rules"
)

// playerTick is how much time passes between two ticks of the engine, as live.
const playerTick = time.Second

// maxPlayed bounds the connections that are open at one time; each costs two
// goroutines and some kilobytes. What is beyond it is not followed.
const maxPlayed = 20_000

// maxPlayedFrame is more than any broker takes, and less than HTTP looks like.
const maxPlayedFrame = 1 << 30

// maxPlayedListeners bounds the names of listeners.
const maxPlayedListeners = 100

// Clock is the time in a recording. The engine of a Player and all that it plays to
// go by it. The zero value is before the beginning. It belongs to whoever plays.
type Clock struct{ at time.Time }

// Now is the time of the last entry.
func (c *Clock) Now() time.Time { return c.at }

// Player plays what happened in the past to the sessions, rules and engine that live
// traffic meets, in the time in which it happened. Verdicts are told as findings and
// change nothing, since everything has had its answer already; nothing is asked of
// the cluster, no address is rewritten, and nothing listens. It is not safe for
// concurrent use.
type Player struct {
	srv       *Server
	clock     *Clock
	next      time.Time // of the next tick
	phase     time.Time // see TickLike
	heard     bool      // see Server.tellSome
	conns     map[uint64]*playedSession
	listeners map[string]*listener
	report    PlayReport
}

// playedSession is one connection of the past.
type playedSession struct {
	*played
	sess  *session
	fed   bool  // something was given since it was opened, or lost
	cause error // of its end, once it is over
}

// PlayReport says what became of what was played.
type PlayReport struct {
	Connections int `json:"connections"`
	// Ended counts connections that could not be followed to their end, by why.
	Ended map[CloseReason]int `json:"ended_early,omitempty"`
	// IgnoredBytes is how many bytes belonged to such connections.
	IgnoredBytes int64 `json:"ignored_bytes,omitempty"`
}

// NewPlayer makes a player. o.Engine must be Inline and go by clock. Of the
// configuration what concerns listeners, brokers and files counts for nothing.
func NewPlayer(o Options, clock *Clock) (*Player, error) {
	c := *o.Config
	c.Upstream = configs.Default().Upstream
	c.Upstream.Bootstrap = []configs.Address{"127.0.0.1:9092"} // never dialled
	c.Listeners, c.StateFile = nil, ""
	c.Inspect.OnUndecodable = "forward"
	o.Config = &c
	srv, err := newServer(o, clock.Now, true)
	if err != nil {
		return nil, err
	}
	return &Player{srv: srv, clock: clock, conns: map[uint64]*playedSession{}, listeners: map[string]*listener{}, report: PlayReport{Ended: map[CloseReason]int{}}}, nil
}

// TickLike has time pass in the steps that it did for an engine that began at a time:
// what is found at a tick is found at the same one.
func (p *Player) TickLike(began time.Time) { p.phase = began }

// Play has one more thing happen. An entry that is older than the one before counts
// as having happened just after it.
func (p *Player) Play(e *record.Entry) error {
	p.pass(e.At)
	switch e.Kind {
	case record.Opened:
		return p.open(e)
	case record.Request:
		p.give(e, func(c *playedSession) *playedConn { return &c.client })
	case record.Answer:
		p.give(e, func(c *playedSession) *playedConn { return &c.broker })
	case record.Lost:
		p.lose(e.Conn)
	case record.Identified:
		if c := p.conns[e.Conn]; c != nil {
			c.identify(e.Identity)
		}
	case record.Closed:
		reason := ReasonClientGone
		if e.ByBroker {
			reason = ReasonBrokerGone
		}
		p.close(e.Conn, reason)
	case record.Learned:
		p.learn(e.Topic)
	case record.Found: // it is found again
	case record.Passed:
	}
	return nil
}

// pass lets time pass up to now.
func (p *Player) pass(now time.Time) {
	if now.IsZero() { // what was known before the recording began
		return
	}
	if p.clock.at.IsZero() {
		p.next = now.Add(playerTick - now.Sub(p.phase)%playerTick)
	}
	for !p.next.After(now) {
		p.clock.at = p.next
		p.heard = p.srv.tellSome(p.heard)
		p.srv.engine.Tick(p.next)
		p.next = p.next.Add(playerTick)
	}
	if now.After(p.clock.at) {
		p.clock.at = now
	}
}

func (p *Player) open(e *record.Entry) error {
	ln, err := p.listener(e.Listener)
	if err != nil {
		return err
	}
	if len(p.conns) >= maxPlayed {
		p.report.Ended[ReasonConnectionLimit]++
		return nil
	}
	p.close(e.Conn, ReasonShutdown) // which a Source never leaves to us
	c := &playedSession{played: newPlayed(e.Remote, e.Broker)}
	c.sess = newSession(p.srv, ln, e.Node, &c.client, e.Conn)
	c.sess.played = c.played
	c.identify(e.Identity)
	p.conns[e.Conn] = c
	p.report.Connections++
	p.srv.metrics.opened(ln.name, e.Node)
	go c.run(p.srv)
	c.settle()
	return nil
}

// listener stands for the one that a connection came to.
func (p *Player) listener(name string) (*listener, error) {
	if len(p.listeners) >= maxPlayedListeners {
		name = ""
	}
	if l := p.listeners[name]; l != nil {
		return l, nil
	}
	cfg := configs.Default().Listeners[0]
	cfg.Name = name
	cfg.Limits.Frame, cfg.Limits.InFlight = maxPlayedFrame, math.MaxInt
	l, err := newListener(p.srv, cfg)
	if err == nil {
		p.listeners[name] = l
	}
	return l, err
}

// identify says who the client is, as far as its bytes do not.
func (c *playedSession) identify(as *rules.Identity) {
	if as == nil {
		return
	}
	c.sess.identify(func(id *rules.Identity) {
		remote, listener := id.Remote, id.Listener
		*id = *as
		id.Remote, id.Listener = remote, listener
	})
}

func (c *playedSession) run(srv *Server) {
	c.sess.run(srv.hard, func(cause error) {
		c.cause = cause
		c.end()
	})
}

// give hands on bytes of a connection.
func (p *Player) give(e *record.Entry, side func(*playedSession) *playedConn) {
	c := p.conns[e.Conn]
	if c == nil {
		p.report.IgnoredBytes += int64(len(e.Data))
		return
	}
	if !c.played.give(side(c), e.Data) {
		p.report.IgnoredBytes += int64(len(e.Data))
	}
	c.fed = true
}

// lose forgets what is open on a connection. Rules are told that they missed
// something, unless there was nothing before.
func (p *Player) lose(conn uint64) {
	c := p.conns[conn]
	if c == nil {
		return
	}
	c.sess.inflight.forget()
	if c.fed {
		p.srv.engine.Lost(1)
	}
	c.fed = false
}

// close ends a connection for reason, unless it has ended before.
func (p *Player) close(conn uint64, reason CloseReason) {
	c := p.conns[conn]
	if c == nil {
		return
	}
	delete(p.conns, conn)
	early := c.over()
	c.sess.end(&CloseError{Reason: reason})
	c.wait()
	if ce, ok := errors.AsType[*CloseError](c.cause); early && ok {
		p.report.Ended[ce.Reason]++
	}
	p.srv.farewell(c.sess, c.cause)
}

// learn takes over what the cluster said of a topic.
func (p *Player) learn(t *rules.Topic) {
	topics := p.srv.topics
	topics.Learn(t.Name, t.ID, int(t.Partitions))
	if t.Cleanup.Known() {
		topics.LearnConfig(t.Name, t.Cleanup.String(), t.ConfigTime)
	}
	if t.Settings.Known {
		topics.LearnSettings(t.Name, t.Settings)
	}
}

// Close ends what is still open as if warder ended, which no rule holds against
// anybody. The engine stays.
func (p *Player) Close() PlayReport {
	for _, conn := range slices.Sorted(maps.Keys(p.conns)) {
		p.close(conn, ReasonShutdown)
	}
	p.srv.lookups.close()
	p.srv.cut(nil)
	return p.report
}
