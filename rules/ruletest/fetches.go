package ruletest

import (
	"strconv"
	"strings"

	"warder/rules"
)

// fetch shows rules batches on their way to a client, one for each partition.
func (s *stage) fetch(c *client, words []string) {
	s.t.Helper()
	r := newRequest(s, c)
	r.batch.ProducerID, r.batch.ProducerEpoch = firstProducer-1, 0 // whoever wrote them
	r.add(s, r.options(s, strings.Join(words, " ")))
	if !c.fetched.Begin(c.identity, s.now) {
		return
	}
	for _, p := range r.parts {
		blob := r.blob(s, &p)
		if r.version >= 13 {
			c.fetched.Inspect(nil, s.ids[p.topic], p.partition, blob)
		} else {
			c.fetched.Inspect([]byte(p.topic), [16]byte{}, p.partition, blob)
		}
		scramble(blob)
	}
}

// poll is a Fetch request after an answer: it tells how far the client is.
func (s *stage) poll(c *client, words []string) {
	s.t.Helper()
	topic, number, ok := strings.Cut(s.named(words), "/")
	if !ok {
		s.t.Fatalf("polls: want TOPIC/PARTITION: SETTINGS, have %q", words)
	}
	p := rules.FetchedPartition{Partition: int32(s.number(number)), LogStartOffset: -1, LastStableOffset: -1, ReadOffset: -1}
	for _, setting := range words[1:] {
		key, value, _ := strings.Cut(setting, "=")
		n, err := strconv.ParseInt(value, 10, 64)
		s.must(err)
		switch key {
		case "offset":
			p.FetchOffset = n
		case "end":
			p.HighWatermark = n
		case "stable":
			p.LastStableOffset = n
		case "start":
			p.LogStartOffset = n
		case "bytes":
			p.Bytes = n
		case "error":
			p.ErrorCode = int16(n)
		default:
			s.t.Fatalf("polls: unknown setting %q", key)
		}
	}
	if p.LastStableOffset < 0 {
		p.LastStableOffset = p.HighWatermark
	}
	if p.Bytes > 0 {
		p.ReadOffset = p.FetchOffset
	}
	s.emit(rules.Fetched{At: s.now, Client: c.identity, Topic: topic, Partitions: []rules.FetchedPartition{p}})
}
