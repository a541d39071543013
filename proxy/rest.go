package proxy

// A connection that has been quiet for a while costs its sockets and what is known of it, and no
// goroutine: the stacks of the two loops were most of what an idle connection cost. A loop
// ends where it waits for a frame to begin, and the session is given to sleepers, who start both loops again
// when anything comes on either side. How a loop is told: see socket.nudge.

// restLooks is at how many looks in a row a session must not have had a request, for it to rest: after 20 to
// 30 seconds. Heartbeats and polls come more often, so that only sessions rest which are of no use at present.
const restLooks = 2

// restError is what a socket answers a reader that may rest, and is told to.
type restError struct{}

func (restError) Error() string { return "time to rest" }

// Timeout and Temporary implement net.Error: to crypto/tls the connection is in order.
func (restError) Timeout() bool   { return true }
func (restError) Temporary() bool { return true }

var errRest error = restError{}

// quiet reports whether the session has had nothing to do for restLooks looks, this one included.
func (s *session) quiet() bool {
	requests := s.requests.Load()
	return s.idle.looks(requests, requests > 0 && s.inflight.depth() == 0) >= restLooks
}

// restQuiet looks at every session once, and lets those rest that are quiet.
func (s *Server) restQuiet() {
	for _, sess := range s.open() {
		if sess.quiet() {
			sess.letRest()
		}
	}
}

// letRest asks the loops to rest that do not. One that is not waiting for a frame to begin goes on.
func (s *session) letRest() {
	if s.loops.Load() < 2 {
		return // not open yet, or no longer
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range []struct {
		rests bool
		sock  *socket
	}{{s.requestsRest, s.in.beneath}, {s.responsesRest, s.out.beneath}} {
		if !l.rests && l.sock != nil {
			l.sock.nudge()
		}
	}
}

// rest is called by a loop that may rest, with its own mark, and reports whether it is to end: it
// must not touch the session any more then, since it may have been started again.
func (s *session) rest(resting *bool, sock *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.stopping || s.lost || s.last != nil || !s.srv.sleepers.add(sock, s) {
		return false
	}
	*resting = true
	return true
}

// wake has both loops go on: one of them has something to read, and the other will soon.
func (s *session) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakeLocked()
}

// wakeLocked is wake for who holds mu. It is called whenever a socket is closed or given a deadline for a loop to notice.
func (s *session) wakeLocked() {
	if s.requestsRest {
		s.requestsRest = false
		s.srv.sleepers.drop(s.in.beneath)
		go s.serveRequests()
	}
	if s.responsesRest {
		s.responsesRest = false
		s.srv.sleepers.drop(s.out.beneath)
		go s.serveResponses()
	}
}
