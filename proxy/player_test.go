package proxy

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/configs"
	"warder/proxy/tap"
	"warder/record"
	"warder/rules"
	"warder/rules/engine"
	"warder/rules/sink"
	"warder/rules/state"
	"warder/test/fakebroker"
)

// noted is a client's connection that notes what passes, as a recording would.
type noted struct {
	net.Conn
	entries *[]*record.Entry
}

func (c noted) note(kind record.Kind, p []byte) {
	*c.entries = append(*c.entries, &record.Entry{At: time.Now(), Kind: kind, Conn: 1, Data: slices.Clone(p)})
}

func (c noted) Write(p []byte) (int, error) {
	c.note(record.Request, p)
	return c.Conn.Write(p)
}

func (c noted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.note(record.Answer, p[:n])
	}
	return n, err
}

// dialNoted is dial, and notes what passes.
func (r *rig) dialNoted() (*fakebroker.Client, *[]*record.Entry) {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr())
	if err != nil {
		r.t.Fatal(err)
	}
	local, _ := conn.LocalAddr().(*net.TCPAddr)
	entries := []*record.Entry{{At: time.Now(), Kind: record.Opened, Conn: 1, Remote: local.AddrPort(), Node: bootstrapNode, Listener: r.listeners[0].name}}
	return fakebroker.NewClient(r.t, noted{conn, &entries}), &entries
}

// playRig is a player with an engine of its own.
type playRig struct {
	*Player
	t      *testing.T
	engine *engine.Engine
	topics *state.Topics
}

