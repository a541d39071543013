package engine_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warder/protocol/records"
	"warder/rules"
)

// telling is a rule whose memory tells something of topics.
type telling struct {
	fake
	tell func(topic string, told *rules.TopicTold)
}

func (r *telling) NewShared() rules.Store { return tellingMemory{r} }

type tellingMemory struct{ of *telling }

func (tellingMemory) Len() int        { return 0 }
func (tellingMemory) Evicted() uint64 { return 0 }
func (m tellingMemory) TellTopic(topic string, _ time.Time, told *rules.TopicTold) {
	m.of.tell(topic, told)
}

func (r *telling) spec(id string, tells rules.Tells) rules.Spec {
	s := r.fake.spec(id)
	s.Tells = tells
	s.New = func(decode func(any) error) (rules.Rule, error) { return r, decode(&struct{}{}) }
	return s
}

func TestRulesTellOfTopicsUnlessTheyAreOff(t *testing.T) {
	bad := &telling{tell: func(string, *rules.TopicTold) { panic("x") }}
	good := &telling{tell: func(topic string, told *rules.TopicTold) {
		if topic == "users" {
			told.Tombstones = &rules.TombstonesTold{PerMinute: 3}
		}
	}}
	b := newBench(t, []rules.Spec{
		bad.spec("bad", rules.TellsFormats), good.spec("good", rules.TellsTombstones|rules.TellsHotPartitions),
	}, nil)
	if told := b.Told("users", epoch); told.Tombstones == nil || told.Tombstones.PerMinute != 3 || b.counts["panic bad"] != 1 {
		t.Errorf("%+v, counted %v", told, b.counts)
	}
	if told := b.Told("events", epoch); told.Tombstones != nil {
		t.Errorf("of another topic: %+v", told)
	}
	if untold := b.Untold(); len(untold) != 0 {
		t.Errorf("%+v", untold)
	}
	if err := b.configure(t, "rules: {good: {action: \"off\"}}"); err != nil {
		t.Fatal(err)
	}
	if told := b.Told("users", epoch); told.Tombstones != nil {
		t.Errorf("by a rule that is off: %+v", told)
	}
	want := []rules.Untold{
		{What: "tombstones", Rule: "good", Why: "the rule good is off"},
		{What: "hot_partitions", Rule: "good", Why: "the rule good is off"},
	}
	if diff := cmp.Diff(want, b.Untold()); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsWrittenIsCounted(t *testing.T) {
	f := &fake{wants: func(_ *rules.Identity, topic *rules.Topic) bool { return topic.Name == "users" }}
	b := newBench(t, []rules.Spec{f.spec("rule")}, nil)
	g, blob := b.Gate(), batchOf(t, records.Zstd, make([]string, 60)...)
	for range 10 { // also to a topic that no rule looks at
		g.Produce(java, request(t, -1, part("users", blob), part("events", blob), part("events", blob[:40])), epoch)
	}
	for topic, batches := range map[string]float64{"users": 1, "events": 2} {
		p := b.Traffic().Pace(topic, epoch)
		if p == nil || p.RecordsPerSecond != 60 || p.BatchesPerSecond != batches || p.BytesPerSecond < float64(len(blob)) {
			t.Errorf("%s: %+v", topic, p)
		}
	}
	if err := b.configure(t, "rules: {rule: {action: \"off\"}}"); err != nil {
		t.Fatal(err)
	}
	g.Produce(java, request(t, -1, part("users", blob)), epoch)
	if p := b.Traffic().Pace("users", epoch); p.RecordsPerSecond != 60 {
		t.Errorf("where nobody looks nothing is read: %+v", p)
	}
	want := []rules.Untold{{What: "written", Why: "no rule looks at what is produced, so nothing of it is read"}}
	if diff := cmp.Diff(want, b.Untold()); diff != "" {
		t.Error(diff)
	}
}
