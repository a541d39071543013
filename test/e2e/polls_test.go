package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestMembersDoNotPoll(t *testing.T) {
	for client, how := range map[string]string{"java": "confirmed", "kafka-python": "inferred", "librdkafka": "inferred"} {
		playMembers(t, "poll-gap", how, []string{client}, func(sides []*side) { doesNotPoll(sides[0], quickSession, how) })
	}
	playMembers(t, "poll-gap", "kip848", []string{"java"}, func(sides []*side) { doesNotPoll(sides[0], M{"protocol": "consumer"}, "inferred") })
	for _, client := range []string{"sarama", "franz-go", "kafkajs"} {
		playMembers(t, "poll-gap", "stuck", []string{client}, func(sides []*side) { handlerHangs(sides[0]) })
	}
	for _, client := range clientNames() {
		playMembers(t, "poll-gap", "slow", []string{client}, slowEnough)
	}
	playMembers(t, "poll-gap", "paused", []string{"java"}, paused)
	playMembers(t, "poll-gap", "paused", []string{"librdkafka"}, paused)
}

// A consumer that may take six seconds, and commits twice a second.
const pollInterval = 6 * time.Second

var pollOptions = M{"max_poll_interval_ms": pollInterval.Milliseconds(), "max_poll_records": 2, "auto_commit_ms": 500}

// Commits are remembered every five seconds. Where nothing else shows that a member polls, a time without it must be told from the time between two of
// them, so that these scenarios take longer.
const stuckAfter = 4 * pollInterval

// commits waits until a member is known to commit regularly.
func commits() { time.Sleep(12 * time.Second) }

// works opens a member, gives its group records for a while, and waits until it has got some way with them.
func (c *crowd) works(clientID string, partitions int, options M) *member {
	c.put(c.topic, gen{Count: 3000, Size: 40, Partitions: partitions})
	m := c.join(c.side, clientID, with(options, M{"slow_ms": 20}))
	c.until("some records", 60*time.Second, func() error {
		if n := m.state().Count; n < 120 {
			return fmt.Errorf("it has %d", n)
		}
		return nil
	})
	return m
}

// doesNotPoll: the handler of a member takes most of the interval over each of two records, so that it loses its partitions between them.
func doesNotPoll(s *side, options M, how string) {
	c := s.crowd("slow", 1)
	interval, onlyCommits := 2*pollInterval, s.client == "librdkafka" // the last fifth has room for more than one of the looks that warder takes each second
	if onlyCommits {
		interval = stuckAfter
	}
	m := c.works("slow", 1, with(pollOptions, options, M{"max_poll_interval_ms": interval.Milliseconds()}))
	if onlyCommits {
		commits()
		m.slow(interval * 7 / 6) // what it commits after the first record would show progress
	} else {
		m.slow(interval * 5 / 6)
	}
	f := c.saysOf("poll-gap", "slow", "approaching")
	f.wants(s, "warning", time.Time{}, "has not polled for", "max_poll_interval_ms", "gives up its 1 partition")
	c.says("poll-gap", "nearly too late", func(f finding) bool { return f.Severity == "critical" && f.Evidence["kind"] == "approaching" })
	f = c.saysOf("poll-gap", "slow", how)
	f.wants(s, "critical", time.Time{}, "max_poll_interval_ms")
	m.slow(time.Millisecond)
	f = c.saysOf("poll-gap", "slow", "returned")
	f.wants(s, "critical", time.Time{}, "polls again")
	if took, ok := f.Evidence["processing_ms"].(float64); !ok || took < 1000*interval.Seconds() || took > 2000*interval.Seconds()+3000 {
		s.fail("it worked for one to two intervals of %v: %v", interval, f.Evidence)
	}
	setting := "max.poll.interval.ms"
	if s.client == "kafka-python" {
		setting = "max_poll_interval_ms"
	}
	if !strings.Contains(f.Advice, "Raise "+setting+" above") {
		s.fail("advice: %s", f.Advice)
	}
	c.says("poll-gap", "over", func(f finding) bool { return f.Resolved })
	c.atPeace("heartbeat-gap", "rebalance-storm")
	c.caused(s, "poll-timeout", "slow")
	m.close()
}

// handlerHangs: a library without max.poll.interval.ms keeps its partitions, whatever its handler does.
func handlerHangs(s *side) {
	c := s.crowd("stuck", 1)
	m := c.works("stuck", 1, with(pollOptions, quickSession))
	commits()
	m.slow(time.Minute)
	f := c.saysOf("poll-gap", "stuck", "stuck")
	f.wants(s, "warning", time.Time{}, "has taken no records for", "nobody will ever take its 1 partition")
	c.says("poll-gap", "it stays so", func(f finding) bool { return f.Severity == "critical" })
	m.slow(time.Millisecond)
	c.says("poll-gap", "over", func(f finding) bool { return f.Resolved && f.Evidence["kind"] == "polls" })
	c.atPeace("heartbeat-gap", "rebalance-storm")
	m.close()
}

// slowEnough is the twin: a handler that takes a second over each record, for longer than the interval, and then has nothing to do for as long.
func slowEnough(sides []*side) {
	s := sides[0]
	c := s.crowd("twin", 1)
	m := c.works("twin", 1, with(pollOptions, M{"session_timeout_ms": 6000}))
	m.slow(time.Second)
	time.Sleep(2 * pollInterval)
	m.slow(time.Millisecond)
	s.until("the end", 60*time.Second, func() error {
		if n := m.state().Count; n < 3000 {
			return fmt.Errorf("it has %d", n)
		}
		return nil
	})
	time.Sleep(2 * pollInterval)
	c.atPeace(rulesOfMembers...)
	m.close()
}

// paused: an application that has paused what it reads goes on polling.
func paused(sides []*side) {
	s := sides[0]
	c := s.crowd("paused", 2)
	m := c.works("paused", 2, with(pollOptions, M{"session_timeout_ms": 6000}))
	m.s.must("consumer_pause", M{"handle": m.handle, "paused": []string{c.topic + "/0"}}, nil)
	time.Sleep(2 * pollInterval)
	c.atPeace(rulesOfMembers...)
	m.s.must("consumer_pause", M{"handle": m.handle, "paused": []string{c.topic + "/0", c.topic + "/1"}}, nil)
	time.Sleep(2 * pollInterval)
	c.atPeace(rulesOfMembers...) // what it commits shows that it polls
	m.close()
}
