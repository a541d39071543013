package engine_test

import (
	"strings"
	"testing"

	"warder/protocol/records"
	"warder/rules"
	"warder/rules/builtin"
	"warder/rules/ruletest"
	"warder/rules/state"
)

func TestPinsAreChecked(t *testing.T) {
	b := newBench(t, builtin.Specs(), nil)
	for pins, want := range map[string]string{
		"[{topic: orders, partitioner: jva}]":          `warder.yaml:4:41: rules.partitioner-mix.pins[0].partitioner: "jva" is not a partitioner; write java, crc, fnv, fnvref, fnvu or kjslegacy`,
		"[{topic: orders, partitioner: custom}]":       `"custom" is not a partitioner`,
		"[{topic: \"{a\", partitioner: java}]":         `pins[0].topic: pattern "{a"`,
		"[{topic: orders}]":                            "needs both topic and partitioner",
		"[{partitioner: java}]":                        "needs both topic and partitioner",
		"[{topic: orders, partitioner: java, by: me}]": "unknown key `by`",
	} {
		err := b.configure(t, "rules:\n  partitioner-mix:\n    pins: "+pins+"\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", pins, err, want)
		}
	}
	if err := b.configure(t, "rules: {partitioner-mix: {action: block, pins: [{topic: \"orders.*\", partitioner: crc}]}}"); err != nil {
		t.Error(err)
	}
}

// While warder has not seen what the client saw, a pin denies nothing: the client
// may go by another number of partitions than anybody knows.
func TestPinDeniesNothingUnseen(t *testing.T) {
	b := newBench(t, builtin.Specs(), nil)
	if err := b.configure(t, "rules: {partitioner-mix: {action: block, pins: [{topic: events, partitioner: crc}]}}"); err != nil {
		t.Fatal(err)
	}
	build := records.NewBuilder(records.None)
	build.Add([]byte("order-12345"), []byte("v")) // on 1 by java, 7 by crc
	blob, err := build.AppendBatch(nil)
	if err != nil {
		t.Fatal(err)
	}
	g := b.Gate()
	denied := func() int {
		v := g.Produce(java, request(t, -1, ruletest.Part{Topic: "events", Partition: 1, Records: blob}), epoch)
		return len(v.Denied)
	}
	if n := denied(); n != 0 {
		t.Error("denied though the topic is not known")
	}
	b.topics.Learn("events", [16]byte{}, 12)
	b.Keys().SawPartitions(&rules.Identity{ClientID: "other"}, "events", [16]byte{}, 12, epoch)
	if n := denied(); n != 0 {
		t.Error("denied by what another client saw")
	}
	b.Keys().SawPartitions(java, "events", [16]byte{}, 12, epoch)
	if n := denied(); n != 1 {
		t.Error("not denied")
	}
	if state.CRC.Partition([]byte("order-12345"), 12) != 7 {
		t.Error("the example is wrong")
	}
}
