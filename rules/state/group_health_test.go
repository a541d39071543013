package state_test

import (
	"testing"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// health is how m1 does, in a word.
func (s *groupStory) health() string { return s.group.Health(s.group.Member("m1"), s.now).String() }

func TestHealthOfAMember(t *testing.T) {
	// Its session timeout is 10 s, its max.poll.interval.ms a minute.
	for name, tc := range map[string]struct {
		happens func(s *groupStory)
		want    string
	}{
		"heard a moment ago":             {func(s *groupStory) { s.wait(2 * time.Second) }, "ok"},
		"silent for most of its session": {func(s *groupStory) { s.wait(7 * time.Second) }, "silent"},
		"silent for longer":              {func(s *groupStory) { s.wait(11 * time.Second) }, "expired"},
		"silent, but warder lost events": {func(s *groupStory) {
			s.wait(7 * time.Second)
			s.group.Apply(rules.Gap{At: s.now, Lost: 1})
		}, "ok"},
		"its connection is gone": {func(s *groupStory) {
			s.group.Apply(rules.MemberGone{At: s.now, Client: client("m1"), Membership: s.membership("m1")})
		}, "disconnected"},
		"waits for the others": {func(s *groupStory) {
			s.ask("m1", "m1", "", "")
			s.wait(30 * time.Second)
		}, "joining"},
		"works on what it was given": {func(s *groupStory) { s.worksFor(25 * time.Second) }, "ok"},
		"works for too long":         {func(s *groupStory) { s.worksFor(40 * time.Second) }, "not-polling"},
		"has nothing to read": {func(s *groupStory) {
			s.end(0, 100)
			s.worksFor(40 * time.Second)
		}, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			s := consuming(t)
			s.end(0, 500)
			s.commit("m1", 0, 100)
			s.fetch("m1", 0, 100, 1000, 0)
			s.wait(time.Second)
			s.beat(0, "m1")
			s.fetch("m1", 0, 100, 1000, 0)
			tc.happens(s)
			if got := s.health(); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
			unwell := 0
			if tc.want != "ok" && tc.want != "joining" {
				unwell = 1
			}
			if l := s.group.Line(s.now); l.Unwell != unwell {
				t.Errorf("%d unwell", l.Unwell)
			}
		})
	}
}

// worksFor has m1 send heartbeats and nothing else.
func (s *groupStory) worksFor(d time.Duration) {
	for until := s.now.Add(d); s.now.Before(until); {
		s.wait(time.Second)
		s.beat(0, "m1")
	}
}

func TestViewTellsHeartbeatsAndPolls(t *testing.T) {
	s := consuming(t)
	s.commit("m1", 0, 100)
	s.wait(time.Second)
	s.fetch("m1", 0, 100, 1000, 0)
	for range 4 {
		s.wait(3 * time.Second)
		s.beat(0, "m1")
	}
	s.wait(2 * time.Second)
	m := s.group.View(s.now).Members[0]
	if m.Health != "ok" || m.Silent != 2000 || m.HeartbeatInterval != 3000 || !m.Heartbeat.Equal(s.now.Add(-2*time.Second)) {
		t.Errorf("%+v", m)
	}
	if m.Unpolled == nil || *m.Unpolled != 14_000 || m.MaxPollInterval != 60_000 {
		t.Errorf("unpolled %v of %d", m.Unpolled, m.MaxPollInterval)
	}
}

// A partition is stuck from when there is something to read, or from the last commit
// that went forward.
func TestStuckIsSinceThereIsSomethingToRead(t *testing.T) {
	s := consuming(t)
	s.end(0, 100)
	s.commit("m1", 0, 100)
	s.wait(time.Minute)
	stuck := func() time.Duration { return s.partition().Stuck(s.now) }
	if d := stuck(); d != 0 {
		t.Errorf("at the end: %v", d)
	}
	s.end(0, 140)
	s.wait(30 * time.Second)
	if d := stuck(); d < 28*time.Second || d > 30*time.Second {
		t.Errorf("half a minute after something was written: %v", d)
	}
	v := s.group.View(s.now).Partitions[0]
	if v.Stuck != stuck().Milliseconds() || v.Status != state.StatusLearning.String() {
		t.Errorf("%+v", v)
	}
	if l := s.group.Line(s.now); l.Stuck == nil || l.Stuck.Partition != 0 || l.Stuck.Stuck != v.Stuck {
		t.Errorf("%+v", l.Stuck)
	}
	s.commit("m1", 0, 120)
	s.wait(5 * time.Second)
	if d := stuck(); d != 5*time.Second {
		t.Errorf("after a commit: %v", d)
	}
	s.commit("m1", 0, 120)
	s.wait(5 * time.Second)
	if d := stuck(); d != 10*time.Second {
		t.Errorf("after a commit of the same offset: %v", d)
	}
	s.commit("m1", 0, 140)
	if d := stuck(); d != 0 || s.group.Line(s.now).Stuck != nil {
		t.Errorf("all is read: %v", d)
	}
}

// franz-go fetches apart from polls: with nothing to read nothing shows them.
func TestUnpolledIsLeftOutWhereNothingShowsPolls(t *testing.T) {
	s := newGroupStory(t)
	id := *client("m1")
	id.SoftwareName = "kgo"
	join := s.membership("m1")
	s.group.Apply(rules.Joined{At: s.now, Client: &id, Membership: join, Protocol: "range", Leader: "m1"})
	s.group.Apply(rules.Synced{At: s.now, Client: &id, Membership: join, Readable: true, Assigned: []rules.TopicPartition{orders(0)}})
	s.wait(time.Second)
	reads := s.fetched("m1", 0, 100, 0, 0)
	reads.Client, reads.HighWatermark = &id, 100
	s.group.Apply(reads)
	s.wait(time.Second)
	if m := s.group.View(s.now).Members[0]; m.Unpolled != nil {
		t.Errorf("with nothing to read: %v", *m.Unpolled)
	}
	s.end(0, 200)
	s.wait(time.Second)
	if m := s.group.View(s.now).Members[0]; m.Unpolled == nil || m.Behind != 100 {
		t.Errorf("with 100 records to read: %+v", m)
	}
}
