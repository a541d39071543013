package engine_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"warder/protocol/records"
	"warder/rules"
	"warder/rules/engine"
)

// tasting is a rule that is shown samples of what is fetched, and of what is
// produced.
type tasting struct {
	sample func(*rules.Case, *rules.Batch, *rules.Record)
	watch  func(*rules.Watch, rules.Event)
	made   int // scratches
	batch  int
}

func (f *tasting) Sample(c *rules.Case, b *rules.Batch, r *rules.Record) {
	if f.sample != nil {
		f.sample(c, b, r)
	}
}

func (f *tasting) Batch(*rules.Case, *rules.Batch) { f.batch++ }

func (f *tasting) NewScratch() any { f.made++; return new(int) }

func (f *tasting) Watch(w *rules.Watch, ev rules.Event) {
	if f.watch != nil {
		f.watch(w, ev)
	}
}

func (f *tasting) spec(id string) rules.Spec {
	return rules.Spec{
		ID: id, Severity: rules.Info, Needs: rules.NeedSamples | rules.NeedFetched, CanBlock: true, Default: rules.Alert,
		FoldBy: rules.FieldTopic | rules.FieldClientID, Watches: []rules.Interest{{Kind: rules.KindObservation, By: rules.ByTopic}},
		New: func(decode func(any) error) (rules.Rule, error) { return f, decode(&struct{}{}) },
	}
}

// seeing is a tasting that keeps the values it is shown.
func seeing() (*tasting, *[]string) {
	var seen []string
	return &tasting{sample: func(_ *rules.Case, b *rules.Batch, r *rules.Record) {
		seen = append(seen, fmt.Sprintf("%s/%d %s", b.Topic.Name, b.Partition, r.Value))
	}}, &seen
}

func fetching(mode string) func(*engine.Options) {
	return func(o *engine.Options) { o.Inspect.FetchRecords = mode }
}

// fetch offers partition 0 of a topic to the gate.
func fetch(g *engine.FetchGate, topic string, blob []byte, at time.Time) {
	if g.Begin(java, at) {
		g.Inspect([]byte(topic), [16]byte{}, 0, blob)
	}
}

func TestFetchedSamplesAreOfTheConsumer(t *testing.T) {
	type sample struct {
		fetched bool
		client  string
		at      time.Time
	}
	var got []sample
	f := &tasting{sample: func(c *rules.Case, b *rules.Batch, r *rules.Record) {
		*c.Scratch.(*int)++
		got = append(got, sample{b.Fetched, b.Identity.ClientID, b.Time})
		if n := *c.Scratch.(*int); n != r.Index+1 {
			t.Errorf("the scratch of this direction has seen %d samples at record %d", n, r.Index)
		}
	}}
	other := &sampling{} // wants samples, but not of what is fetched
	b := newBench(t, []rules.Spec{f.spec("tasting"), other.spec()}, fetching("sample"))
	produced, fetched := b.Gate(), b.FetchGate()
	blob := batchOf(t, records.Snappy, "a", "b")
	produce(t, produced, "users", blob)
	consumer := &rules.Identity{ClientID: "billing"}
	at := epoch.Add(time.Second)
	if !b.WantsFetched() || !fetched.Begin(consumer, at) {
		t.Fatal("nobody wants what is fetched")
	}
	fetched.Inspect([]byte("users"), [16]byte{}, 3, blob)
	want := []sample{{false, "profile-svc", epoch}, {false, "profile-svc", epoch}, {true, "billing", at}, {true, "billing", at}}
	if !slices.Equal(got, want) || f.batch != 1 {
		t.Errorf("%+v, %d batches as a BatchRule", got, f.batch)
	}
	if len(other.seen) != 2 || other.batches != 1 {
		t.Errorf("a rule that did not ask for it was shown %v", other.seen)
	}
	if b.counts["batches"] != 2 || b.counts["records"] != 4 {
		t.Errorf("counted %v", b.counts)
	}
}

// three partitions of two topics, each with three batches and the beginning of a fourth.
func answerOf(t *testing.T, g *engine.FetchGate, at time.Time) {
	t.Helper()
	if !g.Begin(java, at) {
		return
	}
	for _, topic := range []string{"users", "events"} {
		for p := range int32(3) {
			var blob []byte
			for i := range 4 {
				blob = append(blob, batchOf(t, records.Gzip, fmt.Sprint(i))...)
			}
			g.Inspect([]byte(topic), [16]byte{}, p, blob[:len(blob)-5])
		}
	}
}

