package builtin

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"warder/rules"
)

var epoch = time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)

// watched plays events to one key of the rule's Watcher, as a shard does.
type watched struct {
	rule  *tombstone
	state any
	said  []string
}

func (w *watched) call(now time.Duration, f func(*rules.Watch)) {
	watch := &rules.Watch{Key: "orders-1", By: rules.ByTransactionalID, Now: epoch.Add(now), State: w.state}
	f(watch)
	w.state = watch.State
	reports, _ := watch.Left()
	for _, r := range reports {
		w.said = append(w.said, fmt.Sprint(r.Evidence.Get("offset_in_batch"), " ", r.Evidence.Get("transaction")))
	}
}

func (w *watched) see(ev rules.Event) {
	w.call(ev.When().Sub(epoch), func(watch *rules.Watch) { w.rule.Watch(watch, ev) })
}

// batch is a batch with a tombstone; number tells it from others.
func batch(number int, at time.Duration, id int64, epochOf int16) rules.Event {
	return rules.Observation{
		At: epoch.Add(at), Client: &rules.Identity{ClientID: "shop"}, By: rules.ByTransactionalID, Of: "orders-1",
		Data: tombstones{
			client: "shop", topic: rules.Topic{Name: "users", Cleanup: rules.CleanupCompact}, first: number,
			count: 1, keys: []string{"k"}, epoch: producerEpoch{id, epochOf},
		},
	}
}

func end(at time.Duration, id int64, epochOf int16, commit bool) rules.Event {
	return rules.TransactionEnded{
		At: epoch.Add(at), TransactionalID: "orders-1", ProducerID: id, ProducerEpoch: epochOf, Committed: commit,
	}
}

func TestTransactionsInOrder(t *testing.T) {
	w := &watched{rule: &tombstone{}}
	for _, ev := range []rules.Event{
		batch(1, 1, 7, 0), batch(2, 2, 7, 0), end(3, 7, 0, true),
		batch(3, 4, 7, 0), end(5, 7, 0, false),
		batch(4, 6, 7, 0), end(7, 7, 0, true),
	} {
		w.see(ev)
	}
	if got := strings.Join(w.said, ", "); got != "1 committed, 2 committed, 4 committed" {
		t.Error(got)
	}
}

// With KIP-890 each transaction has its own epoch: in whatever order the events
// arrive, what was committed is told and nothing else.
func TestTransactionsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []rules.Event
		var want []string
		n := rapid.IntRange(1, 4).Draw(t, "transactions")
		for i := range n {
			at, commit := time.Duration(i*10), rapid.Bool().Draw(t, "commit")
			for k := range rapid.IntRange(0, 3).Draw(t, "batches") {
				number := i*10 + k
				events = append(events, batch(number, at+time.Duration(k), 7, int16(i)))
				if commit {
					want = append(want, fmt.Sprint(number, " committed"))
				}
			}
			events = append(events, end(at+5, 7, int16(i), commit))
		}
		w := &watched{rule: &tombstone{}}
		for _, i := range rapid.Permutation(indexes(len(events))).Draw(t, "order") {
			w.see(events[i])
		}
		slices.Sort(w.said)
		slices.Sort(want)
		if !slices.Equal(w.said, want) {
			t.Fatalf("said %v, want %v", w.said, want)
		}
	})
}

func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func TestFencedProducerLeavesNothingBehind(t *testing.T) {
	for name, newer := range map[string]rules.Event{
		"next epoch":       end(2, 7, 1, false),
		"another producer": end(2, 9, 0, false),
	} {
		w := &watched{rule: &tombstone{}}
		w.see(batch(1, 1, 7, 0))
		w.see(newer)
		w.call(endFor, w.rule.Tick)
		if w.state == nil {
			t.Errorf("%s: dropped before its own end could arrive", name)
		}
		w.call(endFor+3, w.rule.Tick)
		if w.state != nil || len(w.said) != 0 {
			t.Errorf("%s: state %v, said %v", name, w.state, w.said)
		}
	}
}

