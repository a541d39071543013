package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warder/rules"
	"warder/rules/state"
)

// What is told of a share group: what its members said of records, and which of them
// come again and again; nothing of committed offsets.
func TestStoryOfAShareGroup(t *testing.T) {
	logs, now := state.NewLogs(0), time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	g, _ := state.NewGroups(logs).New("billing", now).(*state.Group)
	logs.Learn(orders17, state.LogEnds{HighWatermark: 300, At: now, LastStableOffset: -1, LogStartOffset: 0, StartAt: now})
	member := func(id string) rules.Membership { return rules.Membership{Group: "billing", MemberID: id} }
	for i, id := range []string{"m1", "m2"} {
		g.Apply(rules.ConsumerHeartbeat{
			At: now, Requested: now, Client: billing1, Membership: member(id), Protocol: rules.ShareEpochs, Epoch: int32(i + 1), HeartbeatInterval: 5 * time.Second,
			Topics: []string{"orders"}, Said: true, Assigned: []rules.TopicPartition{orders17}, AssignedSaid: true,
		})
	}
	g.Apply(rules.ShareOffsets{At: now, Client: adminCLI, Group: "billing", Offsets: []rules.PartitionOffset{{TopicPartition: orders17, Offset: 100}}})
	for times := range int16(3) {
		g.Apply(rules.Acquired{At: now, Client: billing1, Membership: member("m1"), Records: []rules.AcquiredRecords{{TopicPartition: orders17, First: 200, Last: 204, DeliveryCount: times + 1}}})
		now = now.Add(time.Second)
		g.Apply(rules.Acknowledged{At: now, Client: billing1, Membership: member("m1"), Records: []rules.AcknowledgedRecords{{TopicPartition: orders17, First: 204, Last: 204, Type: rules.AckRelease}}})
	}
	g.Apply(rules.Acknowledged{At: now, Client: billing1, Membership: member("m1"), Records: []rules.AcknowledgedRecords{
		{TopicPartition: orders17, First: 202, Last: 202, Type: rules.AckAccept}, {TopicPartition: orders17, First: 203, Last: 203, Type: rules.AckReject},
	}})
	g.Tick(now)
	const want = `group billing: 2 members, 1 partition (share, generation 2)
warder first heard of the group at 14:00:00: it may not know all members yet.

Its members accepted 1 record, gave back 3 and rejected 1 since 14:00:00, when warder first heard of the group. Where it stands only the brokers know: kafka-share-groups --describe asks them.
Delivered again: 3 records not accepted yet.

orders/17: 2 records (offsets 200 to 201): delivered 3 times, given back 0 times, since 14:00:01
           offset 204: delivered 3 times, given back 3 times, since 14:00:01
           at 14:00:00 all before 100 was done with; delivered up to 204 at 14:00:02; accepted 1, gave back 3, rejected 1; the log begins at 0 and ends at 300; read by 2 members

Rebalances, newest first:
  14:00:00, goes on: a member joined, billing-1 (10.0.0.1)
  14:00:00, 0s: a member joined, billing-1 (10.0.0.1)

What to do:
  - What a member rejects is given to nobody any more: look into its log why, and let it write such records to a dead letter topic.
`
	teller := teller{now: now, zone: time.UTC}
	var out bytes.Buffer
	if err := teller.write(&out, teller.tell(g.View(now), nil)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(out.String(), "\n")); diff != "" {
		t.Error(diff)
	}
}

// What the coordinator of a Streams group finds wanting is told.
func TestStoryOfAStreamsGroup(t *testing.T) {
	now := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	g, _ := state.NewGroups(state.NewLogs(0)).New("app", now).(*state.Group)
	g.Apply(rules.ConsumerHeartbeat{
		At: now, Requested: now, Client: billing1, Membership: rules.Membership{Group: "app", MemberID: "m1"}, Protocol: rules.StreamsEpochs, Epoch: 1,
		HeartbeatInterval: 5 * time.Second, Streams: &rules.StreamsHeartbeat{Status: []string{"missing source topics: Source topics orders are missing."}},
	})
	teller := teller{now: now.Add(time.Minute), zone: time.UTC}
	var out bytes.Buffer
	if err := teller.write(&out, teller.tell(g.View(teller.now), nil)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"(streams, generation 1)", "The coordinator says of billing-1 (10.0.0.1): missing source topics: Source topics orders are missing.\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("not said: %s\n%s", want, out.String())
		}
	}
}
