package proxy

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"

	"warder/protocol"
)

// answer is the frame at hand in the response loop. It lives in the session and
// is valid until the loop turns to the next frame.
type answer struct {
	size  int // of the frame, length prefix included
	frame *protocol.Frame
	raw   []byte
	taken bool
	head  int // bytes before the body: length prefix and response header
}

// readResponses is the loop from broker to client. It blocks on the broker's
// socket and never on the queue, so that a broker that goes away is always noticed.
func (s *session) readResponses() error {
	for {
		if s.out.buffered() == 0 {
			if err := s.out.push(); err != nil {
				return s.deliveryError(err)
			}
			if s.inflight.finished() {
				return s.farewell()
			}
			s.side.retry()
		}
		if err := s.out.wait(); err != nil {
			return s.brokerError(err)
		}
		if err := s.nextResponse(); err != nil {
			s.out.push() //nolint:errcheck // what was in order still goes out; the session ends with err in any case
			return err
		}
	}
}

// nextResponse matches one answer with the oldest open request and sends it on.
func (s *session) nextResponse() error {
	head, err := s.out.peek(protocol.FrameLengthSize)
	if err != nil {
		return s.brokerError(err)
	}
	if protocol.LooksLikeTLS(head) && s.out.received == int64(s.out.buffered()) {
		return closingf(ReasonBrokerTLS, "broker %s speaks TLS: set upstream.tls", s.brokerAddress)
	}
	length, err := protocol.FrameSize(head, protocol.MinResponseHeader, math.MaxInt32) // clients set no limit either
	if err != nil {
		return closing(ReasonMalformedResponse, err)
	}
	if head, err = s.out.peek(protocol.FrameLengthSize + protocol.MinResponseHeader); err != nil {
		return s.brokerError(err)
	}
	ex, err := s.match(int32(binary.BigEndian.Uint32(head[4:])))
	if err != nil {
		return err
	}
	a := &s.response
	*a = answer{size: protocol.FrameLengthSize + length}
	defer a.release()
	ours := ex.by == forUs
	if err := s.noteErrors(ex, a); err != nil {
		return err
	}
	switch {
	case ours:
		err = s.sideAnswer(ex, a)
	case ex.onAnswer != nil:
		err = ex.onAnswer(s, ex, a)
	default:
		err = s.relay(a)
	}
	if err != nil {
		return err
	}
	if !ours {
		s.noteUse(ex)
		s.srv.metrics.answered(ex.key, a.size)
		s.complete(ex, a.size, outcomeBroker)
	}
	s.answered++
	return nil
}

// match claims the exchange that an answer with this correlation id must belong to.
func (s *session) match(correlationID int32) (*exchange, error) {
	for {
		ex := s.inflight.claim()
		switch {
		case ex == nil:
			return nil, closingf(ReasonMalformedResponse, "broker %s sent an answer (correlation id %d) to no request", s.brokerAddress, correlationID)
		case ex.by == byUs: // its turn has come before the broker's
			if err := s.out.push(); err != nil {
				return nil, s.deliveryError(err)
			}
		case ex.correlationID != correlationID:
			return nil, closingf(ReasonMalformedResponse, "broker %s answered correlation id %d while %d (API key %d) is the oldest open request", s.brokerAddress, correlationID, ex.correlationID, ex.key)
		default:
			return ex, nil
		}
	}
}

// read reads the whole answer and returns the bytes after its response header.
// They are valid until the answer is sent on or replaced. With an error a.raw says whether the
// answer has come (its header is malformed, the stream is still in order) or not (nil).
func (s *session) read(ex *exchange, a *answer) ([]byte, error) {
	if a.raw == nil {
		raw, frame, err := s.out.look(a.size)
		if err != nil {
			return nil, s.brokerError(err)
		}
		a.raw, a.frame, a.taken = raw, frame, frame != nil
	}
	if a.head == 0 {
		n, err := protocol.ResponseHeaderSize(ex.key, ex.version, a.raw[4:])
		if err != nil {
			return nil, closing(ReasonMalformedResponse, err)
		}
		a.head = 4 + n
	}
	return a.raw[a.head:], nil
}

