package proxy

import (
	"sync"
	"time"

	"warder/proxy/tap"
)

// answerer says who answers a request.
type answerer uint8

const (
	// byBroker: the request went upstream, its answer goes to the client.
	byBroker answerer = iota
	// byUs: warder answers; the bytes are ready and wait for their turn.
	byUs
	// forUs: warder's own request on the client's connection (see sideRequest); the client never sees the answer.
	forUs
)

// exchange is one request and its future answer. Exchanges are recycled by the
// inflight queue that owns them: after the answer is written no one may hold one.
type exchange struct {
	by            answerer
	key, version  int16
	correlationID int32
	requestBytes  int
	readAt        time.Time // when the request's last byte that we waited for was read

	answer []byte // byUs: the whole frame, length prefix included

	// onAnswer is called by the response loop with the answer; nil lets it pass unread.
	onAnswer func(s *session, ex *exchange, a *answer) error
	// state is what onAnswer needs of the request, in a form of its API file; forUs: the sideRequest.
	state any
	// written is what a Produce request writes, in memory that the next exchange reuses.
	written []writtenTo
	asked   askedOf // set where somebody counts it, see uses.go

	tap     *tap.Exchange // what the tap and the audit trail will show; nil while nobody looks
	audited int           // of how many exchanges this one stands in the audit trail; 0: it does not
}

// inflight is the FIFO of exchanges between the two loops of a session. Kafka
// answers strictly in request order per connection (SocketServer mutes the
// channel while a request runs), so a queue whose head is checked replaces a
// map of correlation ids, and a wrong assumption becomes a visible error.
//
// The queue has three marks: exchanges before `claimed` have been matched with
// an answer that is not yet written; they are popped by release once it is.
// Lock order: writer.mu, then inflight.mu.
type inflight struct {
	mu      sync.Mutex
	space   sync.Cond // signalled when an exchange is released or the queue closes
	ring    []*exchange
	head    int // index of the oldest exchange
	n       int // exchanges in the ring
	claimed int // of them, matched by the response loop
	max     int
	closed  bool
	drained bool // no further push: the session ends when the ring is empty
	free    []*exchange
}

const minRing = 4

// spareExchanges are those of all sessions beyond the few that each keeps for itself: a client
// that has many requests open would else have one made for each of them.
var spareExchanges = sync.Pool{New: func() any { return new(exchange) }}

func newInflight(limit int) *inflight {
	q := &inflight{max: limit}
	q.space.L = &q.mu
	return q
}

// get returns an empty exchange to be filled and pushed.
func (q *inflight) get() *exchange {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := len(q.free); n > 0 {
		ex := q.free[n-1]
		q.free = q.free[:n-1]
		return ex
	}
	ex, _ := spareExchanges.Get().(*exchange)
	return ex
}

// tryPush appends ex and reports whether there was room.
func (q *inflight) tryPush(ex *exchange) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pushLocked(ex)
}

// push appends ex, waiting for room; false means the session ended meanwhile.
// The caller must have flushed what it holds, or no answer would ever make room.
func (q *inflight) push(ex *exchange) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.pushLocked(ex) {
		if q.closed {
			return false
		}
		q.space.Wait()
	}
	return true
}

func (q *inflight) pushLocked(ex *exchange) bool {
	if q.closed || q.n >= q.max {
		return false
	}
	if q.n == len(q.ring) {
		q.grow()
	}
	q.ring[(q.head+q.n)%len(q.ring)] = ex
	q.n++
	return true
}

// tryPushOurs appends an exchange of our own, only while nothing else is open:
// its bytes cannot overtake those of an exchange pushed but not yet written, no
// long poll keeps it waiting, and writing it cannot block, since the broker has read all there was.
// The caller holds the broker writer's lock.
func (q *inflight) tryPushOurs(ex *exchange) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n == 0 && !q.drained && q.pushLocked(ex)
}

func (q *inflight) grow() {
	ring := make([]*exchange, max(minRing, 2*len(q.ring)))
	for i := range q.n {
		ring[i] = q.ring[(q.head+i)%len(q.ring)]
	}
	q.ring, q.head = ring, 0
}

// claim matches the next unclaimed exchange with a broker frame. A locally
// answered one in front is returned too, unclaimed: it must be written first.
// nil means that the broker spoke although nothing was asked.
func (q *inflight) claim() *exchange {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.claimed == q.n {
		return nil
	}
	ex := q.ring[(q.head+q.claimed)%len(q.ring)]
	if ex.by != byUs {
		q.claimed++
	}
	return ex
}

// release pops the n oldest exchanges, which were claimed and whose answers have been written.
func (q *inflight) release(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for range n {
		q.claimed--
		q.popLocked()
	}
}

// popReady pops the exchange at the head when it is ours to answer and nothing
// claimed is still unwritten; nil otherwise. The caller writes the answer while
// it holds the client writer's lock and then calls recycle.
func (q *inflight) popReady() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.claimed > 0 || q.n == 0 || q.ring[q.head].by != byUs {
		return nil
	}
	answer := q.ring[q.head].answer
	q.popLocked()
	return answer
}

func (q *inflight) popLocked() {
	ex := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	q.putLocked(ex)
	q.space.Signal()
}

// put takes back an exchange that was not pushed after all.
func (q *inflight) put(ex *exchange) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.putLocked(ex)
}

func (q *inflight) putLocked(ex *exchange) {
	*ex = exchange{written: ex.written[:0]}
	if len(q.free) < minRing {
		q.free = append(q.free, ex)
		return
	}
	spareExchanges.Put(ex)
}

// unanswered returns the number of open exchanges whose answers have not come yet.
// Those that have and are not written yet do not count: the client may have its
// answer, and send its next request, before release knows.
func (q *inflight) unanswered() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n - q.claimed
}

// depth returns the number of open exchanges.
func (q *inflight) depth() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.n
}

// drain announces that nothing more will be pushed and reports whether the queue is empty already.
func (q *inflight) drain() (empty bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.drained = true
	return q.n == 0
}

// finished reports whether the queue was drained and has run empty.
func (q *inflight) finished() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.drained && q.n == 0
}

// abort wakes a waiting push and refuses further ones.
func (q *inflight) abort() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.space.Broadcast()
}

// forget drops all exchanges: no answer will come.
func (q *inflight) forget() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.n > 0 {
		q.popLocked()
	}
	q.claimed = 0
}

// orphans returns our own requests that will get no answer. Both loops have ended.
func (q *inflight) orphans() []sideRequest {
	q.mu.Lock()
	defer q.mu.Unlock()
	var list []sideRequest
	for i := range q.n {
		if side, ok := q.ring[(q.head+i)%len(q.ring)].state.(sideRequest); ok {
			list = append(list, side)
		}
	}
	return list
}

// shown returns the exchanges in the queue that are shown to somebody.
func (q *inflight) shown() (list []*exchange) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.n {
		if ex := q.ring[(q.head+i)%len(q.ring)]; ex.tap != nil {
			list = append(list, ex)
		}
	}
	return list
}
