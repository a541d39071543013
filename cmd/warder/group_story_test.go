package main

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warder/rules"
	"warder/rules/state"
)

// groupPast tells the model of group billing what happens to it. Its one member,
// billing-1, reads partition 17 of orders.
type groupPast struct {
	group *state.Group
	logs  *state.Logs
	now   time.Time
}

var (
	billing1 = &rules.Identity{ClientID: "billing-1", SoftwareName: "apache-kafka-java", SoftwareVersion: "4.1.0", Remote: netip.MustParseAddrPort("10.0.0.1:5000")}
	adminCLI = &rules.Identity{ClientID: "adminclient-1", Remote: netip.MustParseAddrPort("10.0.0.9:6000")}
	orders17 = rules.TopicPartition{Topic: "orders", Partition: 17}
)

func newGroupPast() *groupPast {
	h := &groupPast{logs: state.NewLogs(0), now: time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)}
	h.group, _ = state.NewGroups(h.logs).New("billing", h.now).(*state.Group)
	member := rules.Membership{Group: "billing", MemberID: "m1", Generation: 1}
	h.group.Apply(rules.JoinRequested{
		At: h.now, Client: billing1, Membership: rules.Membership{Group: "billing", Generation: -1}, SessionTimeout: 45 * time.Second,
		RebalanceTimeout: 5 * time.Minute, ProtocolType: "consumer", Protocols: []string{"range"}, Topics: []string{"orders"}, Metadata: 1,
	})
	h.pass(time.Second)
	h.group.Apply(rules.Joined{At: h.now, Client: billing1, Membership: member, Requested: h.now.Add(-time.Second), Protocol: "range", Leader: "m1", Members: []rules.GroupMember{{MemberID: "m1"}}})
	h.group.Apply(rules.Synced{At: h.now, Client: billing1, Membership: member, Assigned: []rules.TopicPartition{orders17}, Readable: true})
	h.pass(time.Second)
	return h
}

func (h *groupPast) member() rules.Membership {
	return rules.Membership{Group: "billing", MemberID: "m1", Generation: h.group.Generation}
}

// pass lets time pass, with the member's heartbeats.
func (h *groupPast) pass(d time.Duration) {
	for end := h.now.Add(d); h.now.Before(end); {
		h.now = h.now.Add(time.Second)
		if h.group.Member("m1") != nil {
			h.group.Apply(rules.Heartbeat{At: h.now, Requested: h.now, Client: billing1, Membership: h.member()})
		}
		h.group.Tick(h.now)
	}
}

func (h *groupPast) log(start, end int64) {
	h.logs.Learn(orders17, state.LogEnds{HighWatermark: end, At: h.now, LastStableOffset: -1, LogStartOffset: start, StartAt: h.now})
	h.pass(time.Second)
}

func (h *groupPast) commits(offset int64) {
	h.group.Apply(rules.Committed{At: h.now, Requested: h.now, Client: billing1, Membership: h.member(), Offsets: []rules.PartitionOffset{{TopicPartition: orders17, Offset: offset}}})
}

func (h *groupPast) fetches(offset, bytes int64, code int16) {
	ev := rules.MemberFetched{
		At: h.now, Client: billing1, Membership: h.member(), TopicPartition: orders17, FetchOffset: offset, Bytes: bytes, ErrorCode: code,
		HighWatermark: -1, LastStableOffset: -1, LogStartOffset: -1, ReadOffset: -1,
	}
	if bytes > 0 {
		ev.ReadOffset = offset
	}
	h.group.Apply(ev)
}

// sent has the member look for an end of the log, and go on there.
func (h *groupPast) sent(timestamp, offset int64) {
	h.group.Apply(rules.OffsetsListed{At: h.now, Client: billing1, Membership: h.member(), TopicPartition: orders17, Timestamp: timestamp, Offset: offset})
	h.fetches(offset, 0, 0)
}

func (h *groupPast) finds(offset int64) {
	h.group.Apply(rules.OffsetsFetched{At: h.now, Client: billing1, Group: "billing", Offsets: []rules.PartitionOffset{{TopicPartition: orders17, Offset: offset}}})
}

