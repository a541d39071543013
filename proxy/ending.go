package proxy

import (
	"errors"
	"io"
	"net"
	"time"
)

// How a session ends. Either side may leave first, and what is owed to the other
// still goes out where that is possible: answers to a client that has said its last, and to a
// broker the requests of a client that is gone.

// end records the first cause and closes both sockets, which ends both loops. A nil cause is ignored.
func (s *session) end(cause error) {
	if cause == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended, s.cause = true, closing(ReasonInternal, cause)
	s.wakeLocked() // first: to close a connection with TLS may take seconds, for which sleepers must not wait
	if !s.gently(cause) {
		s.client.Close()
	}
	if s.broker != nil {
		s.broker.Close()
	}
	s.inflight.abort()
}

// lastAnswers is how long a client that will send no more is waited for with its
// open requests. Clients seldom half-close: most are gone for good, and a long
// poll of theirs should not keep a connection to the broker for long.
const lastAnswers = 3 * time.Second

// linger is how long a client may take to notice that warder has said its last word.
const linger = time.Second

// gently reports whether the client is to be left the time to read what it was
// sent: when warder ends a connection that was in order. mu is held.
func (s *session) gently(cause error) bool {
	var ce *CloseError
	return cause == s.last && //nolint:errorlint // this very error, not one like it
		errors.As(cause, &ce) && ce.Reason != ReasonClientGone
}

// lingerClose ends the client's connection so that it reads every answer first.
// Closing a socket that holds unread bytes resets it, and a reset may overtake the answers.
func (s *session) lingerClose() {
	defer s.client.Close()
	s.mu.Lock()
	gently := s.gently(s.cause)
	s.mu.Unlock()
	if !gently || !closeHalf(s.client) {
		return
	}
	if s.client.SetReadDeadline(time.Now().Add(linger)) == nil {
		io.Copy(io.Discard, s.client) //nolint:errcheck // whatever still comes is too late
	}
}

// resetClient ends the client's connection with a reset, when there is no broker behind it. To a
// broker that is not there a client has no connection at all, which it tries again; but an orderly
// end before any answer says that it is not understood, or that TLS is wanted. franz-go gives up
// by that what it was about to do (kgo.ErrFirstReadEOF): a member of a group leaves it
// for a heartbeat, and begins anew where it had not committed.
func (s *session) resetClient() {
	// Not that of TLS, which would say an orderly end first.
	if tcp, ok := tcpOf(s.client); ok && tcp.SetLinger(0) == nil {
		tcp.Close() //nolint:errcheck // end closes it again
	}
}

// closeHalf ends what warder says on a connection, and reports whether it could.
func closeHalf(conn net.Conn) bool {
	half, ok := conn.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

// awaitAnswers is called with the reason why no more requests are read: the
// response loop ends with it when the last open request is answered, or at the
// deadline. The client gets what it is owed even when its next request was no request.
// A broker waits for the rest of a request that has begun, and works on for a client that is
// gone, so it is told that nothing more comes: it ends when it has answered what came whole
// (Selector.maybeReadFromClosingChannel in Apache Kafka).
func (s *session) awaitAnswers(cause error) {
	until := time.Now().Add(lastAnswers)
	s.mu.Lock()
	s.last = cause
	s.wakeLocked()
	part := s.lost || isLost(cause)
	if s.stopping {
		until = s.until
	}
	s.mu.Unlock()
	if s.inflight.drain() {
		s.end(cause)
		return
	}
	if part || s.up.inFrame() {
		s.part()
	}
	s.broker.SetReadDeadline(until) //nolint:errcheck // a closed socket ends the loop as well
}

// isLost reports whether a client is gone for good, or in the middle of a request. One that has
// only said its last at the end of a request may wait for answers.
func isLost(cause error) bool {
	ce, ok := errors.AsType[*CloseError](cause)
	return ok && ce.Reason == ReasonClientGone && ce.Err != nil
}

// withoutClient is given the reason why no more answers are passed on. When it is that the client
// takes none, what it has sent whole is for the broker all the same: what is being written has as
// long as last answers, and answers are read, for nobody. A socket that is closed with bytes
// unread is reset, and what the broker has not read by then may be lost with it.
func (s *session) withoutClient(cause error) error {
	if reasonOf(cause) != ReasonClientGone || cause == s.farewell() || s.played != nil { //nolint:errorlint // this very error, not one like it
		return cause
	}
	s.client.Close() // which ends the request loop, if it has not ended
	s.mu.Lock()
	s.lost = true
	s.wakeLocked()
	over := s.last != nil
	s.mu.Unlock()
	if over {
		s.part()
	}
	if s.broker.SetDeadline(time.Now().Add(lastAnswers)) == nil {
		io.Copy(io.Discard, s.broker) //nolint:errcheck // however it ends
	}
	return cause
}

// part tells the broker that no more requests come.
func (s *session) part() {
	s.mu.Lock()
	s.parted = true
	s.mu.Unlock()
	closeHalf(s.broker)
}

// farewell is how the response loop ends when nothing is open any more.
func (s *session) farewell() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}
