package state_test

import (
	"fmt"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/state"
)

func consuming(t *testing.T) *groupStory {
	t.Helper()
	s := newGroupStory(t)
	s.join("range", "m1")
	s.sync(map[string][]int32{"m1": {0}})
	return s
}

func (s *groupStory) partition() *state.GroupPartition { return s.group.Partition(orders(0)) }

func (s *groupStory) moves() string {
	text := ""
	for _, m := range s.partition().Moves() {
		text += fmt.Sprintf("%s %d→%d (%d) ", m.Kind, m.From, m.To, m.Records())
		if m.Cause != state.NotMoved {
			text += "after " + m.Cause.String() + " "
		}
	}
	return text
}

func TestLagInRecordsAndTime(t *testing.T) {
	s := consuming(t)
	if _, ok := s.partition().Lag(); ok {
		t.Error("nothing is known yet")
	}
	for i := range int64(191) { // a hundred records a second
		s.end(0, 100*i)
		s.wait(time.Second)
	}
	s.commit("m1", 0, 14_500)
	p := s.partition()
	lag, ok := p.Lag()
	old, known := p.TimeLag(s.now)
	if !ok || lag != 4500 || !known || old < 44*time.Second || old > 46*time.Second {
		t.Errorf("%d records %v, %v %v", lag, ok, old, known)
	}
	s.commit("m1", 0, 19_000)
	if lag, _ := p.Lag(); lag != 0 {
		t.Errorf("at the end: %d", lag)
	}
	if old, known := p.TimeLag(s.now); old != 0 || !known {
		t.Errorf("at the end: %v", old)
	}
	s.commit("m1", 0, 19_001) // the end is older news than the commit
	if lag, _ := p.Lag(); lag != 0 {
		t.Errorf("never negative: %d", lag)
	}
}

func TestWindowOfCommitsIsSpread(t *testing.T) {
	s := consuming(t)
	for i := range int64(100) {
		s.commit("m1", 0, i)
	}
	p := s.partition()
	if len(p.Commits()) != 2 || p.Commits()[1].Offset != 99 || p.Window() {
		t.Errorf("%v", p.Commits())
	}
	for i := range int64(30) {
		s.wait(5 * time.Second)
		s.commit("m1", 0, 100+i)
	}
	c := p.Commits()
	if !p.Window() || len(c) != 10 || c[9].Offset != 129 || c[0].Offset != 120 {
		t.Errorf("%v", c)
	}
}