func TestHowMuchOfAnAnswerIsLookedInto(t *testing.T) {
	for mode, want := range map[string]string{
		"off":    "",
		"sample": "users/0 0, users/1 0, events/0 0, events/1 0",
		"all": "users/0 0, users/0 1, users/0 2, users/1 0, users/1 1, users/1 2, users/2 0, users/2 1, users/2 2, " +
			"events/0 0, events/0 1, events/0 2, events/1 0, events/1 1, events/1 2, events/2 0, events/2 1, events/2 2",
	} {
		f, seen := seeing()
		b := newBench(t, []rules.Spec{f.spec("tasting")}, fetching(mode))
		answerOf(t, b.FetchGate(), epoch)
		if got := strings.Join(*seen, ", "); got != want {
			t.Errorf("%s: %s", mode, got)
		}
		if b.WantsFetched() != (mode != "off") {
			t.Errorf("%s: WantsFetched", mode)
		}
		if b.counts["uninspected bytes"] != 0 {
			t.Errorf("%s: the end of an answer counts as uninspected: %v", mode, b.counts)
		}
	}
}

func TestNobodyWantsWhatIsFetched(t *testing.T) {
	f, seen := seeing()
	b := newBench(t, []rules.Spec{f.spec("tasting")}, fetching("all"))
	g, blob := b.FetchGate(), batchOf(t, records.None, "a")
	for yaml, want := range map[string]struct {
		engine, client bool
		samples        int
	}{
		"rules: {tasting: {action: alert}}":       {true, true, 1},
		"rules: {tasting: {action: \"off\"}}":     {false, false, 0},
		"rules: {tasting: {clients: [other]}}":    {true, false, 0},
		"rules: {tasting: {topics: [events]}}":    {true, true, 0},
		"rules: {tasting: {topics: [\"users\"]}}": {true, true, 1},
	} {
		*seen = nil
		if err := b.configure(t, yaml); err != nil {
			t.Fatal(err)
		}
		begun := g.Begin(java, epoch)
		if begun {
			g.Inspect([]byte("users"), [16]byte{}, 0, blob)
		}
		if b.WantsFetched() != want.engine || begun != want.client || len(*seen) != want.samples {
			t.Errorf("%s: %v, %v, %v", yaml, b.WantsFetched(), begun, *seen)
		}
	}
}

func TestSamplesOfASecondAreBounded(t *testing.T) {
	f, seen := seeing()
	b := newBench(t, []rules.Spec{f.spec("tasting")}, fetching("sample"))
	g, blob := b.FetchGate(), batchOf(t, records.None, "a")
	for i := range 100 {
		fetch(g, fmt.Sprint("topic-", i), blob, epoch)
	}
	if len(*seen) != 8 {
		t.Errorf("%d batches in a moment", len(*seen))
	}
	for i := range 1000 { // ten seconds
		fetch(g, "users", blob, epoch.Add(time.Duration(i+1)*10*time.Millisecond))
	}
	if n := len(*seen) - 8; n < 79 || n > 80 {
		t.Errorf("%d batches in ten seconds", n)
	}
}

// What a batch expands to is paid for, if need be by those after it.
func TestSamplesOfASecondAreBoundedInBytes(t *testing.T) {
	f, seen := seeing()
	b := newBench(t, []rules.Spec{f.spec("tasting")}, fetching("sample"))
	g := b.FetchGate()
	fetch(g, "users", batchOf(t, records.Zstd, strings.Repeat("x", 3<<20)), epoch) // a few hundred bytes
	small := batchOf(t, records.None, "a")
	for i := range 30 {
		fetch(g, "users", small, epoch.Add(time.Duration(i)*100*time.Millisecond))
		if paid := i > 20; len(*seen) > 1 != paid { // one MiB was there, two are owed
			t.Fatalf("after %d00 ms: %d batches after one of 3 MiB", i, len(*seen)-1)
		}
	}
}

func TestLargeFetchedBatches(t *testing.T) {
	large := batchOf(t, records.None, strings.Repeat("x", 300<<10))
	larger := batchOf(t, records.None, strings.Repeat("x", 1100<<10))
	for mode, want := range map[string]struct{ seen, uninspected int }{"sample": {0, 0}, "all": {1, 1}} {
		f, seen := seeing()
		b := newBench(t, []rules.Spec{f.spec("tasting")}, fetching(mode))
		fetch(b.FetchGate(), "users", slices.Concat(larger, large), epoch)
		if len(*seen) != want.seen || b.counts["uninspected too_large"] != want.uninspected {
			t.Errorf("%s: %d seen, %v", mode, len(*seen), b.counts)
		}
	}
}

func TestLargestSampledBatch(t *testing.T) {
	f, seen := seeing()
	b := newBench(t, []rules.Spec{f.spec("tasting")}, fetching("sample"))
	g := b.FetchGate()
	for i, kib := range []int{250, 260} {
		fetch(g, "users", batchOf(t, records.None, strings.Repeat("x", kib<<10)), epoch.Add(time.Duration(i)*time.Second))
	}
	if len(*seen) != 1 {
		t.Errorf("%d batches seen, want the one below 256 KiB", len(*seen))
	}
}

