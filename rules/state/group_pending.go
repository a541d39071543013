package state

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"warder/rules"
)

// Offsets that are committed inside a transaction (TxnOffsetCommit) count when the
// transaction is committed, and never if it is not (OffsetMetadataManager in Apache
// Kafka keeps them apart likewise, by producer).

const (
	// longestTransaction stands in where a transaction's timeout was not heard:
	// the brokers' default of transaction.max.timeout.ms.
	longestTransaction = 15 * time.Minute
	// abortPatience is how long after its timeout a transaction is surely
	// aborted: the coordinator looks every ten seconds
	// (transaction.abort.timed.out.transaction.cleanup.interval.ms).
	abortPatience = 30 * time.Second
	// pendingPerPartition times as many offsets as the group has partitions may
	// be pending. More than one of a partition there are only while it changes
	// hands.
	pendingPerPartition = 2
)

// pendingOffsets are the offsets of the group in one transaction; one takes about 100
// bytes.
type pendingOffsets struct {
	transactionalID string
	since           time.Time // when the first was committed
	timeout         time.Duration
	offsets         map[*GroupPartition]pendingOffset
}

type pendingOffset struct {
	offset     int64
	generation int32
	client     *rules.Identity
	memberID   string
}

// until is when the transaction must have been aborted.
func (t *pendingOffsets) until() time.Time {
	return t.since.Add(cmp.Or(t.timeout, longestTransaction) + abortPatience)
}

// pend keeps an offset until its transaction ends, and says whether it is ahead of
// what was committed.
func (g *Group) pend(p *GroupPartition, offset int64, ev *rules.Committed) (rose bool) {
	t := g.pending[ev.TransactionalID]
	if t == nil {
		t = &pendingOffsets{ev.TransactionalID, ev.At, ev.TransactionTimeout, map[*GroupPartition]pendingOffset{}}
		if g.pending == nil {
			g.pending = map[string]*pendingOffsets{}
		}
		g.pending[ev.TransactionalID] = t
	}
	before, known := t.offsets[p]
	if !known {
		before.offset = p.Committed
		g.pendingCount++
	}
	t.offsets[p] = pendingOffset{offset, ev.Generation, ev.Client, ev.MemberID}
	for g.pendingCount > pendingPerPartition*len(g.partitions) {
		g.forgetPending(g.oldestPending())
	}
	return offset > before.offset
}

// offsetsSettled takes in that a transaction with offsets of the group has ended.
func (g *Group) offsetsSettled(ev *rules.OffsetsSettled) {
	t := g.pending[ev.TransactionalID]
	if t == nil {
		return
	}
	g.forgetPending(t)
	if !ev.Committed {
		return
	}
	list := make([]*GroupPartition, 0, len(t.offsets))
	for p := range t.offsets {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *GroupPartition) int { return compareTopicPartition(a.TopicPartition, b.TopicPartition) })
	for _, p := range list {
		o := t.offsets[p]
		g.commit(p, o.offset, &rules.Committed{
			At: ev.At, Client: o.client, TransactionalID: ev.TransactionalID,
			Membership: rules.Membership{Group: g.ID, MemberID: o.memberID, Generation: o.generation},
		})
	}
}

// expirePending drops what was left behind by transactions that nobody ended: their
// coordinator has aborted them.
func (g *Group) expirePending(now time.Time) {
	for _, t := range g.pending {
		if now.After(t.until()) {
			g.forgetPending(t)
		}
	}
}

// forgetAllPending is for when the end of a transaction may have been missed.
func (g *Group) forgetAllPending() { g.pending, g.pendingCount = nil, 0 }

func (g *Group) forgetPending(t *pendingOffsets) {
	delete(g.pending, t.transactionalID)
	g.pendingCount -= len(t.offsets)
}

func (g *Group) oldestPending() (oldest *pendingOffsets) {
	for _, t := range g.pending {
		if oldest == nil || cmp.Or(t.since.Compare(oldest.since), strings.Compare(t.transactionalID, oldest.transactionalID)) < 0 {
			oldest = t
		}
	}
	return oldest
}
