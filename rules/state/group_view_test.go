package state_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warder/rules"
	"warder/rules/state"
)

// skipped is a group that was sent to the end: its offset had expired.
func skipped(t *testing.T) *groupStory {
	t.Helper()
	s := consuming(t)
	s.commit("m1", 0, 200)
	s.wait(10 * time.Second)
	s.logs.Learn(orders(0), state.LogEnds{HighWatermark: 300, At: s.now, LastStableOffset: -1, LogStartOffset: 150, StartAt: s.now})
	s.wait(time.Second)
	s.group.Apply(rules.OffsetsFetched{At: s.now, Group: "g", Offsets: []rules.PartitionOffset{{TopicPartition: orders(0), Offset: -1}}})
	s.group.Apply(rules.OffsetsListed{At: s.now, Client: client("m1"), Membership: s.membership("m1"), TopicPartition: orders(0), Timestamp: rules.LatestTimestamp, Offset: 300})
	s.fetch("m1", 0, 300, 0, 0)
	return s
}

// The names of the view are a contract with scripts.
func TestGroupViewIsStableJSON(t *testing.T) {
	s := skipped(t)
	s.wait(time.Second)
	got, err := json.MarshalIndent(s.group.View(s.now), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
 "id": "g",
 "protocol": "classic",
 "assignor": "range",
 "generation": 1,
 "since": "2026-11-23T17:00:00Z",
 "last_event": "2026-11-23T17:00:12Z",
 "partial": false,
 "learning": false,
 "topics": [
  "orders"
 ],
 "members": [
  {
   "id": "m1",
   "client": {
    "client_id": "billing",
    "remote": "10.0.0.49:5000",
    "software": "apache-kafka-java"
   },
   "joined": "2026-11-23T17:00:01Z",
   "health": "expired",
   "silent_ms": 12000,
   "session_timeout_ms": 10000,
   "unpolled_ms": 1000,
   "max_poll_interval_ms": 60000,
   "assigned": [
    {
     "topic": "orders",
     "partitions": [
      0
     ]
    }
   ]
  }
 ],
 "partitions": [
  {
   "topic": "orders",
   "partition": 0,
   "committed": 200,
   "committed_at": "2026-11-23T17:00:01Z",
   "forgotten_since": "2026-11-23T17:00:12Z",
   "advanced_at": "2026-11-23T17:00:01Z",
   "position": 300,
   "position_at": "2026-11-23T17:00:12Z",
   "log_start": 150,
   "end": 300,
   "owner": "m1",
   "moves": [
    {
     "kind": "expired",
     "at": "2026-11-23T17:00:12Z",
     "from": 200,
     "to": 200,
     "records": 0
    },
    {
     "kind": "reset-latest",
     "at": "2026-11-23T17:00:12Z",
     "from": 200,
     "to": 300,
     "records": 100,
     "by": {
      "client_id": "billing",
      "remote": "10.0.0.49:5000",
      "software": "apache-kafka-java"
     }
    }
   ]
  }
 ],
 "rebalances": [
  {
   "generation": 1,
   "start": "2026-11-23T17:00:00Z",
   "duration_ms": 1000,
   "cause": "member-joined",
   "who": {
    "client_id": "billing",
    "remote": "10.0.0.49:5000",
    "software": "apache-kafka-java"
   },
   "joined": 1,
   "left": 0,
   "stopped_ms": 0,
   "stopped_members": 0
  }
 ]
}`
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Error(diff)
	}
}

// A view is a copy: what happens afterwards does not change it.
func TestGroupViewIsACopy(t *testing.T) {
	s := skipped(t)
	before := s.group.View(s.now)
	text := fmt.Sprintf("%+v", before)
	s.commit("m1", 0, 100)
	s.join("range", "m1", "m2")
	s.sync(map[string][]int32{"m1": {1}, "m2": {0}})
	if after := fmt.Sprintf("%+v", before); after != text {
		t.Errorf("was %s\nis  %s", text, after)
	}
	if v := s.group.View(s.now); len(v.Members) != 2 || v.Members[1].ID != "m2" || len(v.Partitions) != 2 || v.Partitions[0].Owner != "m2" {
		t.Errorf("%+v", v)
	}
}

func TestGroupViewOfAnUnreadableMember(t *testing.T) {
	s := newGroupStory(t)
	s.gen = 41
	s.beat(0, "m1")
	v := s.group.View(s.now)
	if len(v.Members) != 1 || v.Members[0].Assigned != nil || !v.Learning {
		t.Errorf("%+v", v)
	}
	s.beat(0, "m1")
	if v := s.group.View(s.now.Add(time.Minute)); v.Learning {
		t.Error("a minute is enough to hear of every member")
	}
}

func TestGroupLineNamesTheWorstPartition(t *testing.T) {
	s := newGroupStory(t)
	s.join("range", "m1")
	s.sync(map[string][]int32{"m1": {0, 1, 2}})
	if l := s.group.Line(s.now); l.Worst != nil || l.Lag != 0 || l.Partitions != 3 || l.Members != 1 {
		t.Errorf("%+v", l)
	}
	for p, end := range []int64{10, 40, 40} {
		s.commit("m1", int32(p), 5)
		s.end(int32(p), end)
	}
	s.wait(time.Second)
	l := s.group.Line(s.now)
	if l.Lag != 5+35+35 || l.Worst == nil || l.Worst.Partition != 1 || l.Worst.Lag != 35 || l.LastRebalance == nil || l.LastRebalance.Cause != "member-joined" {
		t.Errorf("%+v %+v", l, l.Worst)
	}
}

func TestAdvancedIsWhenACommitRose(t *testing.T) {
	s := consuming(t)
	s.commit("m1", 0, 10)
	rose := s.now
	for range 5 {
		s.wait(10 * time.Second)
		s.commit("m1", 0, 10)
	}
	if at := s.group.View(s.now).Partitions[0].Advanced; !at.Equal(rose) {
		t.Errorf("it did not rise since: %v", at)
	}
	s.wait(10 * time.Second)
	s.commit("m1", 0, 11)
	if at := s.group.View(s.now).Partitions[0].Advanced; !at.Equal(s.now) {
		t.Errorf("%v", at)
	}
}

func TestRebalancedCountsWhatHasEnded(t *testing.T) {
	s := newGroupStory(t)
	s.join("cooperative-sticky", "m1")
	s.sync(map[string][]int32{"m1": {0, 1}})
	s.wait(time.Minute)
	s.beat(0, "m1")
	s.join("cooperative-sticky", "m1", "m2")
	s.sync(map[string][]int32{"m1": {0}, "m2": nil})
	s.join("cooperative-sticky", "m1", "m2")
	s.sync(map[string][]int32{"m1": {0}, "m2": {1}})
	s.wait(2 * time.Minute)
	if n := s.group.Rebalanced(); n[state.CauseMemberJoined] != 2 || n[state.CauseUnknown] != 0 {
		t.Errorf("the second half of a cooperative change is not another: %v", n)
	}
}
