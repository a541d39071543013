package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// consumer joins group billing through warder and reads all of topic users.
func (s *served) consumer(t *testing.T) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(
		kgo.SeedBrokers(s.proxy.Addresses()[0]), kgo.ClientID("billing-1"), kgo.ConsumerGroup("team/billing"), kgo.ConsumeTopics("users"),
		kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond),
	)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *served) produce(t *testing.T, n int) {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(s.proxy.Addresses()[0]), kgo.ClientID("profile-svc"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range n {
		r := &kgo.Record{Topic: "users", Key: fmt.Append(nil, i), Value: []byte("v")}
		if err := c.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// read polls until n records have come.
func read(t *testing.T, c *kgo.Client, n int) {
	t.Helper()
	for n > 0 {
		fetched := c.PollFetches(t.Context())
		if err := fetched.Err(); err != nil {
			t.Fatal(err)
		}
		n -= fetched.NumRecords()
	}
}

// A real consumer's group can be read about while it lags and after it has left.
func TestExplainGroup(t *testing.T) {
	s := serve(t, "")
	if none := s.ask(t, "explain", "group", "g"); none.status != 1 || !strings.Contains(none.stderr, "has seen no group at all") {
		t.Errorf("no group yet: %+v", none)
	}
	s.produce(t, 5)
	c := s.consumer(t)
	defer c.Close()
	read(t, c, 5)
	if err := c.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.produce(t, 3)

	waitFor(t, "the lag", func() bool {
		list := s.groups(time.Now()).Groups
		return len(list) == 1 && list[0].Lag == 3
	})
	story := s.ask(t, "explain", "group", "team/billing", "topic", "users").stdout
	for _, want := range []string{
		"group team/billing, topic users: 1 member, 1 partition, 3 records behind (classic, cooperative-sticky, generation ",
		"0: committed 5 at ", "the log begins at 0 and ends at 8: 3 records", "read by billing-1 (127.0.0.1)", "a member joined, billing-1 (127.0.0.1)",
	} {
		if !strings.Contains(story, want) {
			t.Errorf("no %q in\n%s", want, story)
		}
	}
	s.explainedAsJSON(t)
	s.groupMetrics(t)

	if wrong := s.ask(t, "explain", "group", "team/biling"); wrong.status != 1 ||
		!strings.Contains(wrong.stderr, "never seen through this warder") || !strings.Contains(wrong.stderr, "did you mean team/billing?") {
		t.Errorf("a slip of the keyboard: %+v", wrong)
	}
	if other := s.ask(t, "explain", "group", "team/billing", "topic", "user"); !strings.Contains(other.stdout, "Did you mean users?") {
		t.Errorf("another topic: %+v", other)
	}

	if err := c.LeaveGroupContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the empty group", func() bool { return s.groups(time.Now()).Groups[0].Members == 0 })
	if story = s.ask(t, "explain", "group", "team/billing").stdout; !strings.Contains(story, "0 members") || !strings.Contains(story, "read by nobody: the group has had no members since ") {
		t.Error(story)
	}
}

func (s *served) explainedAsJSON(t *testing.T) {
	t.Helper()
	var told struct {
		Group struct {
			ID      string
			Members []struct {
				Client   struct{ ClientID string }
				Assigned []struct {
					Topic      string
					Partitions []int32
				}
			}
			Partitions []struct {
				Committed, End, Lag *int64
			}
		}
		Verdict, Advice []string
		Findings        []any
	}
	out := s.ask(t, "explain", "group", "team/billing", "--output", "json")
	if err := json.Unmarshal([]byte(out.stdout), &told); err != nil {
		t.Fatalf("%v: %+v", err, out)
	}
	g := told.Group
	if g.ID != "team/billing" || len(g.Members) != 1 || len(g.Members[0].Assigned) != 1 || g.Members[0].Assigned[0].Topic != "users" || len(told.Verdict) != 1 {
		t.Errorf("%s", out.stdout)
	}
	if len(g.Partitions) != 1 || g.Partitions[0].Lag == nil || *g.Partitions[0].Lag != 3 || *g.Partitions[0].Committed != 5 || *g.Partitions[0].End != 8 {
		t.Errorf("%s", out.stdout)
	}
}

// groupMetrics looks for the group's series on the metrics page.
func (s *served) groupMetrics(t *testing.T) {
	t.Helper()
	families, err := s.metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	for _, f := range families {
		page.WriteString(f.String() + "\n")
	}
	// Rebalances count a minute after their end: proxy/metrics_groups_test.go has them.
	for _, want := range []string{"warder_group_lag_records", "warder_group_committed_offset"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("no %s among the metrics", want)
		}
	}
}

func TestExplainGroupWantsAGroup(t *testing.T) {
	for line, says := range map[string]string{
		"explain group":               "which group? explain group G [topic T]",
		"explain group g orders":      "want: explain group G [topic T]",
		"explain group g tpic orders": "want: explain group G [topic T]",
	} {
		if got := warder(t, nil, strings.Fields(line)...); got.status != 2 || !strings.Contains(got.stderr, says) {
			t.Errorf("%s: %+v", line, got)
		}
	}
}