// about is a finding about topics.
func (h *groupPast) about(rule, topic, summary, advice string, evidence ...rules.Fact) rules.Finding {
	return rules.Finding{ID: "01F-" + rule, Rule: rule, Severity: rules.Warning, Subject: rules.Subject{Topic: topic}, Summary: summary, Advice: advice, Evidence: evidence, LastTime: h.now}
}

// TestGroupStories are the four ways in which messages disappear, and what else may
// have become of them.
func TestGroupStories(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(*groupPast) []rules.Finding
		topic   string
		want    string
	}{
		"retention expired, and the group came back": {func(h *groupPast) []rules.Finding {
			h.log(0, 120)
			h.commits(100)
			h.pass(20 * time.Second)
			h.log(170, 300)
			h.fetches(100, 0, 1)
			h.sent(rules.EarliestTimestamp, 170)
			h.pass(10 * time.Second)
			h.commits(300)
			return nil
		}, "orders", `
group billing, topic orders: 1 member, 1 partition, 0 records behind (classic, range, generation 1)
warder first heard of the group at 14:00:00: it may not know all members yet.

Retention expired: 70 records in 1 partition had been removed from the log before the group read them.

17: went on at offset 170 at 14:00:24 when billing-1 found its place removed by retention and auto.offset.reset=earliest sent it to the beginning
    lost 70 records (offsets 100 to 169) to retention: at 14:00:24 billing-1 asked for 100, and the log had come to begin at 170
    committed 300 at 14:00:34, the log begins at 170 and ends at 300: at the end; read by billing-1 (10.0.0.1)

Rebalances, newest first:
  14:00:00, 1s: a member joined, billing-1 (10.0.0.1)

What to do:
  - What retention removed is gone here; only the producer, a mirror or a backup still has it. Let retention.ms of orders be longer than the group may stand still, or bound what may pile up.
`},
		"retention expired, and the group has not noticed": {func(h *groupPast) []rules.Finding {
			h.log(0, 120)
			h.commits(100)
			h.pass(2 * time.Minute)
			h.log(170, 300)
			return nil
		}, "", `
group billing: 1 member, 1 partition, 130 records behind (classic, range, generation 1)

Retention expired: 70 records in 1 partition had been removed from the log before the group read them.
Stuck: 130 records wait in 1 partition where the group does not move; they are not lost.

orders/17: lost 70 records (offsets 100 to 169) to retention: the log begins at 170 now, and the group had not read them
           committed 100 at 14:00:03, the log begins at 170 and ends at 300: 130 records behind; read by billing-1 (10.0.0.1), and no commit has gone forward since 14:00:03

Rebalances, newest first:
  14:00:00, 1s: a member joined, billing-1 (10.0.0.1)

What to do:
  - What retention removed is gone here; only the producer, a mirror or a backup still has it. Let retention.ms of orders be longer than the group may stand still, or bound what may pile up.
  - Look into the log of the client that reads a partition which does not move: it may fail at a record again and again, or wait for something else.
`},
		"retention expired while nobody reads": {func(h *groupPast) []rules.Finding {
			h.log(0, 120)
			h.commits(100)
			h.group.Apply(rules.Left{At: h.now, Client: billing1, Group: "billing", Members: []rules.LeavingMember{{MemberID: "m1"}}})
			h.pass(10 * time.Second)
			h.log(170, 300)
			return []rules.Finding{h.about("retention-loss", "orders", "group billing has lost 70 records of topic orders", "They are gone.")}
		}, "", `
group billing: 0 members, 1 partition, 130 records behind (classic, range, generation 1)
warder first heard of the group at 14:00:00: it may not know all members yet.

Retention expired: 70 records in 1 partition had been removed from the log before the group read them.
Nobody reads: the group has had no members since 14:00:03, and 130 records wait in 1 partition; they are not lost.

orders/17: lost 70 records (offsets 100 to 169) to retention: the log begins at 170 now, and the group had not read them
           committed 100 at 14:00:03, the log begins at 170 and ends at 300: 130 records behind; read by nobody: the group has had no members since 14:00:03

Rebalances, newest first:
  14:00:00, 1s: a member joined, billing-1 (10.0.0.1)

Findings (warder explain ID):
  01F-retention-loss  retention-loss, warning, 14:00:14
    group billing has lost 70 records of topic orders

What to do:
  - Where the group had committed is not in the log any more, so auto.offset.reset decides where it goes on, and latest skips all that is left. Before its consumers start, set it to the beginning, partition 17 with: kafka-consumer-groups --bootstrap-server ... --group billing --topic orders:17 --reset-offsets --to-earliest --execute
  - What retention removed is gone here; only the producer, a mirror or a backup still has it. Let retention.ms of orders be longer than the group may stand still, or bound what may pile up.
`},
		"the offsets expired, and latest skipped the rest": {func(h *groupPast) []rules.Finding {
			h.log(150, 200)
			h.commits(200)
			h.pass(3 * time.Minute)
			h.log(150, 300)
			h.finds(-1)
			h.sent(rules.LatestTimestamp, 300)
			h.pass(10 * time.Second)
			h.commits(300)
			return nil
		}, "orders", `
group billing, topic orders: 1 member, 1 partition, 0 records behind (classic, range, generation 1)

Skipped: the group passed by 100 records in 1 partition.

17: skipped 100 records (offsets 200 to 299) at 14:03:04 when billing-1 found no committed offset and auto.offset.reset=latest sent it to the end; 200, which it had committed, had expired (offsets.retention.minutes), or was deleted where warder does not see it
    committed 300 at 14:03:14, the log begins at 150 and ends at 300: at the end; read by billing-1 (10.0.0.1)

Rebalances, newest first:
  14:00:00, 1s: a member joined, billing-1 (10.0.0.1)

What to do:
  - To read again what was skipped, stop the group and set it back, for partition 17 with: kafka-consumer-groups --bootstrap-server ... --group billing --topic orders:17 --reset-offsets --to-offset 200 --execute
  - auto.offset.reset=earliest reads too much rather than too little; offsets.retention.minutes of the brokers should be longer than the group may be away.
`},
		"the wrong topic is written": {func(h *groupPast) []rules.Finding {
			h.log(0, 100)
			h.commits(100)
			h.pass(2 * time.Minute)
			return []rules.Finding{
				h.about("wrong-topic", "orders-v2", "topic orders-v2 is written by shop and read by nobody, while orders is read and no longer written", "Let shop write to orders.", rules.Fact{Name: "look_alike", Value: "orders"}),
				h.about("wrong-topic", "users-v2", "another story", "None of it."),
			}
		}, "orders", `
group billing, topic orders: 1 member, 1 partition, 0 records behind (classic, range, generation 1)

Wrong topic: the group stands at the end of all that it reads, and nothing of it was lost, so what is missing was not written there. Finding 01F-wrong-topic: topic orders-v2 is written by shop and read by nobody, while orders is read and no longer written.

17: committed 100 at 14:00:03, the log begins at 0 and ends at 100: at the end; read by billing-1 (10.0.0.1)

Rebalances, newest first:
  14:00:00, 1s: a member joined, billing-1 (10.0.0.1)

Findings (warder explain ID):
  01F-wrong-topic  wrong-topic, warning, 14:02:03

What to do:
  - Let shop write to orders.
`},
		"the wrong topic is asked about": {func(h *groupPast) []rules.Finding {
			h.pass(time.Minute)
			return nil
		}, "order", `
group billing, topic order: 1 member, 0 partitions, 0 records behind (classic, range, generation 1)

Wrong topic: group billing does not read topic order, as far as is seen here; it reads orders. Did you mean orders?

Rebalances, newest first:
  14:00:00, 1s: a member joined, billing-1 (10.0.0.1)

What to do:
  - Compare the name of the topic in the configurations of producer and consumer letter by letter.
`},
		"the wrong partition is watched": {func(h *groupPast) []rules.Finding {
			h.log(0, 100)
			h.commits(100)
			h.pass(2 * time.Minute)
			return []rules.Finding{h.about("key-drift", "orders", "shop wrote key sha256:1f of topic orders to partition 12; it was on 5 before", "Let all producers use one partitioner.")}
		}, "", `
group billing: 1 member, 1 partition, 0 records behind (classic, range, generation 1)

Wrong partition: who watches one partition of topic orders may miss what moved to another. Finding 01F-key-drift: shop wrote key sha256:1f of topic orders to partition 12; it was on 5 before.

orders/17: committed 100 at 14:00:03, the log begins at 0 and ends at 100: at the end; read by billing-1 (10.0.0.1)

Rebalances, newest first:
  14:00:00, 1s: a member joined, billing-1 (10.0.0.1)

Findings (warder explain ID):
  01F-key-drift  key-drift, warning, 14:02:03

What to do:
  - Let all producers use one partitioner.
`},
		"the consumer cannot read what is written": {func(h *groupPast) []rules.Finding {
			h.log(0, 50)
			h.commits(42)
			h.fetches(42, 100, 0)
			for range 5 {
				h.pass(time.Second)
				h.fetches(42, 100, 0)
			}
			h.pass(2 * time.Minute)
			return []rules.Finding{h.about("format-drift", "orders", "shop writes Avro to topic orders, whose records are JSON", "Let shop write JSON.")}
		}, "", `
group billing: 1 member, 1 partition, 8 records behind (classic, range, generation 1)

Serialization: a consumer that expects the old form fails at such a record or drops it, and its offset rises all the same. Finding 01F-format-drift: shop writes Avro to topic orders, whose records are JSON.
Stuck: 8 records wait in 1 partition where the group does not move; they are not lost.

orders/17: committed 42 at 14:00:03, the log begins at 0 and ends at 50: 8 records behind; read by billing-1 (10.0.0.1), which has fetched offset 42 6 times since 14:00:03 and does not get past it

Rebalances, newest first:
  14:00:00, 1s: a member joined, billing-1 (10.0.0.1)

Findings (warder explain ID):
  01F-format-drift  format-drift, warning, 14:02:08

What to do:
  - Look into the log of the client that reads a partition which does not move: it may fail at a record again and again, or wait for something else.
  - Let shop write JSON.
`},
		"somebody set the offsets back": {func(h *groupPast) []rules.Finding {
			h.log(0, 100)
			h.commits(100)
			h.pass(2 * time.Minute)
			h.group.Apply(rules.Committed{
				At: h.now, Client: adminCLI, Membership: rules.Membership{Group: "billing", Generation: -1},
				Offsets: []rules.PartitionOffset{{TopicPartition: orders17, Offset: 40}},
			})
			h.commits(100)
			return nil
		}, "", `
group billing: 1 member, 1 partition, 0 records behind (classic, range, generation 1)

Read again: the group went back by 60 records in 1 partition.

orders/17: went back and reads 60 records (offsets 40 to 99) again: at 14:02:03 adminclient-1 (10.0.0.9) set the offset from 100 to 40 from outside the group, as kafka-consumer-groups --reset-offsets does
           committed 100 at 14:02:03, the log begins at 0 and ends at 100: at the end; read by billing-1 (10.0.0.1)

Rebalances, newest first:
  14:00:00, 1s: a member joined, billing-1 (10.0.0.1)

What to do:
  - What went back is handled twice: whoever handles it must bear that. Look at who set the offset back, below the partition.
`},
		"somebody set the offsets ahead, and a rule tells it too": {func(h *groupPast) []rules.Finding {
			h.log(0, 100)
			h.commits(40)
			h.pass(2 * time.Minute)
			h.group.Apply(rules.Committed{
				At: h.now, Client: adminCLI, Membership: rules.Membership{Group: "billing", Generation: -1},
				Offsets: []rules.PartitionOffset{{TopicPartition: orders17, Offset: 100}},
			})
			return []rules.Finding{
				h.about("offset-rewind", "orders", "adminclient-1 set the offsets of group billing", "kafka-consumer-groups --reset-offsets sets them again.", rules.Fact{Name: "kind", Value: "set-by-admin"}),
				h.about("offset-reset", "orders", "group billing starts at the end", "Set it back: kafka-consumer-groups --reset-offsets."),
				h.about("offset-rewind", "orders", "group billing commits ahead of what it reads", "Look where the committed offset comes from.", rules.Fact{Name: "kind", Value: "skipped"}),
			}
		}, "", `
group billing: 1 member, 1 partition, 0 records behind (classic, range, generation 1)

Skipped: the group passed by 60 records in 1 partition.

orders/17: skipped 60 records (offsets 40 to 99): at 14:02:03 adminclient-1 (10.0.0.9) set the offset from 40 to 100 from outside the group, as kafka-consumer-groups --reset-offsets does
           committed 100 at 14:02:03, the log begins at 0 and ends at 100: at the end; read by billing-1 (10.0.0.1)

Rebalances, newest first:
  14:00:00, 1s: a member joined, billing-1 (10.0.0.1)

Findings (warder explain ID):
  01F-offset-rewind  offset-rewind, warning, 14:02:03
    adminclient-1 set the offsets of group billing
  01F-offset-reset  offset-reset, warning, 14:02:03
    group billing starts at the end
  01F-offset-rewind  offset-rewind, warning, 14:02:03
    group billing commits ahead of what it reads

What to do:
  - To read again what was skipped, stop the group and set it back, for partition 17 with: kafka-consumer-groups --bootstrap-server ... --group billing --topic orders:17 --reset-offsets --to-offset 40 --execute
  - Look where the committed offset comes from.
`},
		"all is well": {func(h *groupPast) []rules.Finding {
			h.log(0, 100)
			h.commits(90)
			h.pass(50 * time.Second)
			h.commits(98)
			h.pass(time.Second)
			return nil
		}, "", `
group billing: 1 member, 1 partition, 2 records behind (classic, range, generation 1)

Nothing was lost, skipped or read again since 14:00:00, when warder first heard of the group; 2 records in 1 partition are on their way.

orders/17: committed 98 at 14:00:53, the log begins at 0 and ends at 100: 2 records behind; read by billing-1 (10.0.0.1), and moves: its commits rose last at 14:00:53

Rebalances, newest first:
  14:00:00, 1s: a member joined, billing-1 (10.0.0.1)
`},
	} {
		t.Run(name, func(t *testing.T) {
			h := newGroupPast()
			found := c.happens(h)
			teller := teller{topic: c.topic, now: h.now, zone: time.UTC}
			var out bytes.Buffer
			if err := teller.write(&out, teller.tell(h.group.View(h.now), found)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(strings.TrimPrefix(c.want, "\n"), "\n"), strings.Split(out.String(), "\n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestStoryOfAGroupElsewhere: nobody of it comes through warder, which asks the cluster.
func TestStoryOfAGroupElsewhere(t *testing.T) {
	h := &groupPast{logs: state.NewLogs(0), now: time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)}
	h.group, _ = state.NewGroups(h.logs).New("billing", h.now).(*state.Group)
	asks := func(groupState string, members int, offset int64) {
		h.group.Apply(rules.GroupDescribed{At: h.now, Group: "billing", State: groupState, Members: members, ProtocolType: "consumer", Every: 30 * time.Second})
		h.group.Apply(rules.OffsetsFetched{At: h.now, Group: "billing", Looked: true, All: true, Offsets: []rules.PartitionOffset{{TopicPartition: orders17, Offset: offset}}})
		h.log(0, 500)
		h.pass(29 * time.Second)
	}
	told := func() string {
		teller := teller{now: h.now, zone: time.UTC}
		var out bytes.Buffer
		if err := teller.write(&out, teller.tell(h.group.View(h.now), nil)); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	asks("Stable", 2, 300)
	asks("Stable", 2, 400)
	asks("Stable", 2, 400)
	want := `group billing: 0 members, 1 partition, 100 records behind (classic, generation -1)
2 members of the group do not come through this warder: it asks the cluster every 30s what they commit, last at 14:01:00.

Nothing was lost, skipped or read again since 14:00:00, when warder first heard of the group; 100 records in 1 partition are on their way.

orders/17: committed 400 by 14:00:30, the log begins at 0 and ends at 500: 100 records behind; who reads it is not seen here, and moves: its commits rose last at 14:00:30
`
	if diff := cmp.Diff(want, told()); diff != "" {
		t.Error(diff)
	}
	for range 3 {
		asks("Empty", 0, 400)
	}
	want = `group billing: 0 members, 1 partition, 100 records behind (classic, generation -1)

Nobody reads: the group has had no members since 14:01:30, and 100 records wait in 1 partition; they are not lost.

orders/17: committed 400 by 14:00:30, the log begins at 0 and ends at 500: 100 records behind; read by nobody: the group has had no members since 14:01:30

What to do:
  - Start the consumers again: what waits is read from the committed offset on, as long as retention has not removed it.
`
	if diff := cmp.Diff(want, told()); diff != "" {
		t.Error(diff)
	}
}
