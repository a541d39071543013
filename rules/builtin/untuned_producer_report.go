package builtin

import (
	"fmt"
	"time"

	"warder/rules"
)

// kinds are what the rule can say, and what each looks like in a part of the window.
func (u *untunedProducer) kinds() []adviceKind[producerPart] {
	return []adviceKind[producerPart]{
		{"small-batches", u.small, u.smallReport, "sends small batches at a high rate"},
		{"synchronous", u.synchronous, synchronousReport, "waits for the answer to each record"},
		{"uncompressed", u.uncompressed, uncompressedReport, "sends uncompressed what could be compressed"},
		{"unordered", unordered, unorderedReport, "has more than five requests in flight without idempotence"},
		{"throttled", throttled, throttledReport, "is held back by a quota"},
	}
}

// roomyBatch is batch.size of the Java client by default: a batch that large is not
// small, however few records fill it.
const roomyBatch = 16 << 10

// small says whether there are many requests with little in them. Who waits for
// each record would only wait longer with linger.ms, so that is told instead; where
// answers are expected and none was counted, one cannot say which it is.
func (u *untunedProducer) small(p *producerPart, length time.Duration) bool {
	s := &p.sent
	records, size := s.perBatch.Quantile(0.5), s.sizes.Quantile(0.5)*rules.SizeUnit
	switch {
	case perSecond(s.requests, length) <= float64(u.RequestsPerSecond), s.acks != 0 && p.answered.Requests == 0, u.synchronous(p, length):
		return false
	case size < int64(u.SmallBytes):
		return true
	}
	return records < int64(u.SmallRecords) && size < roomyBatch
}

// synchronous says whether a producer that has each record answered before it sends
// the next spends more than half of its time on waiting. Where the application takes
// longer than the broker does, little would be won.
func (u *untunedProducer) synchronous(p *producerPart, length time.Duration) bool {
	s, a := &p.sent, &p.answered
	return a.Requests > 0 && s.single*20 >= s.requests*19 && s.requests > 0 &&
		a.InFlight.Quantile(0.95) == 1 && waiting(p, length) > 0.5
}

// waiting is the part of the time in which the requests of a part were unanswered,
// one after the other.
func waiting(p *producerPart, length time.Duration) float64 {
	if p.answered.Requests == 0 {
		return 0
	}
	each := p.answered.Waited / time.Duration(p.answered.Requests)
	return min(float64(p.sent.requests)*each.Seconds()/length.Seconds(), 1)
}

// savingPerSecond is how many bytes a second compression must save at least.
const savingPerSecond = 10 << 10

// uncompressed says whether compression would save something worth it.
func (u *untunedProducer) uncompressed(p *producerPart, length time.Duration) bool {
	s := &p.sent
	trial, n := p.trials.sum()
	saves := max(saved(trial, trial.LZ4), saved(trial, trial.Zstd))
	return n > 0 && s.plain*20 >= s.batches*19 && s.sizes.Quantile(0.5)*rules.SizeUnit >= trialLeast &&
		percent(saves) >= u.SavingPercent && saves*float64(s.plainOf)/length.Seconds() >= savingPerSecond
}

// safeInFlight is how many requests a producer may keep in flight and still have its
// retries in order, if it is idempotent (KIP-98, ProducerStateEntry.java).
const safeInFlight = 5

// unordered says whether a producer without idempotence keeps that many requests in
// flight that a retry is likely to overtake or be overtaken.
func unordered(p *producerPart, _ time.Duration) bool {
	return p.sent.unsafe*2 > p.sent.batches && p.answered.InFlight.Quantile(0.9) > safeInFlight
}

// throttled says whether a quota is felt: brokers ask the client to wait in more than
// one of twenty answers.
func throttled(p *producerPart, _ time.Duration) bool {
	return p.answered.Throttled*20 > p.answered.Requests
}

func (u *untunedProducer) smallReport(of adviceOf[producerPart]) rules.Report {
	s := &of.part.sent
	return rules.Report{
		Summary: fmt.Sprintf("%s sends %s Produce requests a second, in batches of %s and %s (median): brokers have the work of each request and batch for next to nothing",
			clientText(of.client), paceText(perSecond(s.requests, of.length)), recordCount(s.perBatch.Quantile(0.5)), sizeText(s.sizes.Quantile(0.5)*rules.SizeUnit)),
		Evidence: of.part.facts(of.length),
		Advice:   batchAdvice(of.client) + " Records wait for each other that long; where that matters more, leave the topic out of this rule.",
	}
}

