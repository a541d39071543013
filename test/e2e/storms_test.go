package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestGroupsRebalance(t *testing.T) {
	playMembers(t, "rebalance-storm", "poll-timeouts", []string{"java"}, func(sides []*side) { tooSlow(sides[0], M{"assignor": "range"}) })
	playMembers(t, "rebalance-storm", "poll-timeouts-kip848", []string{"java"}, func(sides []*side) { tooSlow(sides[0], M{"protocol": "consumer"}) })
	playMembers(t, "rebalance-storm", "twelve", []string{"java"}, twelveEvicted)
	for _, client := range clientNames() {
		playMembers(t, "rebalance-storm", "deployment", []string{client}, func(sides []*side) { deployed(sides[0], nil) })
	}
	playMembers(t, "rebalance-storm", "deployment-cooperative", []string{"java"}, func(sides []*side) { deployed(sides[0], M{"assignor": "cooperative-sticky"}) })
	playMembers(t, "rebalance-storm", "deployment-kip848", []string{"java"}, func(sides []*side) { deployed(sides[0], M{"protocol": "consumer"}) })
	playMembers(t, "rebalance-storm", "crash-loop", []string{"franz-go"}, crashesAgain)
	for _, client := range []string{"java", "librdkafka"} {
		playMembers(t, "rebalance-storm", "instance-id", []string{client}, oneInstanceID)
	}
}

// static members of a cooperative group, whose session outlasts a slow batch.
func static(name string) M {
	return M{"assignor": "cooperative-sticky", "group_instance_id": name, "session_timeout_ms": 30000, "heartbeat_interval_ms": 800}
}

// settled waits until what happens to a group counts.
func settled() { time.Sleep(6 * time.Second) }

// storm waits for the finding about a storm.
func (c *crowd) storm(severity string, words ...string) finding {
	return c.says("rebalance-storm", fmt.Sprint(severity, words), func(f finding) bool { return f.Severity == severity && f.says(words...) })
}

// healthy wants a group that has not rebalanced since there were so many rebalances.
func (c *crowd) healthy(before int) {
	if after := c.rebalances(); len(after) != before {
		c.fail("group %s rebalanced: %+v", c.group, after)
	}
	c.atPeace("rebalance-storm")
}

// tooSlow: one of three members takes longer over each batch than it may. The twin does as well, with static members and a cooperative assignor.
func tooSlow(s *side, options M) {
	loud, calm := s.crowd("loud", 6), s.crowd("calm", 6)
	var members, twins []*member
	for i := range 3 {
		id := fmt.Sprint("worker-", i+1)
		members = append(members, loud.join(s, id, with(pollOptions, options)))
		twins = append(twins, calm.join(s, id, with(pollOptions, static(id))))
	}
	s.share([]int{2, 2, 2}, members...)
	s.share([]int{2, 2, 2}, twins...)
	before := len(calm.rebalances())
	members[2].slow(5 * time.Second)
	twins[2].slow(5 * time.Second)
	for _, c := range []*crowd{loud, calm} {
		defer c.flow(6, 30)()
	}
	f := loud.storm("critical", "members) rebalanced", "because a member did not poll within max.poll.interval.ms (6 s)", "poll-timeout of worker-3")
	if causes := fmt.Sprint(f.Evidence["causes"]); !strings.HasPrefix(causes, "[poll-timeout ") || !strings.Contains(f.Advice, "max.poll.interval.ms") {
		s.fail("causes %s, advice %s", causes, f.Advice)
	}
	loud.tells("a member did not poll within max.poll.interval.ms, worker-3 (127.0.0.1)", "worker-3 (127.0.0.1), which came back", f.Advice)
	calm.healthy(before)
	closeAll(append(members, twins...))
}

func closeAll(members []*member) {
	for _, m := range members {
		m.slow(0)
	}
	for _, m := range members {
		m.close()
	}
}

