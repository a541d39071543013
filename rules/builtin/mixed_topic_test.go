package builtin

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// However many clients come and go on a topic, what is kept of them is bounded,
// and a quiet topic costs nothing.
func TestMixedTopicIsBounded(t *testing.T) {
	made, err := newPartitionerMix(func(any) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	m := made.(*partitionerMix)
	w := &rules.Watch{Key: "orders", By: rules.ByTopic}
	names := state.Partitioners()
	reports := 0
	for i := range 10_000 {
		w.Now = epoch.Add(time.Duration(i) * time.Second)
		m.Watch(w, rules.PartitionerFound{
			At: w.Now, Topic: "orders", Partitions: 12, Partitioner: names[i%len(names)].String(), Keys: 20, Matches: 20,
			Client: &rules.Identity{ClientID: fmt.Sprint("client-", i), Remote: netip.MustParseAddrPort("10.0.0.1:1")},
		})
		left, _ := w.Left()
		reports += len(left)
	}
	s := w.State.(*mixedTopic)
	if len(s.writers) > maxMixWriters || len(s.told) > maxMixTold || reports > maxMixTold {
		t.Errorf("%d writers, %d told, %d reports", len(s.writers), len(s.told), reports)
	}
	w.Now = w.Now.Add(2 * time.Hour)
	m.Tick(w)
	left, _ := w.Left()
	if w.State != nil || len(left) != 1 || !left[0].Resolved || left[0].Severity != rules.Critical {
		t.Errorf("state %v, reports %+v", w.State, left)
	}
}