// relay sends the answer on as it is.
func (s *session) relay(a *answer) error {
	if a.taken {
		return s.deliveryError(s.out.write(a.raw, true))
	}
	return s.deliveryError(s.out.pass(a.size, true))
}

// replace sends the answer's own header with another body. read must have been called.
func (s *session) replace(a *answer, body []byte) error {
	frame := protocol.NewFrame(a.head + len(body))
	defer frame.Release()
	p := frame.Bytes()[:a.head+len(body)]
	copy(p, a.raw[:a.head])
	copy(p[a.head:], body)
	binary.BigEndian.PutUint32(p, uint32(len(p)-4))
	return s.substituteAnswer(a, p)
}

// substituteAnswer sends frame, length prefix included, in place of the answer.
func (s *session) substituteAnswer(a *answer, frame []byte) error {
	if err := s.discard(a); err != nil {
		return err
	}
	a.size = len(frame)
	return s.deliveryError(s.out.write(frame, true))
}

// discard takes the answer's bytes out of the window.
func (s *session) discard(a *answer) error {
	if a.taken {
		return nil
	}
	raw, frame, err := s.out.take(a.size)
	if err != nil {
		return s.brokerError(err)
	}
	a.raw, a.frame, a.taken = raw, frame, true
	return nil
}

func (a *answer) release() {
	if a.frame != nil {
		a.frame.Release()
		a.frame = nil
	}
}

// flushDown writes bytes to the client; the window of the response loop calls
// it. At a frame boundary the exchanges answered so far are done, and local
// answers behind them have their turn.
func (s *session) flushDown(p []byte, mid bool) error {
	s.down.mu.Lock()
	defer s.down.mu.Unlock()
	if err := s.down.writeLocked(p, mid); err != nil {
		return err
	}
	if len(p) > 0 {
		s.srv.metrics.addedResponse.Observe(sinceSeconds(s.out.readAt))
	}
	if mid {
		return nil
	}
	s.inflight.release(s.answered)
	s.answered = 0
	return s.writeReadyLocked()
}

// writeLocalAnswers writes the answers of our own that are at the head of the
// queue, unless the response loop is inside a frame or about to write: then it
// does so itself at the end of that frame.
func (s *session) writeLocalAnswers() error {
	s.down.mu.Lock()
	defer s.down.mu.Unlock()
	if s.down.mid {
		return nil
	}
	if err := s.writeReadyLocked(); err != nil {
		return closing(ReasonClientGone, err)
	}
	return nil
}

func (s *session) writeReadyLocked() error {
	for {
		frame := s.inflight.popReady()
		if frame == nil {
			return nil
		}
		if err := s.down.writeLocked(frame, false); err != nil {
			return err
		}
	}
}

// deliveryError gives an error of passing an answer on its reason: either side may have broken.
func (s *session) deliveryError(err error) error {
	if err == nil {
		return nil
	}
	s.down.mu.Lock()
	client := s.down.err
	s.down.mu.Unlock()
	if client != nil {
		return closing(ReasonClientGone, client)
	}
	return s.brokerError(err)
}

// brokerError gives an error of the broker's socket its reason.
func (s *session) brokerError(err error) error {
	s.mu.Lock()
	last, parted := s.last, s.parted
	s.mu.Unlock()
	switch {
	case errors.Is(err, errRest):
		return errRest
	case parted: // it ends since it was told to, or is waited for no longer
		return last
	case errors.Is(err, errStop), errors.Is(err, os.ErrDeadlineExceeded):
		var ce *CloseError
		if errors.As(last, &ce) && ce.Reason != ReasonShutdown {
			return last
		}
		return closingf(ReasonDrainDeadline, "%d requests still unanswered", s.inflight.depth())
	case errors.Is(err, io.EOF) && s.inflight.depth() == 0:
		return &CloseError{Reason: ReasonBrokerGone} // as brokers do with idle connections (connections.max.idle.ms)
	case errors.Is(err, io.EOF):
		return closingf(ReasonBrokerGone, "broker %s closed the connection with %d requests open", s.brokerAddress, s.inflight.depth())
	}
	return closing(ReasonBrokerGone, err)
}