// twelveEvicted: a group of twelve in which each member has one batch that takes too long, four at a time, and the same with static members and a cooperative
// assignor.
func twelveEvicted(sides []*side) {
	s := sides[0]
	loud, calm := s.crowd("loud", 24), s.crowd("calm", 24)
	process := s.apart()
	defer process.killed()
	var members, twins []*member
	var each []int
	for i := range 12 {
		id := fmt.Sprintf("worker-%02d", i+1)
		members = append(members, loud.join(process, id, with(pollOptions, M{"assignor": "range"})))
		twins = append(twins, calm.join(process, id, with(pollOptions, static(id))))
		each = append(each, 2)
	}
	s.share(each, members...)
	s.share(each, twins...)
	before := len(calm.rebalances())
	for _, c := range []*crowd{loud, calm} {
		defer c.flow(24, 120)()
	}
	const atOnce = 2 // those that are evicted together may make one rebalance
	for first := 0; first < 12; first += atOnce {
		some := append(slices.Clone(members[first:first+atOnce]), twins[first:first+atOnce]...)
		for _, m := range some {
			m.slow(20 * time.Second)
		}
		for i := range atOnce {
			loud.saysOf("poll-gap", fmt.Sprintf("worker-%02d", first+i+1), "confirmed")
		}
		for _, m := range some {
			m.slow(0)
		}
		s.share(each, members...)
	}
	f := loud.storm("critical", "members) rebalanced", "because a member did not poll within max.poll.interval.ms (6 s)")
	said, err := loud.heard.about("rebalance-storm", loud.group, 0)
	for _, other := range said {
		if other.ID != f.ID || err != nil {
			s.fail("more than one storm: %s %w", listed(said), err)
		}
	}
	if causes := fmt.Sprint(f.Evidence["causes"]); !strings.HasPrefix(causes, "[poll-timeout ") || f.Evidence["members"] != 12.0 {
		s.fail("%v", f.Evidence)
	}
	loud.tells("a member did not poll within max.poll.interval.ms", f.Advice)
	calm.healthy(before)
	closeAll(append(members, twins...))
}

// deployed: three members are replaced one by one, in good order. Then one comes and goes every few seconds.
func deployed(s *side, options M) {
	c := s.crowd("deployed", 6)
	if options["protocol"] == "consumer" {
		s.slowBeats(c.group, 2*time.Second)
	}
	var members []*member
	for i := range 3 {
		members = append(members, c.join(s, fmt.Sprint("old-", i+1), with(quickSession, options)))
	}
	s.share([]int{2, 2, 2}, members...)
	settled()
	for i := range members {
		members[i].close()
		members[i] = c.join(s, fmt.Sprint("new-", i+1), with(quickSession, options))
		s.share([]int{2, 2, 2}, members...)
	}
	time.Sleep(5 * time.Second) // for so long a cause may come to light
	c.atPeace(rulesOfMembers...)
	for range 4 {
		loops := c.join(s, "loops", with(quickSession, options))
		s.until("the new one to have partitions", 60*time.Second, func() error {
			if len(loops.state().Assignment) == 0 {
				return fmt.Errorf("it has none")
			}
			return nil
		})
		loops.close()
	}
	f := c.says("rebalance-storm", "a storm", func(f finding) bool { return !f.Resolved })
	f.wants(s, f.Severity, time.Time{}, "because members", "of loops")
	c.tells("a member left, loops (127.0.0.1)", f.Advice)
	closeAll(members)
}

// crashesAgain: a process that is killed again and again, soon after it has joined.
func crashesAgain(sides []*side) {
	s := sides[0]
	c := s.crowd("crashes", 4)
	quick := M{"session_timeout_ms": 3000, "heartbeat_interval_ms": 500}
	steady := c.join(s, "steady", quick)
	s.share([]int{4}, steady)
	for range 4 {
		process := s.apart()
		crashes := c.join(process, "crashes", quick)
		s.share([]int{2, 2}, steady, crashes)
		process.killed()
		s.share([]int{4}, steady)
	}
	f := c.says("rebalance-storm", "a storm", func(f finding) bool { return !f.Resolved })
	f.wants(s, "critical", time.Time{}, "because a member was not heard within session.timeout.ms (3 s)", "session-expired of crashes")
	c.tells("a member was not heard within session.timeout.ms, crashes (127.0.0.1), which came back", f.Advice)
	steady.close()
}

// oneInstanceID: two processes have the same group.instance.id, and are started again when they end because of it.
func oneInstanceID(sides []*side) {
	s := sides[0]
	c, twin := s.crowd("fenced", 2), s.crowd("restarted", 2)
	one := with(static("pod-0"), M{"assignor": "range"})
	member, other := c.join(s, "first", one), twin.join(s, "pod-0", one)
	s.share([]int{2}, member)
	s.share([]int{2}, other)
	for i := range 3 {
		next := c.join(s, []string{"second", "first"}[i%2], one)
		s.until("the other one to be pushed out", 60*time.Second, func() error {
			var st memberState
			s.must("consumer_state", M{"handle": member.handle}, &st)
			if st.Error == nil {
				return fmt.Errorf("it goes on: %+v", st)
			}
			return nil
		})
		s.must("consumer_close", M{"handle": member.handle}, nil)
		member = next
		other.close()
		other = twin.join(s, "pod-0", one)
		s.share([]int{2}, other)
	}
	f := c.says("rebalance-storm", "two processes", func(f finding) bool { return f.Subject.Member == "pod-0" })
	f.wants(s, "critical", time.Time{}, "two processes use group.instance.id pod-0")
	c.tells(f.Advice)
	twin.atPeace(rulesOfMembers...)
	member.close()
	other.close()
}