func synchronousReport(of adviceOf[producerPart]) rules.Report {
	a := &of.part.answered
	share := percent(waiting(of.part, of.length))
	return rules.Report{
		Summary: fmt.Sprintf("%s sends one record at a time and waits for its answer, %d %% of the time: more than %s records a second it cannot write",
			clientText(of.client), share, paceText(float64(time.Second)/float64(max(a.Waited/time.Duration(a.Requests), 1)))),
		Evidence: append(of.part.facts(of.length), rules.Fact{Name: "waiting_percent", Value: share}),
		Advice:   tunings[of.client.Library()].together,
	}
}

func uncompressedReport(of adviceOf[producerPart]) rules.Report {
	s := &of.part.sent
	trial, n := of.part.trials.sum()
	lz4, zstd := percent(saved(trial, trial.LZ4)), percent(saved(trial, trial.Zstd))
	return rules.Report{
		Summary: fmt.Sprintf("%s sends %s a second uncompressed: tried on %d of its batches, lz4 saves %d %% and zstd %d %% of the bytes",
			clientText(of.client), sizeText(int64(float64(s.plainOf)/of.length.Seconds())), n, lz4, zstd),
		Evidence: append(of.part.facts(of.length),
			rules.Fact{Name: "lz4_saves_percent", Value: lz4}, rules.Fact{Name: "zstd_saves_percent", Value: zstd},
			rules.Fact{Name: "trials", Value: n}, rules.Fact{Name: "tried_bytes", Value: trial.Bytes}),
		Advice: fmt.Sprintf("Set %s. Network, disks and page cache of the brokers hold that much less, and consumers decompress by themselves; zstd is worth its time where the network is what is short.",
			tunings[of.client.Library()].compress),
	}
}

func unorderedReport(of adviceOf[producerPart]) rules.Report {
	depth := of.part.answered.InFlight.Quantile(0.9)
	advice := fmt.Sprintf("Set %s=true: up to %d requests in flight then keep their order, and no retry writes twice.", setting(of.client.Library(), "enable.idempotence"), safeInFlight)
	switch library := of.client.Library(); {
	case library == rules.FranzGo:
		advice = "Leave kgo.DisableIdempotentWrite out: by default retries keep their order and do not write twice."
	case library == rules.KafkaGo:
		advice = "kafka-go has no idempotent producer: have consumers expect records twice and out of order."
	}
	return rules.Report{
		Summary: fmt.Sprintf("%s keeps %d requests in flight without idempotence: a batch that fails and is sent again comes behind the next ones, or is written twice",
			clientText(of.client), depth),
		Evidence: append(of.part.facts(of.length), rules.Fact{Name: "in_flight", Value: depth}),
		Advice:   advice,
	}
}

func throttledReport(of adviceOf[producerPart]) rules.Report {
	a := &of.part.answered
	return rules.Report{
		Summary: fmt.Sprintf("%s is held back by a quota: brokers told it to wait with %d %% of their answers, %s in all within %s",
			clientText(of.client), percent(float64(a.Throttled)/float64(a.Requests)), short(a.ThrottleTime), spaced(of.length)),
		Evidence: append(of.part.facts(of.length), rules.Fact{Name: "throttled_answers", Value: a.Throttled}, rules.Fact{Name: "throttle_time_ms", Value: a.ThrottleTime.Milliseconds()}),
		Advice:   "Compress, and send fewer and larger requests, or have its quota raised: producer_byte_rate or request_percentage of its user or client.id (kafka-configs --alter --entity-type clients).",
	}
}

// facts are the numbers of a part that matter to all that can be said.
func (p *producerPart) facts(length time.Duration) rules.Evidence {
	s := &p.sent
	e := rules.Evidence{
		{Name: "requests_per_second", Value: places(perSecond(s.requests, length), 1)},
		{Name: "batches_per_second", Value: places(perSecond(s.batches, length), 1)},
		{Name: "median_records", Value: s.perBatch.Quantile(0.5)},
		{Name: "median_bytes", Value: s.sizes.Quantile(0.5) * rules.SizeUnit},
		{Name: "acks", Value: int(s.acks)},
	}
	if p.answered.Requests > 0 {
		p99 := rules.LatencyUnit * time.Duration(p.answered.Latency.Quantile(0.99))
		e = append(e, rules.Fact{Name: "p99_latency_ms", Value: places(float64(p99)/float64(time.Millisecond), 1)})
	}
	return e
}
