package builtin

import (
	"sync"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/ruletest"
)

func TestTransactionStallCases(t *testing.T) {
	ruletest.Run(t, Specs(), "testdata/transaction_stall")
}

// newStall has a rule with its defaults, a session's case and a batch of T.
func newStall(t testing.TB) (*transactionStall, *rules.Case, *rules.Batch) {
	t.Helper()
	rule, err := newTransactionStall(func(any) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	s := rule.(*transactionStall)
	b := ruletest.Batch("payments", &rules.Identity{ClientID: "ledger"}, epoch)
	b.TransactionalID, b.Header.Transactional = []byte("T"), true
	return s, &rules.Case{Scratch: s.NewScratch(), Shared: s.NewShared()}, b
}

// Only the first batch of a transaction is told; those behind it cost nothing.
func TestOnlyTheFirstBatchIsTold(t *testing.T) {
	s, c, b := newStall(t)
	s.Batch(c, b)
	if len(c.Observations) != 1 || c.Observations[0].Of != "T" {
		t.Fatalf("the first batch left %+v", c.Observations)
	}
	c.Reset()
	if n := testing.AllocsPerRun(100, func() { s.Batch(c, b) }); n != 0 || !c.Empty() {
		t.Errorf("%v allocations, left %+v", n, c)
	}
	w := &rules.Watch{Key: "T", By: rules.ByTransactionalID, Shared: c.Shared, Now: epoch.Add(time.Second)}
	s.Watch(w, rules.TransactionEnded{At: w.Now, Client: b.Identity, TransactionalID: "T", Committed: true})
	b.Time = epoch.Add(2 * time.Second)
	if s.Batch(c, b); len(c.Observations) != 1 {
		t.Errorf("the first batch of the next transaction left %+v", c)
	}
	plain := ruletest.Batch("payments", b.Identity, epoch)
	c.Reset()
	if s.Batch(c, plain); !c.Empty() {
		t.Errorf("a batch outside of transactions left %+v", c)
	}
}

// The next transaction may begin before news of the last one's end arrive.
func TestNextBeginsBeforeTheEndIsHeardOf(t *testing.T) {
	s, c, b := newStall(t)
	w := &rules.Watch{Key: "T", By: rules.ByTransactionalID, Shared: c.Shared, Now: epoch}
	s.Batch(c, b)
	o := c.Observations[0]
	o.At, o.Client = epoch, b.Identity
	s.Watch(w, o)
	b.Time = epoch.Add(3 * time.Second)
	s.Batch(c, b)
	s.Watch(w, rules.TransactionEnded{At: epoch.Add(2 * time.Second), Client: b.Identity, TransactionalID: "T", Committed: true})
	if got := w.State.(*stallState).since; !got.Equal(b.Time) {
		t.Errorf("open since %v", got)
	}
	w.Now = b.Time.Add(71 * time.Second)
	s.Tick(w)
	if reports, _ := w.Left(); len(reports) != 1 {
		t.Errorf("%d findings", len(reports))
	}
}

// A stall that readers are not seen in any more comes to an end as well.
func TestStallWithoutReadersEnds(t *testing.T) {
	s, c, b := newStall(t)
	w := &rules.Watch{Key: "T", By: rules.ByTransactionalID, Shared: c.Shared, Now: epoch}
	topic := &rules.Watch{Key: "payments", By: rules.ByTopic, Shared: c.Shared}
	s.Watch(w, rules.Observation{At: epoch, Client: b.Identity, Data: stallBegin{stalledPartition{"payments", 0}}})
	var told []rules.Report
	for second := range 2000 {
		w.Now = epoch.Add(time.Duration(second) * time.Second)
		if second < 200 {
			s.Watch(topic, rules.Fetched{At: w.Now, Client: b.Identity, Topic: "payments", Partitions: []rules.FetchedPartition{
				{LastStableOffset: 5, HighWatermark: int64(second + 10)},
			}})
		}
		s.Tick(w)
		reports, _ := w.Left()
		told = append(told, reports...)
	}
	if n := len(told); n == 0 || !told[n-1].Resolved || told[n-1].Severity != rules.Critical || c.Shared.Len() != 1 {
		t.Errorf("%d findings, the last %+v, %d entries", n, told[max(n-1, 0):], c.Shared.Len())
	}
}

// When events are lost the end may be among them.
func TestStallAfterAGap(t *testing.T) {
	s, c, b := newStall(t)
	w := &rules.Watch{Key: "T", By: rules.ByTransactionalID, Shared: c.Shared, Now: epoch}
	s.Watch(w, rules.Observation{At: epoch, Client: b.Identity, Data: stallBegin{stalledPartition{"payments", 0}}})
	s.Watch(w, rules.Gap{At: epoch, Lost: 1})
	w.Now = epoch.Add(time.Hour / 2)
	s.Tick(w)
	if reports, _ := w.Left(); len(reports) != 0 {
		t.Errorf("found %s", reports[0].Summary)
	}
	c.Reset()
	if s.Batch(c, b); len(c.Observations) != 1 {
		t.Error("the next batch does not open the transaction again")
	}
	w.Now = epoch.Add(2 * time.Hour)
	if s.Tick(w); w.State != nil {
		t.Error("an id that nobody uses is kept")
	}
}

func TestOpenTransactionsAreBounded(t *testing.T) {
	o := newOpenTransactions()
	first := o.of("first")
	for i := range openIDs {
		o.of(time.Duration(i).String())
	}
	if o.ids.Len() != openIDs || o.Evicted() != 1 {
		t.Errorf("%d ids, %d evicted", o.ids.Len(), o.Evicted())
	}
	if _, gone := first.write(epoch, 7); !gone {
		t.Error("who holds what was forgotten is not told")
	}
	for i := range int32(stalledPartitions + 10) {
		if o.follow(stalledPartition{"t", i}) != (i < stalledPartitions) {
			t.Fatalf("partition %d", i)
		}
	}
	if o.Len() != openIDs+stalledPartitions {
		t.Errorf("%d entries", o.Len())
	}
	for i := range int32(stalledPartitions) {
		o.leave(stalledPartition{"t", i})
	}
	if len(o.stalled) != 0 {
		t.Errorf("%d partitions are left", len(o.stalled))
	}
}

func BenchmarkTransactionStall(b *testing.B) {
	s, c, batch := newStall(b)
	s.Batch(c, batch)
	c.Reset()
	b.ReportAllocs()
	for b.Loop() {
		s.Batch(c, batch)
	}
}

// Sessions write while the watcher closes what they have opened.
func TestOpenTransactionsAreShared(t *testing.T) {
	s, c, b := newStall(t)
	var sessions sync.WaitGroup
	for range 4 {
		sessions.Go(func() {
			c := &rules.Case{Scratch: s.NewScratch(), Shared: c.Shared}
			own := *b
			for i := range 1000 {
				own.Time = epoch.Add(time.Duration(i))
				s.Batch(c, &own)
				c.Reset()
			}
		})
	}
	w := &rules.Watch{Key: "T", By: rules.ByTransactionalID, Shared: c.Shared}
	for i := range 1000 {
		w.Now = epoch.Add(time.Duration(i))
		s.Watch(w, rules.TransactionEnded{At: w.Now, Client: b.Identity, Committed: true})
		s.Tick(w)
	}
	sessions.Wait()
	if n := c.Shared.Len(); n != 1 {
		t.Errorf("%d ids", n)
	}
}
