package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/configs"
	"warder/proxy/embedded"
	"warder/proxy/tap"
	"warder/rules"
	"warder/rules/builtin"
	"warder/rules/engine"
	"warder/rules/sink"
	"warder/rules/state"
)

// remembering starts a warder that follows groups, with a state file.
func remembering(t *testing.T, upstream, file string) *rig {
	t.Helper()
	begin := time.Now()
	return startRigOn(t, nil, upstream, func(c *configs.Config) { c.StateFile = configs.Path(file) }, func(o *engine.Options, p *Options) {
		p.Logs = state.NewLogs(0)
		p.Groups = state.NewGroups(p.Logs)
		o.Specs, o.Models = builtin.Specs(), []rules.Model{p.Groups}
		o.Now = func() time.Time { return time.Now().Add(3 * time.Since(begin)) } // rules wait for moves to settle
	})
}

// restarted ends a warder and starts another one.
func (r *rig) restarted(upstream string) *rig {
	r.t.Helper()
	ended, end := context.WithCancel(r.t.Context())
	end()
	if err := r.Run(ended); err != nil {
		r.t.Fatal(err)
	}
	t, _ := r.t.(*testing.T)
	return remembering(t, upstream, r.stateFile.path)
}

// found waits for a finding of a rule.
func (r *rig) found(rule string) (f rules.Finding) {
	r.t.Helper()
	eventually(r.t, "a finding of "+rule, func() bool {
		list := r.engine.Findings().Query(sink.Query{Rule: rule})
		if len(list) > 0 {
			f = list[0]
		}
		return len(list) > 0
	})
	return f
}

