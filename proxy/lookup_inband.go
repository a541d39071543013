package proxy

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/protocol/messages"
)

const (
	// maxSideRequests bounds the questions that wait for their turn on one connection.
	maxSideRequests = 8
	// sideClientID is the client id of questions in band: who reads the broker's request log sees who asked.
	sideClientID = "warder"
	// firstSideCorrelation begins the correlation ids of our own requests. Any value would do, since
	// answers come in order; negative ones are not used by clients, which helps who reads a capture.
	firstSideCorrelation int32 = -0x57415244
)

// sideRequests is the carrier that uses the client's own, authenticated
// connection: the question rides as an exchange of ours whose answer the client
// never sees. One at a time, and only while nothing else is open on the
// connection: the broker answers in order, so a question behind a long poll
// would wait with it, and one in front of it would delay it.
type sideRequests struct {
	sess    *session     // set at construction
	waiting atomic.Int32 // len(queue), read without mu

	mu     sync.Mutex
	queue  []sideRequest // guarded by mu
	active bool          // guarded by mu
	closed bool          // guarded by mu
	next   int32         // guarded by mu
}

type sideRequest struct {
	req           kmsg.Request
	done          func(kmsg.Response, error)
	correlationID int32
}

var errSideClosed = errors.New("the client's connection ended before the answer")

func (q *sideRequests) carrier() string { return "in_band" }

// Ask implements Lookup.
func (q *sideRequests) Ask(req kmsg.Request, done func(kmsg.Response, error)) bool {
	q.mu.Lock()
	if q.closed || len(q.queue) >= maxSideRequests || !q.sess.auth.serving() {
		q.mu.Unlock()
		return false
	}
	q.queue = append(q.queue, sideRequest{req, done, firstSideCorrelation + q.next})
	q.next++
	q.waiting.Store(int32(len(q.queue)))
	q.mu.Unlock()
	q.retry()
	return true
}

// retry sends the next question if its time has come. Either loop calls it when
// the connection may have become free; neither ever waits for the other here.
func (q *sideRequests) retry() {
	s := q.sess
	if q.waiting.Load() == 0 || !s.up.mu.TryLock() { // who holds the lock tries again after its write
		return
	}
	defer s.up.mu.Unlock()
	if s.up.mid || s.up.err != nil || !s.auth.serving() {
		return
	}
	side, ok := q.pop()
	if !ok {
		return
	}
	s.srv.versions.apply(side.req)
	ex := s.inflight.get()
	ex.by, ex.key, ex.version, ex.correlationID = forUs, side.req.Key(), side.req.GetVersion(), side.correlationID
	ex.readAt, ex.state = s.srv.now(), side
	if !s.inflight.tryPushOurs(ex) {
		q.unpop(side)
		return
	}
	frame := binary.BigEndian.AppendUint32(nil, 0)
	frame = protocol.AppendRequestHeader(frame, ex.key, ex.version, ex.correlationID, sideClientID)
	frame = side.req.AppendTo(frame)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	s.up.writeLocked(frame, false) //nolint:errcheck // the error is sticky; the request loop meets it
}

// pop takes the next question off the queue, unless one is under way.
func (q *sideRequests) pop() (sideRequest, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.active || len(q.queue) == 0 {
		return sideRequest{}, false
	}
	side := q.queue[0]
	q.active = true
	q.queue = q.queue[1:]
	q.waiting.Store(int32(len(q.queue)))
	return side, true
}

func (q *sideRequests) unpop(side sideRequest) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.active = false
	q.queue = append([]sideRequest{side}, q.queue...)
	q.waiting.Store(int32(len(q.queue)))
}

// sideAnswer takes the answer to a question of ours out of the stream. One that makes no sense
// is no answer; the client did not ask for it and keeps its connection.
func (s *session) sideAnswer(ex *exchange, a *answer) error {
	body, err := s.read(ex, a)
	if a.raw == nil {
		return err
	}
	side, _ := ex.state.(sideRequest)
	ex.state = nil
	var resp kmsg.Response
	if err == nil {
		resp, err = messages.DecodeResponse(ex.key, ex.version, body, s.srv.decodeLimits())
	}
	side.done(resp, err)
	s.side.mu.Lock()
	s.side.active = false
	s.side.mu.Unlock()
	return s.discard(a)
}

// close tells every open question that no answer will come; asked are those already sent.
func (q *sideRequests) close(asked []sideRequest) {
	q.mu.Lock()
	queue := append(asked, q.queue...)
	q.queue, q.closed = nil, true
	q.waiting.Store(0)
	q.mu.Unlock()
	for _, side := range queue {
		side.done(nil, errSideClosed)
	}
}
