package builtin

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warder/rules"
)

// A rule whose memory can tell says so, and one that says so can.
func TestWhatRulesTellIsDeclared(t *testing.T) {
	for _, spec := range Specs() {
		rule, err := spec.New(func(any) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		tells := false
		if s, ok := rule.(rules.Sharer); ok {
			_, tells = s.NewShared().(rules.TopicTeller)
		}
		if tells != (len(spec.Tells.Names()) > 0) {
			t.Errorf("%s: Tells is %v, its memory can tell: %v", spec.ID, spec.Tells.Names(), tells)
		}
	}
}

// tellOf asks a memory for what it knows of a topic.
func tellOf(s rules.Store, topic string, now time.Time) (told rules.TopicTold) {
	s.(rules.TopicTeller).TellTopic(topic, now, &told)
	return told
}

func TestTombstonesAreTold(t *testing.T) {
	k, m := knobsOf(t), newSpikeMemory()
	if told := tellOf(m, "users", epoch); told.Tombstones != nil {
		t.Errorf("%+v", told)
	}
	at := epoch.Truncate(time.Minute)
	for range 20 {
		m.note(k, "users", at, 98)
		m.count(k, at, damageOf("users", 2))
		at = at.Add(time.Minute)
	}
	at = at.Add(-time.Minute)
	want := &rules.TombstonesTold{PerMinute: 2, Share: 0.02, WindowMs: 60_000, UsualPerMinute: new(2.0)}
	approximately := cmp.Comparer(func(a, b float64) bool { return a-b < 0.3 && b-a < 0.3 })
	told := tellOf(m, "users", at).Tombstones
	if diff := cmp.Diff(want, told, approximately); diff != "" || told.PerMinute != 2 || told.Share != 0.02 {
		t.Errorf("%+v: %s", told, diff)
	}
	if told := tellOf(m, "users", at.Add(time.Minute)).Tombstones; told.PerMinute != 0 || told.Share != 0 {
		t.Errorf("a minute of silence later: %+v", told)
	}
	m.count(k, at, damageOf("users", 200))
	if told := tellOf(m, "users", at).Tombstones; !told.Spike || told.PerMinute != 202 {
		t.Errorf("in a spike: %+v", told)
	}
}

func TestFormatsAreTold(t *testing.T) {
	d := newDrifting(t, nil, nil)
	if told := tellOf(d.c.Shared, "orders", epoch); told.Formats != nil {
		t.Errorf("%+v", told)
	}
	for i := range 60 {
		d.sees(int64(i), []byte("abcd"), jsonValue)
	}
	other := rules.Identity{ClientID: "legacy\n", SoftwareName: "old", SoftwareVersion: "1"}
	d.batch.Identity, d.batch.Time = &other, epoch.Add(time.Second)
	for i := range 20 {
		d.sees(int64(60+i), nil, avroValue)
	}
	want := &rules.FormatsTold{
		Keys: rules.FormatTold{Samples: 60, Usual: "text", Seen: []rules.FormatShare{{Format: "text", Share: 1}}},
		Values: rules.FormatTold{
			Samples: 80, Seen: []rules.FormatShare{{Format: "json", Share: 0.75}, {Format: "confluent", Share: 0.25}},
		},
		Clients: []rules.FormatClient{
			{Client: "billing", Software: "test", Last: epoch, Keys: "text", Values: "json"},
			{Client: "legacy?", Software: "old 1", Last: epoch.Add(time.Second), Values: "confluent"},
		},
	}
	if diff := cmp.Diff(want, tellOf(d.c.Shared, "orders", epoch).Formats); diff != "" {
		t.Error(diff)
	}
}

func TestHotPartitionsAreTold(t *testing.T) {
	b := newHotBench()
	orders := &rules.Topic{Name: "orders", Partitions: 12}
	if told := tellOf(b.traffic(), "orders", b.now); told.HotPartitions != nil {
		t.Errorf("%+v", told)
	}
	b.windows(2, orders, 7, 0.5)
	want := "[{7 bytes 2}]"
	if got := fmt.Sprint(tellOf(b.traffic(), "orders", b.now).HotPartitions); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b.windows(1, orders, 7, 1./12)
	if told := tellOf(b.traffic(), "orders", b.now); len(told.HotPartitions) != 0 {
		t.Errorf("it has cooled down: %+v", told)
	}
}
