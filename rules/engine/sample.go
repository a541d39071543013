package engine

import (
	"time"

	"warder/protocol/records"
	"warder/rules"
)

// sampler chooses the records that SampleRules see of one session and topic: one
// in stride, and one in rules.SampleEvery once a second has had its share. The
// stride follows the pace of the second before, so that records late in a second
// are seen as well as those at its beginning. It depends on requests and their
// times alone, so a replay chooses the same records.
type sampler struct {
	second int64 // that the following are about
	free   int   // samples at the stride that are still to be taken
	seen   int   // records
	stride int
	left   int // records up to the next sample, that one included
}

// refill is called with the time of each request.
func (s *sampler) refill(now time.Time) {
	second := now.Unix()
	if second == s.second {
		return
	}
	pace := 0
	if second == s.second+1 {
		pace = s.seen
	}
	s.second, s.seen, s.free = second, 0, rules.SamplesPerSecond
	s.stride = min(max(pace/rules.SamplesPerSecond, 1), rules.SampleEvery)
	s.left = min(max(s.left, 1), s.stride)
}

// take counts a record and says how many records it stands for if it is a
// sample, else 0.
func (s *sampler) take() int {
	s.seen++
	if s.left--; s.left > 0 {
		return 0
	}
	if s.free > 0 {
		s.free--
		s.left = s.stride
		if s.free == 0 {
			s.left = rules.SampleEvery
		}
		return s.stride
	}
	s.left = rules.SampleEvery
	return rules.SampleEvery
}

// wants says whether a batch has a record to be taken. One that has none is
// counted, so that it need not be opened.
func (s *sampler) wants(h *records.Header) bool {
	if n := int(h.NumRecords); h.Magic == 2 && n < s.left {
		s.left -= n
		s.seen += n
		return false
	}
	return true
}

// written is what one session wrote to one topic since that was told.
type written struct {
	told    time.Time
	batches int
	bytes   int64
}

// noteWritten counts g.part and tells those who follow topics now and then.
func (g *Gate) noteWritten(p *plan) {
	if p.topic.Name == "" {
		return
	}
	g.countTraffic(p)
	if !g.engine.Wants(rules.KindTopicWritten) {
		return
	}
	w := &p.written
	w.batches++
	w.bytes += int64(len(g.part.Records))
	if g.batch.Time.Sub(w.told) < rules.WrittenEvery {
		return
	}
	g.engine.Emit(rules.TopicWritten{At: g.batch.Time, Client: g.id, Topic: p.topic.Name, Batches: w.batches, Bytes: w.bytes})
	*w = written{told: g.batch.Time}
}

// countTraffic adds g.part to the traffic of its topic. Since Kafka 0.11 there is
// one batch for each partition of a request (ProduceRequest.validateRecords), whose
// head says how many records it has; older formats are counted in bytes alone.
func (g *Gate) countTraffic(p *plan) {
	n := 0
	if whole, err := g.head.Peek(g.part.Records); whole && err == nil && g.head.Magic == 2 {
		n = max(int(g.head.NumRecords), 0)
	}
	if p.traffic == nil || !p.traffic.Add(g.batch.Time, n, len(g.part.Records)) {
		p.traffic = g.engine.traffic.Of(p.topic.Name)
		p.traffic.Add(g.batch.Time, n, len(g.part.Records))
	}
}