func newPlayRig(t *testing.T, specs []rules.Spec, change func(*configs.Config)) *playRig {
	t.Helper()
	clock, c, topics := &Clock{}, configs.Default(), state.NewTopics(0)
	change(c)
	e, err := engine.New(engine.Options{
		Cluster: "test", Specs: specs, Topics: topics, Inspect: c.Inspect, Now: clock.Now, Inline: true, Limits: engine.Limits{Shards: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Configure(c.Rules, c.Suppressions); err != nil {
		t.Fatal(err)
	}
	p, err := NewPlayer(Options{Config: c, Engine: e, Topics: topics, Metrics: NewMetrics(), Tap: &tap.Hub{}, Log: zerolog.Nop()}, clock)
	if err != nil {
		t.Fatal(err)
	}
	return &playRig{Player: p, t: t, engine: e, topics: topics}
}

// play plays entries to their end and gives what was reported of them.
func (r *playRig) play(entries []*record.Entry) PlayReport {
	r.t.Helper()
	for _, e := range entries {
		if err := r.Play(e); err != nil {
			r.t.Fatal(err)
		}
	}
	report := r.Close()
	if err := r.engine.Close(r.t.Context()); err != nil {
		r.t.Error(err)
	}
	return report
}

// found is what identifies findings, by their summary.
func found(e *engine.Engine) map[string][2]string {
	all := map[string][2]string{}
	for _, f := range e.Findings().Query(sink.Query{}) {
		all[f.Summary] = [2]string{f.Fingerprint, f.Action.String()}
	}
	return all
}

// blockedTraffic is a live session of which a rule refuses parts.
func blockedTraffic(t *testing.T) (live map[string][2]string, entries []*record.Entry) {
	t.Helper()
	r := newRig(t, blocking)
	r.topics.Learn("orders", topicID("orders"), 3)
	r.store()
	c, noted := r.dialNoted()
	c.SetClientID("shop")
	c.Do(kmsg.NewPtrApiVersionsRequest())
	for _, version := range []int16{3, 9, 13} {
		c.Do(produce(version, -1, "orders", []string{"a"}, []string{"b", "forbidden"}))
		c.Do(produce(version, -1, "orders", []string{"forbidden"}))
		c.Do(produce(version, -1, "orders", []string{"fine"}))
	}
	c.Conn().Close()
	eventually(t, "the end of the session", func() bool { return len(r.Clients()) == 0 })
	eventually(t, "findings", func() bool { return len(r.engine.Findings().Query(sink.Query{})) > 0 })
	r.drain()
	return found(r.engine), append(*noted, &record.Entry{At: time.Now(), Kind: record.Closed, Conn: 1})
}

func TestWhatIsPlayedIsFoundAgain(t *testing.T) {
	live, entries := blockedTraffic(t)
	p := newPlayRig(t, []rules.Spec{forbidden}, blocking)
	p.topics.Learn("orders", topicID("orders"), 3)
	report := p.play(entries)
	if diff := cmp.Diff(live, found(p.engine)); diff != "" || len(live) == 0 {
		t.Errorf("findings (-live +played):\n%s", diff)
	}
	if diff := cmp.Diff(PlayReport{Connections: 1, Ended: map[CloseReason]int{}}, report); diff != "" {
		t.Error(diff)
	}
}

// Reads of a live session come as the network gives them, and a recording keeps them so.
func TestPlayedBytesMayComeInAnyPieces(t *testing.T) {
	live, entries := blockedTraffic(t)
	for _, size := range []int{1, 3, 64} {
		var pieces []*record.Entry
		for _, e := range entries {
			if len(e.Data) == 0 {
				pieces = append(pieces, e)
			}
			for part := range slices.Chunk(e.Data, size) {
				pieces = append(pieces, &record.Entry{At: e.At, Kind: e.Kind, Conn: e.Conn, Data: part})
			}
		}
		p := newPlayRig(t, []rules.Spec{forbidden}, blocking)
		p.topics.Learn("orders", topicID("orders"), 3)
		p.play(pieces)
		if diff := cmp.Diff(live, found(p.engine)); diff != "" {
			t.Errorf("in pieces of %d (-live +played):\n%s", size, diff)
		}
	}
}

// What is open when bytes are lost has no answer any more, and what follows is followed.
func TestPlayGoesOnBehindALoss(t *testing.T) {
	_, entries := blockedTraffic(t)
	requests := 0
	for i, e := range entries {
		if e.Kind == record.Request {
			if requests++; requests == 3 { // its answer is lost
				entries[i+1] = &record.Entry{At: e.At, Kind: record.Lost, Conn: 1}
				for n := i + 2; n < len(entries) && entries[n].Kind == record.Answer; n++ {
					entries[n] = &record.Entry{At: e.At, Kind: record.Learned, Topic: &rules.Topic{Name: "other"}}
				}
			}
		}
	}
	p := newPlayRig(t, []rules.Spec{forbidden}, blocking)
	p.topics.Learn("orders", topicID("orders"), 3)
	report := p.play(entries)
	if report.IgnoredBytes != 0 || len(report.Ended) != 0 {
		t.Errorf("not followed: %+v", report)
	}
	if len(found(p.engine)) == 0 {
		t.Error("nothing was found")
	}
}

// A session that reads no more requests still awaits the answers to those before.
func TestPlayedAnswersBehindAMalformedRequest(t *testing.T) {
	_, entries := blockedTraffic(t)
	answer := slices.IndexFunc(entries, func(e *record.Entry) bool { return e.Kind == record.Answer })
	garbage := &record.Entry{At: entries[answer].At, Kind: record.Request, Conn: 1, Data: []byte{0, 0, 0, 1, 0xff}}
	p := newPlayRig(t, []rules.Spec{forbidden}, blocking)
	report := p.play(slices.Insert(entries, answer, garbage, garbage))
	if report.Ended[ReasonMalformedRequest] != 1 || report.IgnoredBytes <= int64(len(garbage.Data)) {
		t.Errorf("%+v", report)
	}
}

// A recording begins with what was known before, at no time at all, and goes on hours later.
func TestPlayedTimePasses(t *testing.T) {
	ticks := []time.Time{}
	spec := forbidden
	spec.New = func(decode func(any) error) (rules.Rule, error) {
		return sweepRule{sweep: func(now time.Time) { ticks = append(ticks, now) }}, decode(&struct{}{})
	}
	p := newPlayRig(t, []rules.Spec{spec}, func(*configs.Config) {})
	began := time.Date(2026, 11, 26, 12, 0, 0, 300, time.UTC)
	p.TickLike(began)
	p.play([]*record.Entry{
		{Kind: record.Learned, Topic: &rules.Topic{Name: "orders"}},
		{At: began.Add(10*time.Second + 1), Kind: record.Opened, Conn: 1, Node: bootstrapNode},
		{At: began.Add(13 * time.Second), Kind: record.Closed, Conn: 1},
		{At: began.Add(12 * time.Second), Kind: record.Opened, Conn: 2, Node: bootstrapNode},
	})
	want := []time.Time{began.Add(11 * time.Second), began.Add(12 * time.Second), began.Add(13 * time.Second)}
	if diff := cmp.Diff(want, ticks); diff != "" {
		t.Error(diff)
	}
}

// sweepRule is told of each tick.
type sweepRule struct{ sweep func(now time.Time) }

func (sweepRule) NewShared() rules.Store { return nothing{} }

func (r sweepRule) Sweep(w *rules.Watch) { r.sweep(w.Now) }

type nothing struct{}

func (nothing) Len() int { return 0 }

func (nothing) Evicted() uint64 { return 0 }

// Whatever is no Kafka ends its own connection, and is counted.
func TestPlayCountsWhatItCannotFollow(t *testing.T) {
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	p := newPlayRig(t, []rules.Spec{forbidden}, blocking)
	report := p.play([]*record.Entry{
		{At: at, Kind: record.Opened, Conn: 1, Node: bootstrapNode},
		{At: at, Kind: record.Request, Conn: 1, Data: []byte("GET / HTTP/1.1\r\n\r\n")},
		{At: at, Kind: record.Answer, Conn: 1, Data: []byte("HTTP/1.1 400 Bad Request\r\n")},
		{At: at, Kind: record.Closed, Conn: 1},
		{At: at, Kind: record.Opened, Conn: 2, Node: bootstrapNode},
		{At: at, Kind: record.Request, Conn: 2, Data: []byte{0x16, 3, 1, 2, 0}},
		{At: at, Kind: record.Request, Conn: 3, Data: []byte{0}},
	})
	want := PlayReport{Connections: 2, Ended: map[CloseReason]int{ReasonFrameLimit: 1, ReasonTLSOnPlaintext: 1}, IgnoredBytes: 26 + 1}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Error(diff)
	}
}

// A connection that ends in the middle of what is open takes nobody with it.
func TestPlayGoesOnBehindGarbageWithRequestsOpen(t *testing.T) {
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	p := newPlayRig(t, []rules.Spec{forbidden}, blocking)
	report := p.play([]*record.Entry{
		{At: at, Kind: record.Opened, Conn: 1, Node: bootstrapNode},
		{At: at, Kind: record.Request, Conn: 1, Data: append(opaqueRequest(1, 10), 0, 0, 0, 1, 0)},
		{At: at, Kind: record.Answer, Conn: 1, Data: []byte{0, 0, 0, 4, 0, 0, 0, 1}},
		{At: at, Kind: record.Opened, Conn: 2, Node: bootstrapNode},
		{At: at, Kind: record.Request, Conn: 2, Data: opaqueRequest(1, 10)},
	})
	want := PlayReport{Connections: 2, Ended: map[CloseReason]int{ReasonMalformedRequest: 1}}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Error(diff)
	}
}