func TestCommitOfAnotherEpochDecidesNothing(t *testing.T) {
	w := &watched{rule: &tombstone{}}
	w.see(batch(1, 1, 7, 3))
	w.see(end(2, 7, 2, true))
	if len(w.said) != 0 {
		t.Error(w.said)
	}
	w.see(end(3, 7, 3, true))
	if len(w.said) != 1 {
		t.Error(w.said)
	}
}

func TestTransactionThatNeverEnds(t *testing.T) {
	tick := func(w *watched, now time.Duration) { w.call(now, w.rule.Tick) }
	w := &watched{rule: &tombstone{}}
	w.see(batch(1, 0, 7, 0))
	tick(w, heldFor-1)
	if w.state == nil {
		t.Fatal("given up too early")
	}
	tick(w, heldFor)
	if w.state != nil || len(w.said) != 0 {
		t.Errorf("state %v, said %v", w.state, w.said)
	}
	// The same when events were lost: the commit may have been among them.
	w.see(batch(2, 0, 7, 0))
	w.see(rules.Gap{At: epoch, Lost: 5})
	tick(w, heldFor)
	if got := strings.Join(w.said, ", "); w.state != nil || got != "2 outcome not seen" {
		t.Errorf("state %v, said %v", w.state, got)
	}
	w.see(rules.Gap{At: epoch, Lost: 5})
	if w.state != nil {
		t.Error("a gap makes state")
	}
}

func TestEndsAreForgotten(t *testing.T) {
	w := &watched{rule: &tombstone{}}
	for i := range 100 {
		w.see(end(time.Duration(i), 7, 0, true))
	}
	if s := w.state.(*txnTombstones); len(s.ends) > knownEnds {
		t.Errorf("%d ends kept", len(s.ends))
	}
	w.call(time.Minute, w.rule.Tick)
	if w.state != nil {
		t.Error("state is kept for nothing")
	}
}

func TestHeldBatchesAreBounded(t *testing.T) {
	w := &watched{rule: &tombstone{}}
	for i := range 1000 {
		w.see(batch(i, 0, 7, 0))
	}
	s := w.state.(*txnTombstones)
	total := 0
	for _, h := range s.held {
		total += h.count
	}
	if len(s.held) != heldBatches || total != 1000 {
		t.Errorf("%d held, %d counted", len(s.held), total)
	}
}

// What has no room of its own is counted with batches to the same topic, never with
// those to another.
func TestCrowdedTransactionsKeepTopicsApart(t *testing.T) {
	w := &watched{rule: &tombstone{}}
	to := func(topic string, partition int32, at time.Duration) {
		o := batch(1, at, 7, 0).(rules.Observation)
		seen := o.Data.(tombstones)
		seen.topic.Name, seen.partition = topic, partition
		o.Data = seen
		w.see(o)
	}
	for i := range heldBatches {
		to("users", 3, time.Duration(i))
	}
	for i := range 100 {
		to("orders", int32(i%2), heldBatches+time.Duration(i))
	}
	counts, batches := map[string]int{}, 0
	for _, h := range w.state.(*txnTombstones).held {
		counts[h.subject.Topic] += h.count
		batches += h.batches
		if mixed := h.subject.Topic == "orders" && h.batches > 1; mixed != (h.subject.Partition == nil) {
			t.Errorf("partition %v of %d batches to %s", h.subject.Partition, h.batches, h.subject.Topic)
		}
	}
	if counts["users"] != heldBatches || counts["orders"] != 100 || batches != heldBatches+100 {
		t.Errorf("counted %v in %d batches", counts, batches)
	}
	w.see(end(heldBatches+50, 7, 0, true)) // before the last of them
	w.see(end(heldBatches+200, 7, 0, true))
	if len(w.said) != heldBatches || len(w.state.(*txnTombstones).held) > 0 {
		t.Errorf("%d told", len(w.said))
	}
}