// Nothing is saved up beyond a second's worth, however long a client was idle.
func TestIdleClientsSaveUpOneSecond(t *testing.T) {
	f, seen := seeing()
	b := newBench(t, []rules.Spec{f.spec("tasting")}, fetching("sample"))
	g, small, hour := b.FetchGate(), batchOf(t, records.None, "a"), epoch.Add(time.Hour)
	fetch(g, "users", small, epoch)
	for range 20 {
		fetch(g, "users", small, hour)
	}
	if n := len(*seen) - 1; n != 8 {
		t.Errorf("%d batches after an hour, want 8", n)
	}
	later := hour.Add(time.Hour)
	fetch(g, "users", batchOf(t, records.Zstd, strings.Repeat("x", 3<<20)), later)
	fetch(g, "users", small, later.Add(time.Second))
	if n := len(*seen) - 9; n != 1 {
		t.Errorf("%d batches after another hour, want the large one, which is paid for by those after it", n)
	}
}

// A batch without a sample is walked past, and so is all of a topic that no rule wants samples of.
func TestFetchedBatchesWithoutSamplesAreNotOpened(t *testing.T) {
	f, seen := seeing()
	b := newBench(t, []rules.Spec{f.spec("tasting")}, fetching("all"))
	if err := b.configure(t, "rules: {tasting: {topics: [users]}}"); err != nil {
		t.Fatal(err)
	}
	g, blob := b.FetchGate(), batchOf(t, records.Zstd, "a")
	for range 100 {
		fetch(g, "users", blob, epoch)
		fetch(g, "events", blob, epoch)
	}
	want := rules.SamplesPerSecond + 1 // and one in 64 of those after
	if len(*seen) != want || b.counts["batches"] != want {
		t.Errorf("%d samples of %d batches, want %d of as many", len(*seen), b.counts["batches"], want)
	}
	if g.Begin(java, epoch); g.Partition([]byte("events"), [16]byte{}, 0, len(blob)) {
		t.Error("a topic is walked through that no rule looks at")
	}
}

func TestFetchedControlBatchesAreSkipped(t *testing.T) {
	f, seen := seeing()
	b := newBench(t, []rules.Spec{f.spec("tasting")}, fetching("sample"))
	marker := records.NewBuilder(records.None).Add([]byte{0, 0, 0, 1}, []byte{0, 0, 0, 0, 0, 0})
	marker.Control = true
	blob, err := marker.AppendBatch(nil)
	if err != nil {
		t.Fatal(err)
	}
	fetch(b.FetchGate(), "users", append(blob, batchOf(t, records.None, "a", "b")...), epoch)
	if got := strings.Join(*seen, ", "); got != "users/0 a, users/0 b" || b.counts["batches"] != 1 {
		t.Errorf("%s, %v", got, b.counts)
	}
}

// What nobody can read is counted each time, and nothing else.
func TestUndecodableFetched(t *testing.T) {
	good := batchOf(t, records.Gzip, "a", "b")
	broken := bytes.Clone(good)
	clear(broken[61:])
	lying := batchOf(t, records.None, "a", "b")
	lying[61] = 0x7f // the length of the first record
	bad := bytes.Clone(good)
	bad[16] = 9 // magic
	short := bytes.Clone(good)
	copy(short[8:], []byte{0, 0, 0, 3})
	for name, c := range map[string]struct {
		blob   []byte
		reason engine.Reason
		goesOn bool // to the batch behind it
	}{
		"codec":     {broken, engine.BadCodec, true},
		"malformed": {lying, engine.Malformed, true},
		"magic":     {bad, engine.Malformed, false},
		"length":    {short, engine.Malformed, false},
	} {
		t.Run(name, func(t *testing.T) {
			f, seen := seeing()
			b := newBench(t, []rules.Spec{f.spec("tasting")}, func(o *engine.Options) {
				o.Inspect.FetchRecords, o.Inspect.OnUndecodable = "all", "refuse"
			})
			b.block(t)
			g := b.FetchGate()
			for range 2 {
				fetch(g, "users", append(bytes.Clone(c.blob), good...), epoch)
			}
			if b.counts["uninspected "+string(c.reason)] != 2 || len(b.found.found) != 0 {
				t.Errorf("counted %v, found %v", b.counts, b.found.found)
			}
			if n := len(*seen); (n == 4) != c.goesOn || !c.goesOn && n != 0 {
				t.Errorf("then seen: %v", *seen)
			}
		})
	}
}