func write(t *testing.T, r *rig, from, n int) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.addr()), kgo.DefaultProduceTopic("orders"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for i := range n {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Partition: int32(i % 2), Value: fmt.Append(nil, from+i)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// A group commits, is away while warder is started anew, and loses its offsets: that it starts at
// the end is no first start, since the warder before had seen it commit.
func TestCommitsAreKnownAfterARestart(t *testing.T) {
	cluster, err := embedded.Start(t.Context(), embedded.Options{Topics: []embedded.Topic{{Name: "orders", Partitions: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	r := remembering(t, cluster.Bootstrap(), filepath.Join(t.TempDir(), "state.json"))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	write(t, r, 0, 10)
	cl := consumer(t, r, "billing-1")
	for n := 0; n < 10; {
		f := cl.PollFetches(ctx)
		if err := f.Err(); err != nil {
			t.Fatal(err)
		}
		n += f.NumRecords()
	}
	if err := cl.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	cl.Close()
	eventually(t, "the group to be empty", func() bool {
		empty := false
		r.engine.View(rules.ByGroup, "billing", func(m rules.ModelState) { empty = !m.(*state.Group).Emptied.IsZero() })
		return empty
	})

	r = r.restarted(cluster.Bootstrap())
	direct, err := kgo.NewClient(kgo.SeedBrokers(cluster.Bootstrap()))
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	if _, err := kadm.NewClient(direct).DeleteGroup(ctx, "billing"); err != nil { // past warder, as the coordinator does
		t.Fatal(err)
	}
	write(t, r, 10, 20)
	late := consumer(t, r, "billing-1", kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	defer late.Close()
	f := r.found("offset-reset")
	if f.Severity != rules.Critical || !strings.Contains(f.Summary, "it skips everything written while it was away, 20 records") || f.Subject.Group != "billing" {
		t.Errorf("%+v", f)
	}
}

// idleServer is a warder whose time passes by hand, restored from a file.
func idleServer(t *testing.T, file string, now time.Time) (*engine.Engine, *lockedBuffer) {
	t.Helper()
	c := configs.Default()
	c.Upstream.Bootstrap, c.StateFile = []configs.Address{"kafka-1:9092", "kafka-2:9092"}, configs.Path(file)
	log, logs := &lockedBuffer{}, state.NewLogs(0)
	o := Options{Config: c, Topics: state.NewTopics(0), Logs: logs, Groups: state.NewGroups(logs), Metrics: NewMetrics(), Tap: &tap.Hub{}, Log: zerolog.New(log)}
	var err error
	o.Engine, err = engine.New(engine.Options{
		Cluster: "test", Specs: builtin.Specs(), Topics: o.Topics, Models: []rules.Model{o.Groups}, Inline: true, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		srv.lookups.close()
		if err := o.Engine.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return o.Engine, log
}

// groupsAsSaved writes a file of groups.
func groupsAsSaved(t *testing.T, groups ...*state.SavedGroup) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "state.json")
	f := newGroupFile(&configs.Config{StateFile: configs.Path(path), Upstream: configs.Upstream{Bootstrap: []configs.Address{"kafka-2:9092", "kafka-3:9092"}}})
	if err := f.write(groups); err != nil {
		t.Fatal(err)
	}
	return path
}

// sixDays is a group that has been empty for so long.
func sixDays(now time.Time) *state.SavedGroup {
	at := now.Add(-6 * 24 * time.Hour).UnixMilli()
	return &state.SavedGroup{
		Group: "billing", Protocol: "classic", Type: "consumer", Since: at - 1000, LastEvent: at, Emptied: at,
		Topics: []state.SavedTopic{{Topic: "orders", Partitions: []int32{0, 1}, Committed: []int64{100, 100}, CommittedAgo: []int64{0, 0}, LogEnd: []int64{150, 150}}},
	}
}

// The time of a group without members goes on, and nobody needs to send anything for it.
func TestEmptyGroupsAreCountedOverARestart(t *testing.T) {
	now := time.Now()
	e, log := idleServer(t, groupsAsSaved(t, sixDays(now)), now)
	find := func() []rules.Finding { return e.Findings().Query(sink.Query{Rule: "group-expiry"}) }
	for range 44 {
		now = now.Add(time.Second)
		e.Tick(now)
	}
	if len(find()) != 0 {
		t.Error("members may have come while warder was away")
	}
	for range 3 {
		now = now.Add(time.Second)
		e.Tick(now)
	}
	if list := find(); len(list) != 1 || !strings.Contains(list[0].Summary, "has had no members for 6d") || !strings.Contains(list[0].Summary, "latest skips 100 records") {
		t.Errorf("%v\n%s", list, log)
	}
}

// A file that cannot be used costs what it remembered, and is told; the state file is another.
func TestUnusableFileOfGroupsIsTold(t *testing.T) {
	now := time.Now()
	good, err := os.ReadFile(groupsAsSaved(t, sixDays(now), sixDays(now)) + ".groups")
	if err != nil {
		t.Fatal(err)
	}
	text := string(good)
	lines := strings.SplitAfter(text, "\n")
	for what, c := range map[string]struct{ content, told string }{
		"cut off":             {text[:len(text)-20], "group 2 of 2"},
		"cut between lines":   {lines[0] + lines[1], "group 2 of 2"},
		"no JSON":             {"\x00\x01\x02", "invalid character"},
		"empty":               {"", "EOF"},
		"of a later warder":   {strings.Replace(text, `"version":1`, `"version":2`, 1), "another version"},
		"of another cluster":  {strings.Replace(text, "kafka-2:9092", "kafka-9:9092", 1), "other brokers"},
		"columns do not fit":  {strings.Replace(text, `"committed":[100,100]`, `"committed":[100]`, 1), "makes no sense"},
		"an offset is a text": {strings.Replace(text, `"committed":[100,100]`, `"committed":["x"]`, 1), "cannot unmarshal"},
	} {
		t.Run(what, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "state.json")
			if err := os.WriteFile(file+".groups", []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(`{"version":1,"brokers":[{"node_id":7,"address":"b:1","last_seen":"2026-11-23T17:00:00Z"}],"ports":{"default":{"7":9099}},"topics":[{"name":"users"}]}`), 0o600); err != nil {
				t.Fatal(err)
			}
			e, log := idleServer(t, file, now)
			if found, _ := e.View(rules.ByGroup, "billing", func(rules.ModelState) {}); found {
				t.Error("half of a file is worse than none")
			}
			if got := log.String(); !strings.Contains(got, "the state file of groups cannot be used") || !strings.Contains(got, c.told) || strings.Contains(got, "the state file cannot be used") {
				t.Errorf("want %q, told %s", c.told, got)
			}
			if ports, err := RememberedPorts(&configs.Config{StateFile: configs.Path(file)}); err != nil || ports["default"][7] != 9099 {
				t.Errorf("%v %v", ports, err)
			}
		})
	}
}

// Nothing is written when nothing has happened, and a crash while writing leaves the file that was there.
func TestFileOfGroupsIsReplacedWhole(t *testing.T) {
	dir := t.TempDir()
	f := newGroupFile(&configs.Config{StateFile: configs.Path(filepath.Join(dir, "state.json")), Upstream: configs.Upstream{Bootstrap: []configs.Address{"kafka:9092"}}})
	now := time.Now()
	group := sixDays(now)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(f.write([]*state.SavedGroup{group}))
	first, err := os.Stat(f.path)
	must(err)
	must(f.write([]*state.SavedGroup{sixDays(now)}))
	same, err := os.Stat(f.path)
	must(err)
	if !os.SameFile(first, same) {
		t.Error("it was written although nothing had changed")
	}
	group.Topics[0].Committed[0]++
	must(f.write([]*state.SavedGroup{group}))
	next, err := os.Stat(f.path)
	must(err)
	if os.SameFile(first, next) {
		t.Error("it was not replaced")
	}
	must(os.Remove(f.path))
	must(os.Mkdir(f.path, 0o700)) // which no file can replace
	group.Topics[0].Committed[0]++
	if err := f.write([]*state.SavedGroup{group}); err == nil {
		t.Error("no error")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%v left behind", left)
	}
}

// A hundred thousand partitions in groups large and small, all different, take so many bytes in the file.
func TestFileOfGroupsStaysSmall(t *testing.T) {
	const most = 8 << 20
	logs := state.NewLogs(0)
	groups := state.NewGroups(logs)
	now := time.Now()
	list := manyGroups(groups, logs, now)
	f := newGroupFile(&configs.Config{StateFile: configs.Path(filepath.Join(t.TempDir(), "state.json")), Upstream: configs.Upstream{Bootstrap: []configs.Address{"kafka:9092"}}})
	begin := time.Now()
	saved := make([]*state.SavedGroup, len(list))
	for i, g := range list {
		saved[i] = g.Save()
	}
	copied := time.Since(begin)
	if err := f.write(saved); err != nil {
		t.Fatal(err)
	}
	written := time.Since(begin)
	info, err := os.Stat(f.path)
	if err != nil {
		t.Fatal(err)
	}
	begin = time.Now()
	back, err := f.read()
	if err != nil {
		t.Fatal(err)
	}
	again := state.NewGroups(state.NewLogs(0))
	for i := range back {
		again.Restore(&back[i], now)
	}
	t.Logf("%d partitions in %d groups: %.1f MiB; copied in %v, written in %v, read in %v", groups.Len(), len(list), float64(info.Size())/(1<<20), copied, written, time.Since(begin))
	if info.Size() > most || groups.Len() != state.DefaultGroupPartitions || again.Len() != groups.Len() {
		t.Errorf("%d bytes for %d partitions, %d of them restored", info.Size(), groups.Len(), again.Len())
	}
}

// manyGroups fills the model: one group with half of the partitions, and a thousand with the other half.
func manyGroups(groups *state.Groups, logs *state.Logs, now time.Time) (list []*state.Group) {
	fill := func(group string, partitions int) {
		g, _ := groups.New(group, now).(*state.Group)
		ev := rules.Committed{Client: rigClient, Membership: rules.Membership{Group: group, Generation: 1}}
		for back := int64(2); back >= 0; back-- { // it commits twice, and goes back once
			ev.At, ev.Offsets = now.Add(-time.Duration(len(list))*7*time.Second-time.Duration(back)*time.Minute), nil
			for p := range partitions {
				tp := rules.TopicPartition{Topic: fmt.Sprintf("orders-of-%s-%d", group, p/500), Partition: int32(p % 500)}
				end := 9_000_000_000 + int64(p)*4567
				logs.Learn(tp, state.LogEnds{HighWatermark: end, At: now, LastStableOffset: -1, LogStartOffset: end - 5_000_000, StartAt: now})
				offset := end - int64(p)
				if back == 1 {
					offset -= 1000
				}
				ev.Offsets = append(ev.Offsets, rules.PartitionOffset{TopicPartition: tp, Offset: offset})
			}
			g.Apply(ev)
		}
		g.Tick(now)
		list = append(list, g)
	}
	fill("large", state.DefaultGroupPartitions/2)
	for i := range 1000 {
		fill(fmt.Sprintf("billing-%04d", i), state.DefaultGroupPartitions/2/1000)
	}
	return list
}

// The head says what the file is; its names are as stable as those of the state file.
func TestHeadOfTheFileOfGroups(t *testing.T) {
	data, err := json.Marshal(groupsHead{Version: 1, Bootstrap: []configs.Address{"a:1"}, Groups: 3})
	if err != nil || string(data) != `{"version":1,"bootstrap":["a:1"],"groups":3}` {
		t.Errorf("%s %v", data, err)
	}
}