func TestTransactionOfTooManyTopicsIsBounded(t *testing.T) {
	w := &watched{rule: &tombstone{}}
	for i := range 2 * heldBatches {
		o := batch(i, 1, 7, 0).(rules.Observation)
		seen := o.Data.(tombstones)
		seen.topic.Name = fmt.Sprint("topic-", i)
		o.Data = seen
		w.see(o)
	}
	if s := w.state.(*txnTombstones); len(s.held) != heldBatches || s.held[0].count != 1 {
		t.Errorf("%d held, the first of %d", len(s.held), s.held[0].count)
	}
}

// avroSource is the beginning of Debezium's source in Avro.
const avroSource = "\x16" + "2.7.3.Final" + "\x0a" + "mysql" + "\x08" + "shop" + "\xc2\xf8\xd1\xb0\xf1\x65" + "\x00\x0a" + "false" + "\x08" + "shop" + "\x00\x02\x0a" + "users"

func TestDebeziumDelete(t *testing.T) {
	for value, want := range map[string]bool{
		`{"before":{"id":1},"after":null,"op":"d"}`:                 true,
		`{"op" :"d", "after"` + "\n:\tnull}":                        true,
		`{"schema":{},"payload":{"after":null,"op":"d"}}`:           true,
		`{"after":{"id":1},"op":"d"}`:                               false,
		`{"after":null,"op":"u"}`:                                   false,
		`{"note":"\"op\":\"d\" and \"after\":null"}`:                false,
		`["op":"d","after":null]`:                                   false,
		`{"op":"d","after":null`:                                    false,
		`{"op":"x","deep":{"op":"d"},"after":{"after":null},"z":1}`: true, // a nested one will do
		`{"id":1,"__deleted":"true"}`:                               true, // flattened
		`{"id":1,"__deleted":"false"}`:                              false,
		``:                                                          false, `{}`: false,
		// Avro: schema id, before, after, source with version, connector, name and more, op, ts_ms, transaction
		"\x00\x00\x00\x00\x07\x02\x02\x06Ada\x00" + avroSource + "\x02d\x02\xc2\xf8\xd1\xb0\xf1\x65\x00":                 true,
		"\x00\x00\x00\x00\x07\x02\x02\x06Ada\x00" + avroSource + "\x00\x02d\x02\xc2\xf8\xd1\xb0\xf1\x65":                 true, // transaction before op, since 2.6
		"\x00\x00\x00\x00\x00\x00\x00\x00\x07\x02\x02\x06Ada\x00" + avroSource + "\x02d\x02\xc2\xf8\xd1\xb0\xf1\x65\x00": true, // an id of 8 bytes
		"\x00\x00\x00\x00\x07\x02\x02\x06Ada\x02\x02\x06Bea" + avroSource + "\x02u\x02\xc2\xf8\xd1\xb0\xf1\x65\x00":      false,
		"\x00\x00\x00\x00\x07\x00\x02\x02\x00" + avroSource + "\x02c\x02\xc2\xf8\xd1\xb0\xf1\x65\x00":                    false, // the last column is null
		"\x00\x00\x00\x00\x07\x00\x02\x02\x06Ada\x02d\x02\xc2\xf8\xd1\xb0\xf1\x65\x00":                                   false, // of another make
		"\x00\x00\x00\x00\x07\x02\x02\x06Ada\x00\x0eversion\x0cmysql\x00\x02d\x02\xc2\xf8\xd1\xb0\xf1\x65\x00":           false,
		"\x00\x00\x00\x00\x07\x02\x02\x06Ada\x00\x16" + "2.7.3.Final" + "\x0amy(ql\x02d\x02\xc2\xf8\xd1\xb0\xf1\x65\x00": false,
		"\x00\x00\x00\x00\x07\x02\x02\x06Ada\x00\x16" + "2.7.3.Fi" + "\x02d\x02\xc2\xf8\xd1\xb0\xf1\x65\x00":             false, // cut off
		"\x00\x00\x00\x00\x07\x02\x02\x06Ada\x00\x80\x80\x80\x80\x80\x02d\x02":                                           false,
	} {
		if got := debeziumDelete([]byte(value)); got != want {
			t.Errorf("%s: %v", value, got)
		}
	}
}
