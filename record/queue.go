package record

import (
	"sync"
	"time"

	"warder/protocol"
)

// maxQueued bounds what waits between the sessions and the recorder, in bytes. At
// 200 MB/s it is the traffic of 80 ms; what does not fit is dropped, never waited for.
const maxQueued = 16 << 20

// itemCost is what an item takes besides its data, entryCost an entry with what it
// points to; smallest is what a pooled buffer of data takes at least.
const (
	itemCost  = 128
	entryCost = 512
	smallest  = 4 << 10
)

// item is something that happened, on its way to the recorder.
type item struct {
	at    time.Time
	kind  Kind
	tap   *Tap
	data  []byte          // Request, Answer
	frame *protocol.Frame // that data is in, to be released; may be nil
	flag  bool            // Request: it begins a frame; Closed: ByBroker
	entry *Entry          // Opened, Identified, Learned, Found
}

func (it *item) cost() int {
	switch {
	case it.frame != nil:
		return itemCost + max(len(it.data), smallest)
	case it.entry != nil:
		return itemCost + entryCost
	}
	return itemCost + len(it.data)
}

// queue is where sessions leave what happened. Nobody waits in it for longer than it
// takes to append an item.
type queue struct {
	wake chan struct{} // capacity 1

	mu     sync.Mutex
	items  []item    // guarded by mu
	cost   int       // guarded by mu: of items
	last   time.Time // guarded by mu: of the newest item; they are in order
	closed bool      // guarded by mu
}

// copyOf gives p in memory of its own.
func copyOf(p []byte) ([]byte, *protocol.Frame) {
	if len(p) < smallest {
		return append([]byte(nil), p...), nil
	}
	frame := protocol.NewFrame(len(p))
	data := frame.Bytes()[:len(p)]
	copy(data, p)
	return data, frame
}

func (it *item) release() {
	if it.frame != nil {
		it.frame.Release()
		it.frame = nil
	}
}

// putLocked appends it whatever the room is, and returns whether the recorder is to be
// woken. mu is held.
func (q *queue) putLocked(it item) {
	if it.at.Before(q.last) {
		it.at = q.last
	}
	q.last = it.at
	if len(q.items) == 0 {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	q.items = append(q.items, it)
	q.cost += it.cost()
}

// roomLocked says whether an item of that cost fits. mu is held.
func (q *queue) roomLocked(cost int) bool { return !q.closed && q.cost+cost <= maxQueued }

// put appends an item if it fits.
func (q *queue) put(it item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.roomLocked(it.cost()) {
		return false
	}
	q.putLocked(it)
	return true
}

// take hands over all items; spare is memory that the next ones may use.
func (q *queue) take(spare []item) []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items, q.cost = spare[:0], 0
	return items
}

// close refuses further items.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}
