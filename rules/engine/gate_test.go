package engine_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"warder/configs"
	"warder/protocol"
	"warder/protocol/records"
	"warder/rules"
	"warder/rules/builtin"
	"warder/rules/engine"
	"warder/rules/ruletest"
	"warder/rules/sink"
	"warder/rules/state"
)

var (
	epoch = time.Date(2026, 11, 23, 17, 20, 47, 123456000, time.UTC)
	java  = &rules.Identity{ClientID: "profile-svc", SoftwareName: "apache-kafka-java", SoftwareVersion: "4.1.0"}
)

// capture is a sink that keeps everything.
type capture struct{ found []rules.Finding }

func (c *capture) Name() string { return "capture" }
func (c *capture) Close() error { return nil }
func (c *capture) Write(f *rules.Finding) error {
	c.found = append(c.found, *f)
	return nil
}

// counts is what a Meter was told.
type counts map[string]int

func (c counts) meter() engine.Meter {
	return engine.Meter{
		Finding:     func(rule string, s rules.Severity, a rules.Action) { c[fmt.Sprint("finding ", rule, " ", s, " ", a)]++ },
		Suppressed:  func(rule string) { c["suppressed "+rule]++ },
		Verdict:     func(v engine.Verdict, n int) { c["verdict "+string(v)] += n },
		Inspected:   func(batches, records int) { c["batches"] += batches; c["records"] += records },
		Uninspected: func(r engine.Reason, n int) { c["uninspected "+string(r)]++; c["uninspected bytes"] += n },
		Dropped:     func(queue string, n int) { c["dropped "+queue] += n },
		Panic:       func(rule string) { c["panic "+rule]++ },
	}
}

// bench is an engine without goroutines and what it was heard to say.
type bench struct {
	*engine.Engine
	topics *state.Topics
	found  *capture
	counts counts
}

func newBench(t testing.TB, specs []rules.Spec, change func(*engine.Options)) *bench {
	t.Helper()
	b := &bench{topics: state.NewTopics(0), found: &capture{}, counts: counts{}}
	o := engine.Options{
		Cluster: "prod", Specs: specs, Topics: b.topics, Sinks: []sink.Sink{b.found},
		Inspect: configs.Default().Inspect, Meter: b.counts.meter(), Inline: true, Now: func() time.Time { return epoch },
	}
	if change != nil {
		change(&o)
	}
	var err error
	if b.Engine, err = engine.New(o); err != nil {
		t.Fatal(err)
	}
	b.topics.LearnConfig("users", "compact", epoch)
	b.topics.LearnConfig("events", "delete", epoch)
	return b
}

