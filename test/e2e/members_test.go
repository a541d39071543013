package e2e

import (
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMembersFallSilent(t *testing.T) {
	for _, client := range []string{"java", "librdkafka", "franz-go", "sarama"} {
		playMembers(t, "heartbeat-gap", "stopped", []string{client}, func(sides []*side) { stopped(sides[0], "classic") })
	}
	playMembers(t, "heartbeat-gap", "stopped-kip848", []string{"java"}, func(sides []*side) { stopped(sides[0], "consumer") })
	playMembers(t, "heartbeat-gap", "killed", []string{"java"}, killed)
	playMembers(t, "heartbeat-gap", "killed", []string{"librdkafka"}, killed)
	playMembers(t, "heartbeat-gap", "static", []string{"java"}, staticAway)
	playRule(t, rulePlay{rule: "heartbeat-gap", name: "slow-handler", clients: []string{"kafkajs"}, through: "members-one", run: slowHandler})
	for _, client := range clientNames() {
		playMembers(t, "heartbeat-gap", "in-good-order", []string{client}, inGoodOrder)
	}
}

// The session timeout of these scenarios, and how often members send heartbeats: warnings at two fifths of it, critical from two thirds on.
const session, beats = 12 * time.Second, time.Second

var quickSession = M{"session_timeout_ms": session.Milliseconds(), "heartbeat_interval_ms": beats.Milliseconds()}

// with adds settings to others.
func with(all ...M) M {
	sum := M{}
	for _, more := range all {
		maps.Copy(sum, more)
	}
	return sum
}

// stopped: a member's process is stopped for half a session and is warned of; then for one and a half, is removed, and learns of it when it goes on.
// The other member of the group is the twin.
func stopped(s *side, protocol string) {
	c := s.crowd("stopped", 4)
	options, long := with(quickSession, M{"protocol": protocol}), session
	if protocol == "consumer" {
		long = 10 * time.Second // the brokers': it is not on the wire
		s.slowBeats(c.group, 1500*time.Millisecond)
	}
	process := s.apart()
	defer process.killed()
	steady := c.join(s, "steady", options)
	stops := c.join(process, "stops", options)
	s.share([]int{2, 2}, steady, stops)
	time.Sleep(4 * beats) // it is known by its heartbeats how often they come

	at := process.signal(syscall.SIGSTOP)
	f := c.saysOf("heartbeat-gap", "stops", "quiet")
	process.signal(syscall.SIGCONT)
	f.wants(s, "warning", at.Add(long/5), "process stalled", "group "+c.group, "has sent no heartbeat")
	c.saysOf("heartbeat-gap", "stops", "heard")

	c.fresh()
	at = process.signal(syscall.SIGSTOP)
	if protocol == "classic" {
		c.saysOf("heartbeat-gap", "stops", "nearly-gone").wants(s, "critical", at.Add(long/2), "process stalled")
	}
	s.share([]int{4}, steady) // the coordinator has removed it
	if late := time.Until(at.Add(long * 3 / 2)); late > 0 {
		time.Sleep(late)
	}
	process.signal(syscall.SIGCONT)
	f = c.saysOf("heartbeat-gap", "stops", "removed")
	f.wants(s, "critical", at.Add(long*3/4), "removed from group")
	s.share([]int{2, 2}, steady, stops)
	c.only("stops", "heartbeat-gap")
	c.atPeace("poll-gap", "rebalance-storm")
	c.caused(s, "session-expired", "stops")
	c.tells("a member was not heard within session.timeout.ms, stops (127.0.0.1)", "stops (127.0.0.1), which came back", "removed from group")
	steady.close()
	stops.close()
}

// wants checks a finding: its severity, that it was not found before that time, and that it says these words.
func (f finding) wants(s *side, severity string, after time.Time, words ...string) {
	if f.Severity != severity || f.Time.Before(after) || !f.says(words...) {
		s.fail("want %s %q after %v, got %s %v: %s", severity, words, after, f.Severity, f.Time, listed([]finding{f}))
	}
}

// caused wants a rebalance of that cause, set off by that client.
func (c *crowd) caused(s *side, cause, clientID string) {
	list := c.rebalances()
	for _, r := range list {
		if r.Cause == cause && r.Who.ClientID == clientID {
			return
		}
	}
	s.fail("no rebalance by %s of %s: %+v", cause, clientID, list)
}

// slowBeats has the members of a group that speaks KIP-848 send heartbeats as seldom as in life, more or less.
func (s *side) slowBeats(group string, every time.Duration) {
	s.must("alter_configs", M{"type": "group", "name": group, "set": M{"consumer.heartbeat.interval.ms": fmt.Sprint(every.Milliseconds())}}, nil)
}

// killed: a member's process is killed. Its connection ends at once, its place in the group is kept for a session.
func killed(sides []*side) {
	s := sides[0]
	c := s.crowd("killed", 4)
	process := s.apart()
	defer process.killed()
	steady := c.join(s, "steady", quickSession)
	dies := c.join(process, "dies", quickSession)
	s.share([]int{2, 2}, steady, dies)
	time.Sleep(4 * beats)
	at := time.Now()
	process.killed()
	c.saysOf("heartbeat-gap", "dies", "quiet").wants(s, "warning", at, "connection lost", "lost its connection without leaving", "its 2 partitions")
	c.saysOf("heartbeat-gap", "dies", "removed").wants(s, "critical", at.Add(session*3/4), "removed from group", "others get its 2 partitions")
	s.share([]int{4}, steady)
	c.only("dies", "heartbeat-gap")
	c.caused(s, "session-expired", "dies")
	steady.close()
}

// staticAway: a static member is away for most of its session and comes back; nobody rebalances. Its twin is back in no time.
func staticAway(sides []*side) {
	s := sides[0]
	c := s.crowd("away", 4)
	static := func(name string) M {
		return with(M{"session_timeout_ms": 20000, "heartbeat_interval_ms": 800, "group_instance_id": name})
	}
	away, twin := c.join(s, "away", static("away")), c.join(s, "twin", static("twin"))
	s.share([]int{2, 2}, away, twin)
	time.Sleep(4 * beats)
	before := len(c.rebalances())
	twin.close()
	twin = c.join(s, "twin", static("twin"))
	s.share([]int{2, 2}, away, twin)
	at := time.Now()
	away.close()
	c.saysOf("heartbeat-gap", "away", "quiet").wants(s, "info", at, "static member away", "has no connection")
	away = c.join(s, "away", static("away"))
	s.share([]int{2, 2}, away, twin)
	f := c.says("heartbeat-gap", "it is back", func(f finding) bool { return f.Resolved })
	f.wants(s, "info", at, "replaced")
	if after := len(c.rebalances()); after != before {
		s.fail("the group rebalanced: %+v", c.rebalances())
	}
	c.only("away", "heartbeat-gap")
	c.atPeace("poll-gap", "rebalance-storm")
	away.close()
	twin.close()
}

// slowHandler: kafkajs sends heartbeats between messages and when a broker has nothing for it, so with one broker a slow handler holds them up.
func slowHandler(sides []*side) {
	s := sides[0]
	c := s.crowd("slow", 1)
	m := c.join(s, "slow", quickSession)
	s.share([]int{1}, m)
	time.Sleep(8 * beats)
	m.slow(session * 5 / 4)
	s.put(c.topic, gen{Count: 1, Size: 40})
	at := time.Now()
	f := c.saysOf("heartbeat-gap", "slow", "quiet")
	f.wants(s, "warning", at, "no heartbeat thread")
	if !strings.Contains(f.Advice, "heartbeat()") {
		s.fail("advice: %s", f.Advice)
	}
	c.saysOf("heartbeat-gap", "slow", "nearly-gone").wants(s, "critical", at, "no heartbeat thread")
	c.saysOf("heartbeat-gap", "slow", "removed").wants(s, "critical", at)
	m.close()
}

// inGoodOrder is the twin of them all: two members of a topic that rests, for longer than a session; one is closed, and comes again.
func inGoodOrder(sides []*side) {
	s := sides[0]
	c := s.crowd("rests", 2)
	first, second := c.join(s, "first", quickSession), c.join(s, "second", quickSession)
	s.share([]int{1, 1}, first, second)
	s.put(c.topic, gen{Count: 20, Size: 40, Partitions: 2})
	s.received(20, first, second)
	first.commit()
	second.commit()
	time.Sleep(session + 2*time.Second)
	second.close()
	s.share([]int{2}, first)
	second = c.join(s, "second", quickSession)
	s.share([]int{1, 1}, first, second)
	time.Sleep(session / 4)
	c.atPeace(rulesOfMembers...)
	first.close()
	second.close()
}
