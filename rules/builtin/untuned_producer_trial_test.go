package builtin

import (
	"bytes"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/ruletest"
)

// newUntuned has a rule with its defaults and the case of one session.
func newUntuned(t testing.TB) (*untunedProducer, *rules.Case) {
	t.Helper()
	rule, err := newUntunedProducer(func(any) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	u := rule.(*untunedProducer)
	return u, &rules.Case{Scratch: u.NewScratch(), Shared: u.NewShared()}
}

func payloadBatch(at time.Time, payload []byte) *rules.Batch {
	b := ruletest.Batch("orders", &rules.Identity{ClientID: "shop"}, at)
	b.Payload, b.Header.Size, b.Header.NumRecords = payload, len(payload)+61, 10
	return b
}

// samples counts the batches that were copied, and looks at the last.
func samples(c *rules.Case) (n int, last compressionSample) {
	for _, o := range c.Observations {
		if s, ok := o.Data.(compressionSample); ok {
			n++
			last = s
		}
	}
	return n, last
}

// One batch in a thousand is copied, at most 64 KiB of it, and what it was copied from
// may change.
func TestOneBatchInAThousandIsCopied(t *testing.T) {
	u, c := newUntuned(t)
	payload := bytes.Repeat([]byte("abcdefgh"), 10_000)
	for i := range 3*trialEvery + trialFirst - 1 {
		u.Batch(c, payloadBatch(epoch.Add(time.Duration(i)*time.Millisecond), payload))
	}
	clear(payload)
	if n, last := samples(c); n != 3 || len(last) != trialMost || last[0] != 'a' {
		t.Errorf("%d copies, the last of %d bytes", n, len(last))
	}
}

// What is compressed, small, or in a message set is not tried.
func TestNotEveryBatchIsTried(t *testing.T) {
	for name, change := range map[string]func(*rules.Batch){
		"compressed":  func(b *rules.Batch) { b.Header.Codec = 3 },
		"small":       func(b *rules.Batch) { b.Payload = b.Payload[:trialLeast-1] },
		"message set": func(b *rules.Batch) { b.Payload = nil },
	} {
		u, c := newUntuned(t)
		for range 2 * trialEvery {
			b := payloadBatch(epoch, make([]byte, 2000))
			change(b)
			u.Batch(c, b)
		}
		if n, _ := samples(c); n != 0 {
			t.Errorf("%s: %d copies", name, n)
		}
	}
}

// A thousand sessions that begin in the same second have four batches tried.
func TestSessionsShareTheTrials(t *testing.T) {
	u, c := newUntuned(t)
	payload := make([]byte, 2000)
	for range 1000 {
		c.Scratch = u.NewScratch()
		for range trialFirst {
			u.Batch(c, payloadBatch(epoch, payload))
		}
	}
	if n, _ := samples(c); n != trialsPerSecond {
		t.Errorf("%d batches were copied within a second", n)
	}
	budget := c.Shared.(*trialBudget)
	if budget.take(epoch.Unix()-1) || !budget.take(epoch.Unix()+1) {
		t.Error("the second before is over, and the next one has not begun")
	}
}

// A session that goes on as before allocates nothing between two of its tellings.
func TestCountingBatchesAllocatesNothing(t *testing.T) {
	u, c := newUntuned(t)
	b := payloadBatch(epoch, make([]byte, 500))
	count := func() {
		u.Request(c, &b.Request)
		u.Batch(c, b)
	}
	count()
	if n := testing.AllocsPerRun(1000, count); n != 0 || !c.Empty() {
		t.Errorf("%v allocations, left %+v", n, c)
	}
}

// Requests are counted by their batches: of one and of several records, and of several
// batches.
func TestSingleRecordsAreCounted(t *testing.T) {
	u, c := newUntuned(t)
	for _, request := range [][]int32{{1}, {1, 1}, {2}, {1}, {3, 1}} {
		b := payloadBatch(epoch, nil)
		u.Request(c, &b.Request)
		for _, n := range request {
			b.Header.NumRecords = n
			u.Batch(c, b)
		}
	}
	if s := c.Scratch.(*producerSession).sent; s.requests != 5 || s.single != 2 || s.batches != 7 || s.records != 10 {
		t.Errorf("%+v", s)
	}
}

// Only the latest trials count.
func TestOldTrialsAreForgotten(t *testing.T) {
	var trials producerTrials
	for range 3 {
		trials.try(make(compressionSample, 2000))
	}
	if sum, n := trials.sum(); n != 3 || sum.Bytes != 6000 || percent(saved(sum, sum.LZ4)) < 90 {
		t.Errorf("%d trials: %+v", n, sum)
	}
	for range 2 * trialsKept {
		trials.try(make(compressionSample, 1000))
	}
	if sum, n := trials.sum(); n != trialsKept || sum.Bytes != trialsKept*1000 {
		t.Errorf("%d trials: %+v", n, sum)
	}
	if sum, n := (*producerTrials)(nil).sum(); n != 0 || saved(sum, 0) != 0 {
		t.Error("no trial is something")
	}
}
