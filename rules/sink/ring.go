package sink

import (
	"context"
	"slices"
	"sync"
	"time"

	"warder/rules"
)

// DefaultRing is the usual limit of a Ring; one finding takes about 2 KiB.
const DefaultRing = 10_000

// subscriberQueue is how many findings a subscriber may lag behind.
const subscriberQueue = 256

// Ring keeps the last incidents in memory: a finding that is sent again, with
// its count raised, replaces what was kept under its id. It is safe for
// concurrent use and never blocks a writer.
type Ring struct {
	limit int

	mu      sync.Mutex // guards the following
	slots   []rules.Finding
	next    int            // slot that is written next, once the ring is full
	byID    map[string]int // slot of an id
	waiting map[*Subscription]struct{}
}

// NewRing makes a ring of at most limit findings; 0 means DefaultRing.
func NewRing(limit int) *Ring {
	if limit <= 0 {
		limit = DefaultRing
	}
	return &Ring{limit: limit, byID: map[string]int{}, waiting: map[*Subscription]struct{}{}}
}

// Put stores a finding and offers it to the subscribers.
func (r *Ring) Put(f *rules.Finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.store(f)
	for s := range r.waiting {
		select {
		case s.findings <- *f:
		default:
			s.lost++
		}
	}
}

func (r *Ring) store(f *rules.Finding) {
	if i, ok := r.byID[f.ID]; ok {
		r.slots[i] = *f
		return
	}
	if len(r.slots) < r.limit {
		r.byID[f.ID] = len(r.slots)
		r.slots = append(r.slots, *f)
		return
	}
	delete(r.byID, r.slots[r.next].ID)
	r.byID[f.ID] = r.next
	r.slots[r.next] = *f
	r.next = (r.next + 1) % r.limit
}

// Query selects findings; a field left empty selects all.
type Query struct {
	Rule     string
	Severity rules.Severity // at least
	Topic    string
	Group    string
	ClientID string
	Since    time.Time // findings last seen at this time or later
	Limit    int       // at most; 0 means all
}

// Match says whether the query selects f.
func (q *Query) Match(f *rules.Finding) bool {
	return (q.Rule == "" || q.Rule == f.Rule) &&
		f.Severity >= q.Severity &&
		(q.Topic == "" || q.Topic == f.Subject.Topic) &&
		(q.Group == "" || q.Group == f.Subject.Group) &&
		(q.ClientID == "" || q.ClientID == f.Subject.ClientID) &&
		!f.LastTime.Before(q.Since)
}

// Query gives what q selects, last seen first.
func (r *Ring) Query(q Query) []rules.Finding {
	r.mu.Lock()
	out := make([]rules.Finding, 0, 16)
	for i := range r.slots {
		if q.Match(&r.slots[i]) {
			out = append(out, r.slots[i])
		}
	}
	r.mu.Unlock()
	slices.SortStableFunc(out, func(a, b rules.Finding) int { return b.LastTime.Compare(a.LastTime) })
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
	}
	return out
}

// Get gives one finding by id.
func (r *Ring) Get(id string) (rules.Finding, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, ok := r.byID[id]
	if !ok {
		return rules.Finding{}, false
	}
	return r.slots[i], true
}

// Len is the number of findings kept.
func (r *Ring) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.slots)
}

// Subscription is a stream of findings from now on.
type Subscription struct {
	ring     *Ring
	findings chan rules.Finding
	lost     int // guarded by ring.mu
}

// Subscribe begins a stream. It ends, and its channel is closed, when ctx is
// done. A subscriber that lags more than 256 findings behind loses some.
func (r *Ring) Subscribe(ctx context.Context) *Subscription {
	s := &Subscription{ring: r, findings: make(chan rules.Finding, subscriberQueue)}
	r.mu.Lock()
	r.waiting[s] = struct{}{}
	r.mu.Unlock()
	context.AfterFunc(ctx, s.end)
	return s
}

// Findings is the stream.
func (s *Subscription) Findings() <-chan rules.Finding { return s.findings }

// Lost counts the findings this subscriber was too slow for.
func (s *Subscription) Lost() int {
	s.ring.mu.Lock()
	defer s.ring.mu.Unlock()
	return s.lost
}

func (s *Subscription) end() {
	s.ring.mu.Lock()
	defer s.ring.mu.Unlock()
	delete(s.ring.waiting, s)
	close(s.findings)
}