func TestMoves(t *testing.T) {
	list := func(s *groupStory, timestamp, offset int64) {
		s.group.Apply(rules.OffsetsListed{At: s.now, Client: client("m1"), Membership: s.membership("m1"), TopicPartition: orders(0), Timestamp: timestamp, Offset: offset})
	}
	resumes := func(s *groupStory, offset int64) {
		s.group.Apply(rules.OffsetsFetched{At: s.now, Group: "g", Offsets: []rules.PartitionOffset{{TopicPartition: orders(0), Offset: offset}}})
	}
	known := func(s *groupStory, start, end int64) {
		s.logs.Learn(orders(0), state.LogEnds{HighWatermark: end, At: s.now, LastStableOffset: -1, LogStartOffset: start, StartAt: s.now})
		s.wait(time.Second)
	}
	for name, c := range map[string]struct {
		happens func(*groupStory)
		want    string
	}{
		"a commit goes on": {func(s *groupStory) { s.commit("m1", 0, 120); s.commit("m1", 0, 130) }, ""},
		"one record again": {func(s *groupStory) { s.commit("m1", 0, 99) }, ""},
		"rewound":          {func(s *groupStory) { s.commit("m1", 0, 40) }, "rewound 100→40 (-60) "},
		"skipped": {func(s *groupStory) {
			s.fetch("m1", 0, 100, 10, 0)
			s.commit("m1", 0, 5000)
			s.wait(4 * time.Second)
			s.fetch("m1", 0, 200, 10, 0)
		}, "skipped 200→5000 (4800) "},
		"faster than what is seen of its fetches": {func(s *groupStory) {
			s.fetch("m1", 0, 100, 10, 0)
			s.commit("m1", 0, 5000)
			s.wait(4 * time.Second)
			s.fetch("m1", 0, 9000, 10, 0)
		}, ""},
		"fetched far ahead": {func(s *groupStory) {
			s.fetch("m1", 0, 100, 10, 0)
			s.fetch("m1", 0, 5000, 10, 0)
			s.commit("m1", 0, 5000)
		}, ""},
		"an administrator": {func(s *groupStory) {
			s.group.Apply(rules.Committed{
				At: s.now, Client: client("m9"), Membership: rules.Membership{Group: "g", Generation: -1},
				Offsets: []rules.PartitionOffset{{TopicPartition: orders(0), Offset: 0}},
			})
		}, "set-by-admin 100→0 (-100) "},
		"latest": {func(s *groupStory) {
			known(s, 0, 300)
			list(s, rules.LatestTimestamp, 300)
			s.fetch("m1", 0, 300, 0, 0)
		}, "reset-latest 100→300 (200) "},
		"latest, with what retention took": {func(s *groupStory) {
			known(s, 150, 300)
			list(s, rules.LatestTimestamp, 300)
			s.fetch("m1", 0, 300, 0, 0)
		}, "reset-latest 100→300 (150) "},
		"earliest": {func(s *groupStory) {
			known(s, 20, 300)
			list(s, rules.EarliestTimestamp, 20)
			s.fetch("m1", 0, 20, 10, 0)
		}, "reset-earliest 100→20 (-80) "},
		"earliest, seen when it has got on": {func(s *groupStory) {
			known(s, 20, 300)
			list(s, rules.EarliestTimestamp, 20)
			ev := s.fetched("m1", 0, 300, 1000, 0)
			ev.ReadOffset = 20
			s.group.Apply(ev)
		}, "reset-earliest 100→20 (-80) "},
		"latest, seen by a commit": {func(s *groupStory) {
			known(s, 0, 300)
			s.group.Apply(rules.OffsetsDeleted{At: s.now, Client: client("m9"), Group: "g"})
			list(s, rules.LatestTimestamp, 300)
			s.commit("m1", 0, 300)
			s.fetch("m1", 0, 300, 0, 0)
		}, "deleted 100→100 (0) reset-latest 100→300 (200) after deleted "},
		"asks where it ends, and has read it by then": {func(s *groupStory) {
			known(s, 0, 300)
			list(s, rules.LatestTimestamp, 300)
			s.commit("m1", 0, 300)
		}, ""},
		"by time": {func(s *groupStory) {
			list(s, 1_700_000_000_000, 70)
			s.fetch("m1", 0, 70, 10, 0)
		}, "reset-time 100→70 (-30) "},
		"asked, and stayed": {func(s *groupStory) {
			list(s, rules.LatestTimestamp, 300)
			s.fetch("m1", 0, 100, 10, 0)
			s.fetch("m1", 0, 300, 10, 0)
		}, ""},
		"asked long ago": {func(s *groupStory) {
			list(s, rules.LatestTimestamp, 300)
			s.wait(16 * time.Second)
			s.fetch("m1", 0, 300, 10, 0)
		}, ""},
		"asks for both ends, and waits at the end": {func(s *groupStory) {
			known(s, 0, 300)
			list(s, rules.LatestTimestamp, 300)
			list(s, rules.EarliestTimestamp, 0)
			s.wait(6 * time.Second)
			s.fetch("m1", 0, 300, 0, 0)
		}, "reset-latest 100→300 (200) "},
		"asks for both ends of an empty log": {func(s *groupStory) {
			known(s, 300, 300)
			list(s, rules.EarliestTimestamp, 300)
			list(s, rules.LatestTimestamp, 300)
			s.fetch("m1", 0, 300, 0, 0)
		}, "reset-earliest 100→300 (0) "},
		"asks for both ends of an empty log, the other way round": {func(s *groupStory) {
			known(s, 300, 300)
			list(s, rules.LatestTimestamp, 300)
			list(s, rules.EarliestTimestamp, 300)
			s.fetch("m1", 0, 300, 0, 0)
		}, "reset-earliest 100→300 (0) "},
		"asks where it ends, and has read on to there": {func(s *groupStory) {
			list(s, rules.LatestTimestamp, 300)
			ev := s.fetched("m1", 0, 300, 1000, 0)
			ev.ReadOffset = 100
			s.group.Apply(ev)
		}, ""},
		"an exporter's question": {func(s *groupStory) { list(s, -3, 300); s.fetch("m1", 0, 300, 0, 0) }, ""},
		"asks where it ends while it reads": {func(s *groupStory) {
			s.wait(time.Second)
			s.fetch("m1", 0, 100, 10, 0)
			list(s, rules.LatestTimestamp, 300)
			s.fetch("m1", 0, 300, 0, 0)
		}, ""},
		"another member asks": {func(s *groupStory) {
			list(s, rules.LatestTimestamp, 300)
			s.fetch("m2", 0, 300, 0, 0)
		}, ""},
		"lost its place, and committed before its Fetch was told": {func(s *groupStory) {
			s.wait(6 * time.Second)
			known(s, 20, 300)
			resumes(s, -1)
			list(s, rules.EarliestTimestamp, 20)
			s.commit("m1", 0, 320)
			s.fetch("m1", 0, 20, 10, 0)
		}, "expired 100→100 (0) reset-earliest 100→20 (-80) after expired "},
		"out of range, then latest": {func(s *groupStory) {
			s.wait(time.Second)
			s.fetch("m1", 0, 100, 10, 0)
			known(s, 170, 300)
			s.fetch("m1", 0, 100, 0, 1)
			list(s, rules.LatestTimestamp, 300)
			s.fetch("m1", 0, 300, 0, 0)
			s.commit("m1", 0, 300)
		}, "lost-to-retention 100→170 (70) reset-latest 100→300 (130) after lost-to-retention "},
		"reset to an earlier place, and commits": {func(s *groupStory) {
			known(s, 20, 300)
			list(s, rules.EarliestTimestamp, 20)
			s.fetch("m1", 0, 20, 10, 0)
			s.commit("m1", 0, 30)
		}, "reset-earliest 100→20 (-80) "},
		"out of range, where the log begins is not known": {func(s *groupStory) {
			s.fetch("m1", 0, 100, 0, 1)
			s.fetch("m1", 0, 100, 0, 1)
			list(s, rules.EarliestTimestamp, 170)
		}, "lost-to-retention 100→170 (70) "},
		"out of range, and the log begins before it": {func(s *groupStory) {
			s.fetch("m1", 0, 100, 0, 1)
			list(s, rules.EarliestTimestamp, 20)
			s.fetch("m1", 0, 20, 10, 0)
		}, "truncated 100→-1 (0) reset-earliest 100→20 (-80) after truncated "},
		"out of range, and the log ends before it": {func(s *groupStory) {
			s.fetch("m1", 0, 100, 0, 1)
			list(s, rules.LatestTimestamp, 40)
		}, "truncated 100→40 (-60) "},
		"out of range, again and again": {func(s *groupStory) {
			known(s, 170, 300)
			for range 100 {
				s.fetch("m1", 0, 100, 0, 1)
				s.wait(time.Second)
			}
		}, "lost-to-retention 100→170 (70) "},
		"expired": {func(s *groupStory) {
			s.wait(6 * time.Second)
			resumes(s, -1)
			resumes(s, -1)
		}, "expired 100→100 (0) "},
		"set back past warder": {func(s *groupStory) {
			s.wait(6 * time.Second)
			resumes(s, 40)
		}, "set-by-admin 100→40 (-60) "},
		"set forward past warder": {func(s *groupStory) {
			s.wait(6 * time.Second)
			resumes(s, 140)
			s.commit("m1", 0, 150)
		}, ""},
		"an answer that a commit overtook": {func(s *groupStory) { resumes(s, 40) }, ""},
		"a transaction that may have been aborted": {func(s *groupStory) {
			s.group.Apply(rules.Committed{
				At: s.now, Client: client("m1"), Membership: s.membership("m1"), TransactionalID: "t",
				Offsets: []rules.PartitionOffset{{TopicPartition: orders(0), Offset: 200}},
			})
			s.commit("m1", 0, 150)
		}, ""},
		"retention": {func(s *groupStory) {
			known(s, 170, 300)
			s.fetch("m1", 0, 100, 0, 1)
		}, "lost-to-retention 100→170 (70) "},
		"truncated": {func(s *groupStory) {
			known(s, 0, 50)
			s.fetch("m1", 0, 100, 0, 1)
		}, "truncated 100→50 (-50) "},
		"deleted": {func(s *groupStory) {
			s.group.Apply(rules.OffsetsDeleted{At: s.now, Client: client("m9"), Group: "g"})
		}, "deleted 100→100 (0) "},
		"expired, as each member is told": {func(s *groupStory) {
			s.wait(6 * time.Second)
			for range 2 { // each member asks
				s.group.Apply(rules.OffsetsFetched{At: s.now, Group: "g", Offsets: []rules.PartitionOffset{{TopicPartition: orders(0), Offset: -1}}})
			}
		}, "expired 100→100 (0) "},
		"an answer that was overtaken by a commit": {func(s *groupStory) {
			s.group.Apply(rules.OffsetsFetched{At: s.now, Group: "g", Offsets: []rules.PartitionOffset{{TopicPartition: orders(0), Offset: -1}}})
		}, ""},
		"refused": {func(s *groupStory) {
			s.group.Apply(rules.Committed{At: s.now, Client: client("m1"), Membership: s.membership("m1"), Offsets: []rules.PartitionOffset{{TopicPartition: orders(0), Offset: 3, ErrorCode: 22}}})
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := consuming(t)
			s.commit("m1", 0, 100)
			c.happens(s)
			if got := s.moves(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestFirstCommitKnownFromOffsetFetch(t *testing.T) {
	s := consuming(t)
	ev := rules.OffsetsFetched{At: s.now, Group: "g", Offsets: []rules.PartitionOffset{{TopicPartition: orders(0), Offset: 100}, {TopicPartition: orders(1), Offset: -1}}}
	s.group.Apply(ev)
	s.commit("m1", 0, 40)
	if got := s.moves(); got != "rewound 100→40 (-60) " {
		t.Error(got)
	}
	if s.group.Partition(orders(1)) != nil {
		t.Error("no offset is nothing to remember")
	}
}

func TestRefetchCountsAnswersWithRecords(t *testing.T) {
	s := consuming(t)
	for range 5 {
		s.fetch("m1", 0, 17, 1000, 0)
		s.wait(time.Second)
		s.fetch("m1", 0, 17, 0, 0) // a long poll at the end
	}
	if p := s.partition(); p.Refetched != 4 || p.RefetchedSince.IsZero() {
		t.Errorf("%d", p.Refetched)
	}
	s.fetch("m1", 0, 18, 1000, 0)
	if s.partition().Refetched != 0 {
		t.Error("it went on")
	}
}

// A library that fetches ahead and is made to go back asks for the end of the log
// when it is looked at, though it was given the same records again.
func TestRefetchOfALibraryThatFetchesAhead(t *testing.T) {
	s := consuming(t)
	for range 4 {
		ev := s.fetched("m1", 0, 90, 1000, 0)
		ev.ReadOffset = 50
		s.group.Apply(ev)
		s.wait(time.Second)
		s.fetch("m1", 0, 90, 0, 0)
	}
	if p := s.partition(); p.Refetched != 3 || p.ReadOffset != 50 || p.Position != 90 {
		t.Errorf("refetched %d times at %d, now at %d", p.Refetched, p.ReadOffset, p.Position)
	}
	s.commit("m1", 0, 51)
	if s.partition().Refetched != 0 {
		t.Error("it has got past them")
	}
}

// Of a Fetch that may be another group's nothing is concluded.
func TestAmbiguousFetchIsNoEvidence(t *testing.T) {
	s := consuming(t)
	s.commit("m1", 0, 40)
	for _, code := range []int16{0, 0, 1} {
		ev := s.fetched("m1", 0, 17, 1000, code)
		ev.Ambiguous = true
		s.group.Apply(ev)
		s.wait(time.Second)
	}
	if p := s.partition(); p.Refetched != 0 || p.Position != -1 || s.moves() != "" {
		t.Errorf("refetched %d times, at %d, moves %q", p.Refetched, p.Position, s.moves())
	}
}

func TestReadAheadIsNoProgressForLibrdkafka(t *testing.T) {
	for software, progresses := range map[string]bool{"apache-kafka-java": true, "librdkafka": false} {
		s := consuming(t)
		id := *client("m1")
		id.SoftwareName = software
		m := s.group.Member("m1")
		m.Client = &id
		began := m.Progress
		s.wait(time.Second)
		s.fetch("m1", 0, 1, 10, 0)
		s.fetch("m1", 0, 2, 10, 0)
		if m.Progress.After(began) != progresses {
			t.Errorf("%s: progress %v", software, !progresses)
		}
		s.wait(time.Second)
		s.commit("m1", 0, 1)
		if !m.Progress.Equal(s.now) {
			t.Errorf("%s: a commit that rises is progress", software)
		}
	}
}

func TestOwnerThatWasNotGivenAPartitionAgainHasIt(t *testing.T) {
	s := newGroupStory(t)
	s.join("range", "m1", "m2")
	s.sync(map[string][]int32{"m1": {0, 1}, "m2": {2}})
	s.join("range", "m1", "m2")
	s.sync(map[string][]int32{"m1": {0}})
	if p := s.group.Partition(orders(1)); s.group.Owner(p) != nil {
		t.Errorf("m1 still owns what it was not given again: %+v", s.group.Owner(p))
	}
	s.sync(map[string][]int32{"m2": {1, 2}})
	if m := s.group.Owner(s.group.Partition(orders(1))); m == nil || m.ID != "m2" {
		t.Errorf("%+v", m)
	}
}

func TestReadersThatEndWithoutACommit(t *testing.T) {
	s := consuming(t)
	s.commit("m1", 0, 50)
	for i, m := range []string{"m1", "m2", "m3"} {
		s.fetch(m, 0, 50, 10, 0)
		s.leave(m, "")
		next := []string{"m2", "m3", "m4"}[i]
		s.join("range", next)
		s.sync(map[string][]int32{next: {0}})
	}
	if n := s.partition().Abandoned; n != 3 {
		t.Errorf("%d", n)
	}
	s.leave("m4", "") // it has read nothing
	s.join("range", "m5", "m6")
	s.sync(map[string][]int32{"m5": {0}})
	s.fetch("m5", 0, 50, 10, 0)
	s.sync(map[string][]int32{"m6": {0}}) // m5 is still a member
	if n := s.partition().Abandoned; n != 3 {
		t.Errorf("%d", n)
	}
	s.commit("m6", 0, 51)
	if n := s.partition().Abandoned; n != 0 {
		t.Errorf("%d after a commit", n)
	}
}

func TestGroupIsEmptyWhenNobodyIsLeftAnywhere(t *testing.T) {
	s := newGroupStory(t)
	s.join("range", "m1", "m2")
	s.sync(map[string][]int32{"m1": {0}, "m2": {1}})
	s.leave("m1", "")
	if s.group.Partial() {
		t.Error("all that are left are known")
	}
	s.leave("m2", "")
	if s.group.Emptied.IsZero() {
		t.Error("nobody is left")
	}

	s = newGroupStory(t)
	s.join("range", "m1")
	s.group.Apply(rules.Joined{At: s.now, Client: client("m1"), Membership: s.membership("m1"), RequestedID: "m1", Leader: "m1", Members: []rules.GroupMember{{MemberID: "m1"}, {MemberID: "x"}}})
	s.leave("m1", "")
	if !s.group.Emptied.IsZero() {
		t.Error("x is left")
	}

	s = newGroupStory(t)
	s.join("range", "m1")
	s.group.Apply(rules.Joined{At: s.now, Client: client("m1"), Membership: s.membership("m1"), RequestedID: "m1", Leader: "elsewhere"})
	if s.leave("m1", ""); !s.group.Emptied.IsZero() {
		t.Error("the leader is elsewhere")
	}
}
