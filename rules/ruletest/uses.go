package ruletest

import (
	"slices"
	"time"

	"warder/rules"
)

// produceAnswered is what a session tells of the answers to its Produce requests:
// `answered 120 in-flight=1 took=4ms throttled=10 throttle=2s`.
func (s *stage) produceAnswered(c *client, words []string) {
	s.t.Helper()
	o := s.settings(words[1:])
	ev := rules.ProduceAnswered{
		At: s.now, Client: c.identity, Requests: s.number(words[0]),
		Throttled: int(o.number("throttled", 0)), ThrottleTime: o.duration("throttle", 0),
	}
	took := o.duration("took", time.Millisecond)
	ev.Waited = time.Duration(ev.Requests) * took
	for range ev.Requests {
		ev.Latency.Add(int64(took / rules.LatencyUnit))
		ev.InFlight.Add(o.number("in-flight", 1))
	}
	s.emit(ev)
}

// fetchAnswered is what a session tells of the answers to its Fetch requests:
// `served 100 size=300 empty=10 min=1 wait=500ms partitions=6`.
func (s *stage) fetchAnswered(c *client, words []string) {
	s.t.Helper()
	o := s.settings(words[1:])
	ev := rules.FetchAnswered{
		At: s.now, Client: c.identity, Answers: s.number(words[0]), Empty: int(o.number("empty", 0)),
		MinBytes: int32(o.number("min", 1)), MaxWait: o.duration("wait", 500*time.Millisecond), Partitions: int(o.number("partitions", 1)),
	}
	for range ev.Answers - ev.Empty {
		ev.Bytes += o.number("size", 0)
		ev.Sizes.Add(o.number("size", 0) / rules.SizeUnit)
	}
	s.emit(ev)
}

// connect is new connections, of which those end at once that have lived so long:
// `connects times=20 lives=300ms requests=5 metadata=1 coordinator=0 versions=1`.
func (s *stage) connect(c *client, words []string) {
	s.t.Helper()
	o := s.settings(words)
	ev := s.connectionUsed(c, o)
	ev.First = true
	for range o.number("times", 1) {
		s.emit(ev)
	}
}

// use is what a connection does that is there: `uses requests=20 metadata=20`, or
// how it ends: `uses lives=10m`.
func (s *stage) use(c *client, words []string) {
	s.t.Helper()
	s.emit(s.connectionUsed(c, s.settings(words)))
}

func (s *stage) connectionUsed(c *client, o settings) rules.ConnectionUsed {
	s.t.Helper()
	lives := o.duration("lives", 0)
	return rules.ConnectionUsed{
		At: s.now, Client: c.identity, Opened: s.now.Add(-lives), Ended: lives > 0, ByClient: lives > 0 && !slices.Contains(o.rest, "by-broker"),
		Requests: int(o.number("requests", 0)), Metadata: int(o.number("metadata", 0)),
		FindCoordinator: int(o.number("coordinator", 0)), ApiVersions: int(o.number("versions", 0)),
	}
}