// configure reads YAML below the top level.
func (b *bench) configure(t testing.TB, yaml string) error {
	t.Helper()
	c, err := configs.Parse("warder.yaml", []byte("upstream: {bootstrap: [\"kafka:9092\"]}\n"+yaml), nil, configs.Overrides{
		Now: func() time.Time { return epoch }, Defaults: []configs.Flag{{Name: "test", Path: "record.mode", Value: "flagged"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Configure(c.Rules, c.Suppressions)
}

// block makes every rule block that can.
func (b *bench) block(t testing.TB) {
	t.Helper()
	if err := b.configure(t, "rules: {defaults: {action: block}}"); err != nil {
		t.Fatal(err)
	}
}

// batchOf builds one batch; a value of "-" is null.
func batchOf(t testing.TB, codec records.Codec, values ...string) []byte {
	t.Helper()
	b := records.NewBuilder(codec)
	b.ProducerID, b.ProducerEpoch, b.BaseSequence = 7, 0, 0
	for i, v := range values {
		value := []byte(v)
		if v == "-" {
			value = nil
		}
		b.Add(fmt.Appendf(nil, "key-%d", i), value)
	}
	blob, err := b.AppendBatch(nil)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func request(t testing.TB, acks int16, parts ...ruletest.Part) *protocol.ProduceRequest {
	t.Helper()
	body := ruletest.Body{Version: 9, Acks: acks, Parts: parts}
	req, err := protocol.ParseProduceRequest(9, body.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	return &req
}

func produce(t testing.TB, g *engine.Gate, topic string, blob []byte) engine.ProduceVerdict {
	t.Helper()
	return g.Produce(java, request(t, -1, ruletest.Part{Topic: topic, Records: blob}), epoch)
}

func TestCleanBatchAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("pools allocate at random under the race detector")
	}
	values := make([]string, 100)
	for i := range values {
		values[i] = strings.Repeat("abcdefgh", 20)
	}
	for codec := records.None; codec <= records.Zstd; codec++ {
		b := newBench(t, builtin.Specs(), func(o *engine.Options) {
			o.Meter = engine.Meter{Inspected: func(_, _ int) {}, Verdict: func(engine.Verdict, int) {}}
		})
		b.block(t)
		b.topics.Learn("events", [16]byte{}, 12)
		g := b.Gate()
		blob := batchOf(t, codec, values...)
		req := request(t, -1, ruletest.Part{Topic: "users", Records: blob}, ruletest.Part{Topic: "events", Records: blob})
		var v engine.ProduceVerdict
		allocs := testing.AllocsPerRun(100, func() { v = g.Produce(java, req, epoch) })
		if allocs != 0 {
			t.Errorf("%s: %v allocations for a clean batch", codec, allocs)
		}
		if v.Records != 200 || v.Batches != 2 || len(v.Denied) != 0 {
			t.Errorf("%s: verdict %+v", codec, v)
		}
		g.Close()
	}
}

// theTombstoneRule is the table with one rule, which looks at compacted topics
// only.
func theTombstoneRule() []rules.Spec { return builtin.Specs()[:1] }

func TestNothingIsDecompressedThatNobodyWants(t *testing.T) {
	b := newBench(t, theTombstoneRule(), nil)
	broken := batchOf(t, records.Gzip, "a", "b")
	clear(broken[61:])
	if v := produce(t, b.Gate(), "events", broken); v.Batches != 0 || b.counts["uninspected codec"] != 0 {
		t.Errorf("a topic without compaction was looked into: %+v %v", v, b.counts)
	}
	if v := produce(t, b.Gate(), "users", broken); v.Batches != 0 || b.counts["uninspected codec"] != 1 {
		t.Errorf("a broken batch of a compacted topic was not met: %+v %v", v, b.counts)
	}
}

func TestUndecodable(t *testing.T) {
	good := batchOf(t, records.Gzip, "a", "b")
	broken := bytes.Clone(good)
	clear(broken[61:])
	lying := batchOf(t, records.None, "a", "b")
	lying[61] = 0x7f // the length of the first record
	bad := bytes.Clone(good)
	bad[16] = 9 // magic
	zeros := batchOf(t, records.Gzip, strings.Repeat("\x00", 2<<20))
	for _, c := range []struct {
		name   string
		blob   []byte
		reason engine.Reason
	}{
		{"codec", broken, engine.BadCodec},
		{"malformed record", lying, engine.Malformed},
		{"unknown magic", bad, engine.Malformed},
		{"truncated", good[:len(good)-3], engine.Truncated},
		{"bomb", zeros, engine.Bomb},
	} {
		for _, mode := range []string{"forward", "refuse"} {
			t.Run(c.name+"/"+mode, func(t *testing.T) {
				b := newBench(t, builtin.Specs(), func(o *engine.Options) {
					o.Inspect.OnUndecodable, o.Inspect.MaxDecompressed = mode, configs.MiB
				})
				b.block(t)
				v := produce(t, b.Gate(), "users", c.blob)
				if b.counts["uninspected "+string(c.reason)] != 1 || b.counts["uninspected bytes"] != len(c.blob) {
					t.Errorf("counted %v", b.counts)
				}
				if refused := len(v.Denied) == 1; refused != (mode == "refuse") {
					t.Errorf("verdict %+v", v)
				}
				if len(b.found.found) != 1 || b.found.found[0].Rule != engine.Uninspected {
					t.Fatalf("findings %+v", b.found.found)
				}
				if action := b.found.found[0].Action; (action == rules.Block) != (mode == "refuse") {
					t.Errorf("action %v", action)
				}
				if mode == "refuse" && (v.Denied[0].Code != 44 || !strings.HasPrefix(v.Denied[0].Message, "warder refused this batch: its records cannot be inspected")) {
					t.Errorf("denial %+v", v.Denied[0])
				}
			})
		}
	}
}

func TestUnknownTopicIDHoldsTheRuleNotTheTraffic(t *testing.T) {
	b := newBench(t, builtin.Specs(), nil)
	b.block(t)
	body := ruletest.Body{Version: 13, Acks: -1, Parts: []ruletest.Part{{ID: [16]byte{9}, Records: batchOf(t, records.None, "-")}}}
	req, err := protocol.ParseProduceRequest(13, body.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	g := b.Gate()
	if v := g.Produce(java, &req, epoch); len(v.Denied) != 0 || b.counts["uninspected topic_unknown"] != 1 {
		t.Errorf("%+v %v", v, b.counts)
	}
	if err := b.configure(t, "rules: {tombstone: {action: block, on_unknown_config: block}}"); err != nil {
		t.Fatal(err)
	}
	if v := g.Produce(java, &req, epoch); len(v.Denied) != 1 || !strings.Contains(v.Denied[0].Message, "a topic whose name is not known") {
		t.Errorf("with on_unknown_config: block: %+v", v)
	}
	b.block(t)
	b.topics.Learn("users", [16]byte{9}, 1)
	if v := g.Produce(java, &req, epoch); len(v.Denied) != 1 || v.Denied[0].TopicID != [16]byte{9} {
		t.Errorf("after the id was learnt: %+v", v)
	}
}

func TestNeeds(t *testing.T) {
	b := newBench(t, theTombstoneRule(), nil)
	g := b.Gate()
	other := &rules.Identity{ClientID: "other"}
	check := func(name string, id *rules.Identity, produce, config bool) {
		t.Helper()
		if got := g.NeedsProduce(id); got != produce {
			t.Errorf("%s: NeedsProduce %v", name, got)
		}
		if got := g.NeedsConfig(id, []byte("new")); got != config {
			t.Errorf("%s: NeedsConfig %v", name, got)
		}
		if got := g.NeedsNames(id); got != config {
			t.Errorf("%s: NeedsNames %v", name, got)
		}
		if g.NeedsConfig(id, []byte("users")) || g.NeedsConfig(id, []byte("events")) {
			t.Errorf("%s: wants a configuration that is known", name)
		}
	}
	check("alert", java, true, false)
	b.block(t)
	check("block", java, true, true)
	if err := b.configure(t, `rules: {defaults: {action: "off"}, tombstone: {action: block, clients: [profile-*]}}`); err != nil {
		t.Fatal(err)
	}
	check("other client", other, false, false)
	check("this client", java, true, true)
	if err := b.configure(t, `rules: {defaults: {action: "off"}}`); err != nil {
		t.Fatal(err)
	}
	check("off", java, false, false)
}

func TestPrincipalMayChangeInASession(t *testing.T) {
	b := newBench(t, builtin.Specs(), nil)
	if err := b.configure(t, "rules: {tombstone: {action: block, principals: [\"User:app\"]}}"); err != nil {
		t.Fatal(err)
	}
	g, req := b.Gate(), request(t, -1, ruletest.Part{Topic: "users", Records: batchOf(t, records.None, "-")})
	for _, c := range []struct {
		principal string
		denied    int
	}{{"", 0}, {"User:app", 1}, {"User:other", 0}} {
		id := *java
		id.Principal = c.principal
		if v := g.Produce(&id, req, epoch); len(v.Denied) != c.denied {
			t.Errorf("principal %q: %+v", c.principal, v)
		}
	}
}

// News of a topic that is remembered take no room of others.
func TestNewsOfATopicTakeNoRoom(t *testing.T) {
	b := newBench(t, builtin.Specs(), func(o *engine.Options) { o.Limits.GateTopics, o.Limits.MoreTopics = 1, 2 })
	one, other, blob := b.Gate(), b.Gate(), batchOf(t, records.None, "a")
	for i := range 3 {
		b.topics.LearnConfig("news", []string{"compact", "delete"}[i%2], epoch.Add(time.Duration(i)*time.Second))
		produce(t, one, "news", blob)
	}
	for i := range 3 {
		produce(t, other, fmt.Sprint("topic-", i), blob)
	}
	if one.Plans() != 1 || other.Plans() != 3 {
		t.Errorf("%d and %d topics remembered", one.Plans(), other.Plans())
	}
}

// A session remembers some topics for itself, and more while others do not need the room.
func TestPlansAreBounded(t *testing.T) {
	b := newBench(t, builtin.Specs(), func(o *engine.Options) { o.Limits.GateTopics, o.Limits.MoreTopics = 8, 20 })
	one, other, blob := b.Gate(), b.Gate(), batchOf(t, records.None, "a")
	most := map[*engine.Gate]int{}
	write := func(g *engine.Gate) {
		for i := range 1000 {
			produce(t, g, fmt.Sprint("topic-", i), blob)
			if n := one.Plans() + other.Plans(); n > 8+8+20 {
				t.Fatalf("%d topics remembered", n)
			}
			most[g] = max(most[g], g.Plans())
		}
	}
	write(one)
	for range 20 {
		produce(t, one, "topic-0", blob)
	}
	write(other)
	if most[one] != 8+20 || most[other] < 8 {
		t.Errorf("at most %d and %d topics remembered", most[one], most[other])
	}
	one.Close()
	other.Close()
	third := b.Gate()
	defer third.Close()
	write(third)
	if most[third] != 8+20 {
		t.Errorf("%d topics remembered once the others had gone", most[third])
	}
}

func TestTextsAreShortASCII(t *testing.T) {
	long := strings.Repeat("x", 249)
	for _, id := range []*rules.Identity{
		{}, {ClientID: strings.Repeat("é", 3000)}, {ClientID: "a\nb\x00c"}, java,
	} {
		b := newBench(t, builtin.Specs(), nil)
		b.topics.LearnConfig(long, "compact", epoch)
		b.block(t)
		blob := batchOf(t, records.None, make([]string, 300)...)
		nulls := records.NewBuilder(records.None)
		for range 300 {
			nulls.Add([]byte("k"), nil)
		}
		nulled, err := nulls.AppendBatch(nil)
		if err != nil {
			t.Fatal(err)
		}
		v := b.Gate().Produce(id, request(t, -1, ruletest.Part{Topic: long, Records: nulled}, ruletest.Part{Topic: "events", Records: blob}), epoch)
		if len(v.Denied) != 1 || len(v.Denied[0].RecordErrors) != rules.MaxDenials {
			t.Fatalf("%d denied, %d records named", len(v.Denied), len(v.Denied[0].RecordErrors))
		}
		texts := []string{v.Denied[0].Message}
		for _, e := range v.Denied[0].RecordErrors {
			texts = append(texts, e.Message)
		}
		for _, text := range texts {
			if len(text) > 300 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("%d bytes: %q", len(text), text)
			}
			if !strings.HasPrefix(text, "warder: rule tombstone refused this record: null value would delete key sha256:") {
				t.Fatalf("%q", text)
			}
		}
	}
}

func TestFindingOfABlockedTombstone(t *testing.T) {
	b := newBench(t, builtin.Specs(), nil)
	b.block(t)
	produce(t, b.Gate(), "users", batchOf(t, records.Zstd, "a", "-"))
	if len(b.found.found) != 1 {
		t.Fatalf("%d findings", len(b.found.found))
	}
	f := b.found.found[0]
	if f.ID == "" || f.Fingerprint == "" || f.Cluster != "prod" || f.Doc != "docs/rules/tombstone.md" || f.Count != 1 ||
		!f.Time.Equal(epoch) || !f.FirstTime.Equal(epoch) || !f.LastTime.Equal(epoch) || f.Subject.Software != "apache-kafka-java 4.1.0" ||
		!strings.Contains(f.Advice, "rules.tombstone.allow") {
		t.Errorf("%+v", f)
	}
	kept, ok := b.Findings().Get(f.ID)
	if !ok || kept.Summary != f.Summary {
		t.Errorf("the ring has %+v", kept)
	}
	if want := (counts{"finding tombstone critical block": 1, "verdict denied": 1, "batches": 1, "records": 2}); fmt.Sprint(b.counts) != fmt.Sprint(want) {
		t.Errorf("counted %v, want %v", b.counts, want)
	}
}

func TestRefusalExplainsTheSequenceErrorBehindIt(t *testing.T) {
	b := newBench(t, builtin.Specs(), nil)
	b.block(t)
	produce(t, b.Gate(), "users", batchOf(t, records.None, "a", "-"))
	if r := b.Refusals(); !r.Explains(7, "users", 0, epoch.Add(time.Minute)) || r.Explains(8, "users", 0, epoch) ||
		r.Explains(7, "users", 1, epoch) || r.Explains(7, "users", 0, epoch.Add(6*time.Minute)) {
		t.Error("wrong explanation")
	}
}

func part(topic string, blob []byte) ruletest.Part { return ruletest.Part{Topic: topic, Records: blob} }
