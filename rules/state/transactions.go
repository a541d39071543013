package state

import (
	"slices"
	"sync"
	"time"
)

// Bounds of Transactions. One takes about 250 bytes.
const (
	DefaultTransactions  = 65_536
	maxTransactionGroups = 16 // a transaction has the offsets of one
)

// Transactions knows of which groups the open transaction of a transactional id has
// offsets: its end names none. Beyond its limit it forgets the transactional id that
// was used least recently, and its groups do not learn of the end. It is safe for
// concurrent use.
type Transactions struct {
	mu   sync.Mutex // guards the following
	byID *LRU[string, openTransaction]
}

type openTransaction struct {
	timeout time.Duration // 0 when it was not heard
	groups  []string
}

// NewTransactions makes a store of at most limit transactional ids; 0 means
// DefaultTransactions.
func NewTransactions(limit int) *Transactions {
	if limit <= 0 {
		limit = DefaultTransactions
	}
	return &Transactions{byID: NewLRU[string, openTransaction](limit)}
}

// Began notes that a producer begins under a transactional id, which ends what was
// open, and gives the groups of that.
func (t *Transactions) Began(id string, timeout time.Duration) (groups []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, _ := t.byID.Peek(id)
	t.byID.Put(id, openTransaction{timeout: timeout})
	return before.groups
}

// Joined notes that the open transaction has offsets of a group, and gives its
// timeout, 0 when that was not heard.
func (t *Transactions) Joined(id, group string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, _ := t.byID.Get(id)
	if !slices.Contains(now.groups, group) && len(now.groups) < maxTransactionGroups {
		now.groups = append(now.groups, group)
		t.byID.Put(id, now)
	}
	return now.timeout
}

// Ended notes that the open transaction has ended, and gives its groups.
func (t *Transactions) Ended(id string) (groups []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, ok := t.byID.Get(id)
	if ok && len(now.groups) > 0 {
		t.byID.Replace(id, openTransaction{timeout: now.timeout})
	}
	return now.groups
}

// Len is the number of transactional ids known.
func (t *Transactions) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID.Len()
}

// Evicted counts the transactional ids that were forgotten for want of room.
func (t *Transactions) Evicted() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byID.Evicted()
}
