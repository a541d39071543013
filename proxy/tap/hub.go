package tap

import (
	"errors"
	"sync"
	"sync/atomic"
)

// MaxSubscribers bounds how many may listen at once.
const MaxSubscribers = 32

// MaxQueue bounds the queue a subscriber may ask for, in exchanges.
const MaxQueue = 16384

// ErrTooMany is returned by Subscribe when [MaxSubscribers] listen already.
var ErrTooMany = errors.New("tap: too many subscribers")

// ErrClosed is returned by Subscribe after Close.
var ErrClosed = errors.New("tap: closed")

// Hub hands exchanges to those who listen. The zero value is ready, and a nil Hub has no listener.
type Hub struct {
	listening atomic.Int32 // len(subs), for Enabled

	mu     sync.RWMutex // guards the following; held for reading while publishing, so that no send meets a closed queue
	subs   map[*Subscription]struct{}
	closed bool
}

// Enabled reports whether anybody listens. It is one atomic load: ask it for every request.
func (h *Hub) Enabled() bool { return h != nil && h.listening.Load() > 0 }

// Publish hands x to every subscriber whose filter wants it. It never blocks: a full queue drops and counts.
// The caller must not write to x afterwards.
func (h *Hub) Publish(x *Exchange) {
	if !h.Enabled() {
		return
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for s := range h.subs {
		if !s.filter.Wants(x) {
			continue
		}
		select {
		case s.queue <- x:
		default:
			s.dropped.Add(1)
		}
	}
}

// Subscribe starts to listen with a queue of the given length (1 to [MaxQueue] exchanges, cut to that range).
// The subscriber must call Close when done.
func (h *Hub) Subscribe(f Filter, queue int) (*Subscription, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, ErrClosed
	case len(h.subs) >= MaxSubscribers:
		return nil, ErrTooMany
	}
	s := &Subscription{hub: h, filter: f, queue: make(chan *Exchange, min(max(queue, 1), MaxQueue))}
	if h.subs == nil {
		h.subs = make(map[*Subscription]struct{})
	}
	h.subs[s] = struct{}{}
	h.listening.Store(int32(len(h.subs)))
	return s, nil
}

// Close ends every subscription: their channels are closed once what is queued has been taken.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for s := range h.subs {
		h.drop(s)
	}
}

// drop is called with mu held for writing.
func (h *Hub) drop(s *Subscription) {
	if _, ok := h.subs[s]; !ok {
		return
	}
	delete(h.subs, s)
	h.listening.Store(int32(len(h.subs)))
	close(s.queue)
}

// Subscription is one listener's bounded queue.
type Subscription struct {
	hub     *Hub
	filter  Filter
	queue   chan *Exchange
	dropped atomic.Uint64
}

// C yields the exchanges, which must not be changed. It is closed by Close, and when the hub closes.
func (s *Subscription) C() <-chan *Exchange { return s.queue }

// Dropped counts the exchanges this subscriber was too slow for, since it subscribed.
func (s *Subscription) Dropped() uint64 { return s.dropped.Load() }

// Close stops listening. Calling it again does nothing.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.drop(s)
}