func TestWhatRulesSayOfTheFetched(t *testing.T) {
	var observed []rules.Observation
	f := &tasting{watch: func(_ *rules.Watch, ev rules.Event) { observed = append(observed, ev.(rules.Observation)) }}
	f.sample = func(c *rules.Case, b *rules.Batch, r *rules.Record) {
		switch string(r.Value) {
		case "deny":
			c.Deny(rules.Denial{Record: r.Index, Reason: "too late for that"})
		case "report":
			c.Report(rules.Report{Summary: "of the consumer"})
			c.Report(rules.Report{Summary: "of the topic", OwnSubject: true, Subject: rules.Subject{Topic: b.Topic.Name}})
		case "observe":
			c.Observe(rules.ByTopic, b.Topic.Name, r.Index)
		}
	}
	b := newBench(t, []rules.Spec{f.spec("tasting")}, fetching("all"))
	b.block(t)
	g := b.FetchGate()
	fetch(g, "users", batchOf(t, records.LZ4, "deny"), epoch)
	if len(b.found.found) != 0 {
		t.Errorf("a denial was heard: %+v", b.found.found)
	}
	fetch(g, "users", batchOf(t, records.LZ4, "report", "observe"), epoch)
	if len(b.found.found) != 2 || len(observed) != 1 || observed[0].Client != java || observed[0].At != epoch || observed[0].Data != 1 {
		t.Fatalf("%+v, %+v", b.found.found, observed)
	}
	for _, f := range b.found.found {
		own := f.Summary == "of the topic"
		if f.Action != rules.Alert || f.WouldBlock || f.Subject.Topic != "users" || (f.Subject.ClientID == "") != own || (f.Subject.Partition == nil) != own {
			t.Errorf("%+v", f)
		}
	}
}

func TestPanicOnTheFetchedIsCaught(t *testing.T) {
	bad := &tasting{sample: func(c *rules.Case, _ *rules.Batch, _ *rules.Record) {
		c.Report(rules.Report{Summary: "half a sentence"})
		panic("x")
	}}
	good, seen := seeing()
	b := newBench(t, []rules.Spec{good.spec("good"), bad.spec("bad")}, fetching("all"))
	g, blob := b.FetchGate(), batchOf(t, records.LZ4, "a")
	fetch(g, "users", append(bytes.Clone(blob), blob...), epoch)
	if b.counts["panic bad"] != 2 || b.counts["uninspected rule_panic"] != 2 || len(*seen) != 2 || len(b.found.found) != 0 {
		t.Errorf("counted %v, seen %v, found %v", b.counts, *seen, b.found.found)
	}
}

func TestFetchedTopicIDs(t *testing.T) {
	f, seen := seeing()
	b := newBench(t, []rules.Spec{f.spec("tasting")}, fetching("all"))
	g, blob := b.FetchGate(), batchOf(t, records.None, "a")
	answer := func() {
		g.Begin(java, epoch)
		g.Inspect(nil, [16]byte{7}, 0, blob)
	}
	answer()
	if got := g.Unnamed(); len(got) != 1 || got[0] != [16]byte{7} || b.counts["uninspected topic_unknown"] != 1 || len(*seen) != 0 {
		t.Errorf("unnamed %v, %v, %v", got, b.counts, *seen)
	}
	b.topics.Learn("users", [16]byte{7}, 3)
	answer()
	if got := strings.Join(*seen, ", "); got != "users/0 a" || len(g.Unnamed()) != 0 {
		t.Errorf("%s, unnamed %v", got, g.Unnamed())
	}
	g.Begin(java, epoch)
	for i := range 200 {
		g.Inspect(nil, [16]byte{8, byte(i)}, 0, blob)
	}
	if n := len(g.Unnamed()); n != 100 {
		t.Errorf("asks for %d names", n)
	}
}

func TestLookingIntoTheFetchedAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("pools allocate at random under the race detector")
	}
	for _, mode := range []string{"sample", "all"} {
		for codec := records.None; codec <= records.Zstd; codec++ {
			n := 0
			f := &tasting{sample: func(*rules.Case, *rules.Batch, *rules.Record) { n++ }}
			b := newBench(t, []rules.Spec{f.spec("tasting")}, func(o *engine.Options) {
				o.Meter, o.Inspect.FetchRecords = engine.Meter{Inspected: func(_, _ int) {}}, mode
			})
			b.topics.Learn("users", [16]byte{7}, 3)
			g, at := b.FetchGate(), epoch
			blob := batchOf(t, codec, valuesTo(100)...)
			blob = append(blob, blob[:len(blob)/2]...)
			if allocs := testing.AllocsPerRun(100, func() {
				at = at.Add(time.Second)
				g.Begin(java, at)
				g.Inspect([]byte("events"), [16]byte{}, 0, blob)
				g.Inspect(nil, [16]byte{7}, 0, blob)
			}); allocs != 0 || n == 0 {
				t.Errorf("%s, %s: %v allocations, %d samples", mode, codec, allocs, n)
			}
			g.Close()
		}
	}
}
