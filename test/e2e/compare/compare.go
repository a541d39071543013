// Package compare holds what clients said to a warder against what reached the brokers, and what brokers answered against what reached
// the clients: for each connection, in the packets that pass the loopback interface, without a word of warder's about what it has passed.
//
// What may differ, and nothing else: hosts and ports of brokers in the answers that carry them; the ranges of ApiVersions, which are warder's;
// warder's own questions, which no client sees; and what a verdict has refused, as warder's log has it. Warder is believed in two things:
// its log says which two connections belong together, where a lie would show as a difference, and what verdicts there were.
//
// Comparator reads packets (capture.Bytes); warder.go follows the logs; splitter finds frames in bytes (frame.go); session pairs requests
// and answers (session.go); requests.go, answers.go and refusals.go say whether two of them are the same; Report is what came of it.
package compare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"time"

	"warder/record"
	"warder/record/capture"
)

// Comparator follows warders until it is stopped. It takes a goroutine, the ring of capture.Live, and at most maxHeld for what has been
// seen on one side only.
type Comparator struct {
	live   *capture.Live
	source *capture.Source
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	warders []*warder // guarded by mu

	// the goroutine's
	conns   map[uint64]*end
	clients map[netip.AddrPort]*session // by the client's address
	opened  map[netip.AddrPort]*opened  // by warder's address on the broker's side, as logs told; taken out when it is seen
	held    int                         // bytes that wait for the other side
	report  Report
	err     error
}

// end is one end of a session: a connection.
type end struct {
	of   *session
	side side
}

// Start begins to capture on the loopback interface. ports are all that warders and brokers listen on.
func Start(ports []int) (*Comparator, error) {
	all := make([]uint16, len(ports))
	for i, p := range ports {
		all[i] = uint16(p)
	}
	ctx, cancel := context.WithCancel(context.Background())
	live, err := capture.Listen(ctx, "lo", all)
	if err != nil {
		cancel()
		return nil, err
	}
	c := newComparator(capture.Bytes(live, all))
	c.live, c.cancel = live, cancel
	go c.run()
	return c, nil
}

func newComparator(source *capture.Source) *Comparator {
	return &Comparator{
		source: source, ended: make(chan struct{}), conns: map[uint64]*end{}, clients: map[netip.AddrPort]*session{},
		opened: map[netip.AddrPort]*opened{}, report: newReport(),
	}
}

// Follow has the connections compared that clients open to ports of a warder. It is to be told before the warder starts; log is the file
// that it writes its log to, as JSON, with debug. Where it encrypts what it says to brokers, its connections are only counted.
func (c *Comparator) Follow(name, log string, ports []int, encrypts bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.warders = append(c.warders, newWarder(name, log, ports, encrypts))
}

// Stop compares what was captured by now, and gives the report. Connections that are open count as ended.
func (c *Comparator) Stop() (*Report, error) {
	c.cancel()
	<-c.ended
	return &c.report, errors.Join(c.err, c.live.Close())
}

func (c *Comparator) run() {
	defer close(c.ended)
	runtime.LockOSThread() // and leave it locked: it ends with its priority
	hurry()
	for {
		e, err := c.source.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				c.err = fmt.Errorf("capturing what passes warder: %w", err)
			}
			break
		}
		c.take(e)
	}
	for _, s := range c.clients {
		s.finish()
	}
	c.source.Counts().Unfollowed(func(why capture.Reason, u capture.Unfollowed) {
		if why == capture.KernelDropped {
			c.report.Dropped = u.Packets
		}
	})
	c.report.warders, c.report.Took = c.warders, processorTime()
}

// hurry has the thread go before others where that is allowed: packets that are read too late are lost.
func hurry() { _ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), -10) }

// processorTime is what the thread has used.
func processorTime() time.Duration {
	var used syscall.Rusage
	const thread = 1 // RUSAGE_THREAD of Linux
	if syscall.Getrusage(thread, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func (c *Comparator) take(e *record.Entry) {
	if e.Kind == record.Opened {
		c.open(e)
		return
	}
	at := c.conns[e.Conn]
	if at == nil {
		return
	}
	switch e.Kind {
	case record.Request:
		at.of.now = e.At
		at.of.request(at.side, e.Data)
	case record.Answer:
		at.of.now = e.At
		at.of.answer(at.side, e.Data)
	case record.Lost:
		at.of.giveUp("packets were lost")
	case record.Closed:
		delete(c.conns, e.Conn)
		at.of.closed(at.side)
	default:
	}
}

// atOnce is how soon the first bytes follow on what the log tells of a connection to a broker. Where there were none, because the client
// had gone, the port may be somebody else's later.
const atOnce = 10 * time.Second

// open finds out whose connection it is that has begun. Of those to brokers the log has told before a byte came, if they are warder's.
func (c *Comparator) open(e *record.Entry) {
	to, err := netip.ParseAddrPort(e.Broker)
	if err != nil {
		return
	}
	if w := c.listens(int(to.Port())); w != nil {
		if before := c.clients[e.Remote]; before != nil {
			before.finish() // the port is used again
		}
		s := newSession(c, w, e.Remote, to.Addr().String(), e.At)
		c.clients[e.Remote] = s
		c.conns[e.Conn] = &end{s, atClient}
		return
	}
	c.readLogs()
	o := c.opened[e.Remote]
	delete(c.opened, e.Remote)
	if o == nil || e.At.Sub(o.at).Abs() > atOnce {
		return // of somebody who does not go through warder
	}
	if s := c.clients[o.client]; s != nil && s.opened == nil && o.broker == e.Broker {
		s.opened = o
		c.conns[e.Conn] = &end{s, atBroker}
	}
}

func (c *Comparator) listens(port int) *warder {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.warders {
		if w.ports[port] {
			return w
		}
	}
	return nil
}

func (c *Comparator) readLogs() {
	c.mu.Lock()
	warders := c.warders
	c.mu.Unlock()
	for _, w := range warders {
		if w.encrypts { // connections begin before the log tells of them
			continue
		}
		w.read(func(at netip.AddrPort, o *opened) { c.opened[at] = o })
	}
}
