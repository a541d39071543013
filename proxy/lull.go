package proxy

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// What may take for ever. An idle session holds next to nothing and may last: brokers end those
// that are idle for too long for them (connections.max.idle.ms). A request that has begun holds
// memory, and its rest may never come; a broker may read nothing, and then nobody reads from the client
// either and sees that it has left. Both are looked for now and then, so that reading and
// writing cost two additions, and no timer.

const (
	lullEvery = 10 * time.Second
	// lullLooks is at how many looks in a row nothing must have moved: for a minute. Clients give a
	// request up sooner, all of it and its answer (request.timeout.ms, 30 s; socket.timeout.ms of librdkafka, 60 s).
	lullLooks = 6
	// trickleLooks is at how many looks in a row the rest of the same request must have been waited for: for ten
	// minutes. Brokers wait for as long as it takes, but no client does.
	trickleLooks = 60
)

// lull tells how long one read or write has taken. Its user adds one before and one
// after each, so that an odd number is a read or write that goes on.
type lull struct {
	steps atomic.Uint32

	// owned by whoever looks
	seen  uint32
	looks int
}

// step is called before and after; nobody looks at a nil one.
func (l *lull) step() {
	if l != nil {
		l.steps.Add(1)
	}
}

// over reports whether the same read or write has gone on for lullLooks looks, this one included.
func (l *lull) over() bool {
	steps := l.steps.Load()
	if steps%2 == 0 || steps != l.seen {
		l.seen, l.looks = steps, 0
		return false
	}
	l.looks++
	return l.looks >= lullLooks
}

// lookForLulls ends sessions that are held up for nothing, and lets those rest that are quiet, until ctx ends.
func (s *Server) lookForLulls(ctx context.Context) {
	ticker := time.NewTicker(lullEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.endLulls()
			s.restQuiet()
		}
	}
}

// endLulls looks at every session once.
func (s *Server) endLulls() {
	for _, sess := range s.open() {
		if sess.fromClient.over() {
			sess.end(closingf(ReasonRequestStalled, "a request has begun, and nothing more of it came for %v", lullLooks*lullEvery))
		}
		if sess.trickles() {
			sess.end(closingf(ReasonRequestStalled, "a request has begun, and has not come as a whole for %v", trickleLooks*lullEvery))
		}
		if sess.toBroker.over() {
			sess.endIfLeft()
		}
	}
}

// trickles reports whether the rest of the same request has been waited for at trickleLooks looks, this one included.
// Whose requests are held up by a broker is not waited for.
func (s *session) trickles() bool {
	return s.unfinished.looks(s.requests.Load(), s.fromClient.steps.Load()%2 == 1) >= trickleLooks
}

// sameRequest counts looks at a session that has come to no other request. It is owned by whoever looks.
type sameRequest struct {
	requests int64
	n        int
}

// looks gives at how many looks in a row, this one included, holds was true and the number of requests that of the look before.
func (l *sameRequest) looks(requests int64, holds bool) int {
	if !holds || requests != l.requests {
		*l = sameRequest{requests: requests}
		return 0
	}
	l.n++
	return l.n
}

// endIfLeft ends the session if its client has gone, which nobody has read. Half-closed is not
// gone: that is an error only once the client's system knows nothing of the connection any
// more, and has said so to a question of keep-alive.
func (s *session) endIfLeft() {
	s.mu.Lock()
	err := brokenSocket(s.client)
	s.mu.Unlock()
	if err != nil {
		s.end(closing(ReasonClientGone, err))
	}
}

// brokenSocket asks the system whether a connection is broken, without reading from it.
func brokenSocket(conn net.Conn) (broken error) {
	tcp, ok := tcpOf(conn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Control(func(fd uintptr) {
		if code, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR); err == nil && code != 0 {
			broken = syscall.Errno(code)
		}
	})
	if err != nil {
		return err
	}
	return broken
}
