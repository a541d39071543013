package builtin

import (
	"time"

	"warder/rules"
)

// untunedProducer gives advice about producers that cost their brokers more than
// they need to: with a request for every few records, without compression where it
// would help, one record at a time. It counts the heads of batches on the way and
// what their answers say; what compression would save is measured on copies of a
// few batches, see untuned_producer_trial.go.
type untunedProducer struct {
	untunedProducerKnobs

	advice *adviser[producerPart]
}

// untunedProducerKnobs are the keys below `rules.untuned-producer` that only it knows.
type untunedProducerKnobs struct {
	// How far back a producer is looked at. What is advised against must have
	// been so in three of the last five parts of it.
	Window time.Duration `yaml:"window" min:"1s" max:"24h"`
	// Of a producer with fewer requests in the window nothing is said.
	MinRequests int `yaml:"min_requests" min:"1" max:"10000000"`
	// Small batches are no matter up to so many requests a second.
	RequestsPerSecond int `yaml:"requests_per_second" min:"1" max:"1000000"`
	// A batch of fewer records is small, unless it has 16 KiB, and so is one of
	// fewer bytes.
	SmallRecords int `yaml:"small_records" min:"1" max:"100000"`
	SmallBytes   int `yaml:"small_bytes" min:"64" max:"1048576"`
	// From so many percent on that compression saves it is advised.
	SavingPercent int `yaml:"saving_percent" min:"1" max:"99"`
}

func untunedProducerSpec() rules.Spec {
	return rules.Spec{
		ID:       "untuned-producer",
		Summary:  "a producer that sends a request for every few records, does not compress, or waits for each record",
		Severity: rules.Info,
		Needs:    rules.NeedHeaders,
		Default:  rules.Alert,
		Doc:      "docs/rules/untuned-producer.md",
		Example:  "untuned-producer:\n  window: 10m\n  topics: [\"*\", \"!prices.live\"]\n",
		FoldBy:   rules.FieldClientID | rules.FieldPrincipal,
		Watches: []rules.Interest{
			{Kind: rules.KindProduceAnswered, By: rules.ByClient},
			{Kind: rules.KindObservation, By: rules.ByClient},
		},
		New: newUntunedProducer,
	}
}

func newUntunedProducer(decode func(any) error) (rules.Rule, error) {
	u := &untunedProducer{untunedProducerKnobs: untunedProducerKnobs{
		Window: 5 * time.Minute, MinRequests: 100, RequestsPerSecond: 50, SmallRecords: 10, SmallBytes: 4096, SavingPercent: 30,
	}}
	if err := decode(&u.untunedProducerKnobs); err != nil {
		return nil, err
	}
	u.advice = &adviser[producerPart]{
		window: u.Window, fewest: u.MinRequests, kinds: u.kinds(),
		requests: func(p *producerPart) int { return max(p.sent.requests, p.answered.Requests) },
	}
	return u, nil
}

// sentBatches is what a producer sent, as its batches show.
type sentBatches struct {
	requests int // with a batch that the rule looks at
	single   int // of them, of one record in all
	batches  int
	records  int64
	bytes    int64
	plain    int   // batches that are not compressed
	plainOf  int64 // bytes of them
	unsafe   int   // batches without a producer id whose answers are waited for
	acks     int16 // of the last
	// How records and bytes (in SizeUnit) are spread over the batches.
	perBatch, sizes rules.Spread
}

func (s *sentBatches) add(o *sentBatches) {
	s.requests += o.requests
	s.single += o.single
	s.batches += o.batches
	s.records += o.records
	s.bytes += o.bytes
	s.plain += o.plain
	s.plainOf += o.plainOf
	s.unsafe += o.unsafe
	s.acks = o.acks
	s.perBatch.Merge(&o.perBatch)
	s.sizes.Merge(&o.sizes)
}

// producerSession is what one session has sent since it told its watcher: 600
// bytes.
type producerSession struct {
	sent   sentBatches
	since  time.Time
	fresh  bool // a request has begun of which no batch was seen
	alone  bool // the request at hand is one record so far
	trials trialTurn
}

// NewScratch is what one session has sent.
func (*untunedProducer) NewScratch() any { return &producerSession{} }

// Request turns to the next request.
func (*untunedProducer) Request(c *rules.Case, _ *rules.Request) {
	c.Scratch.(*producerSession).fresh = true
}

// Batch counts a batch, and tells the watcher now and then.
func (u *untunedProducer) Batch(c *rules.Case, b *rules.Batch) {
	s := c.Scratch.(*producerSession)
	s.count(b)
	if sample := u.sample(c, s, b); sample != nil {
		c.Observe(rules.ByClient, b.Identity.Key(), sample)
	}
	switch {
	case s.since.IsZero():
		s.since = b.Time
	case b.Time.Sub(s.since) >= u.Window/producerTells:
		sent := s.sent
		c.Observe(rules.ByClient, b.Identity.Key(), &sent)
		s.sent, s.since = sentBatches{}, b.Time
	}
}

// producerTells is how many times in a window a session tells what it has sent: ten
// times in each part, so that a part is told nearly whole.
const producerTells = 10 * adviceParts

func (s *producerSession) count(b *rules.Batch) {
	h, n := b.Header, &s.sent
	records := max(int64(h.NumRecords), 1) // a wrapper of magic 0 or 1 does not say
	switch {
	case s.fresh:
		n.requests++
		s.fresh, s.alone = false, records == 1
		if s.alone {
			n.single++
		}
	case s.alone:
		n.single--
		s.alone = false
	}
	n.batches++
	n.records += records
	n.bytes += int64(h.Size)
	n.perBatch.Add(records)
	n.sizes.Add(int64(h.Size) / rules.SizeUnit)
	n.acks = b.Acks
	if uncompressed(b) {
		n.plain++
		n.plainOf += int64(h.Size)
	}
	if h.ProducerID < 0 && b.Acks != 0 {
		n.unsafe++
	}
}

// uncompressed says whether the batch is not compressed; codecs are numbered from
// none on (CompressionType.java).
func uncompressed(b *rules.Batch) bool { return b.Header.Codec == 0 }

// producerPart is what is counted of an instance in a part of the window: 1.3 KB.
type producerPart struct {
	sent     sentBatches
	answered rules.ProduceAnswered
	trials   *producerTrials // of the client
}

// Watch adds up what sessions tell.
func (u *untunedProducer) Watch(w *rules.Watch, ev rules.Event) {
	switch ev := ev.(type) {
	case rules.ProduceAnswered:
		if p := u.advice.count(w, ev.Client); p != nil {
			addAnswered(&p.answered, &ev)
		}
	case rules.Observation:
		u.observed(w, &ev)
	}
}

func (u *untunedProducer) observed(w *rules.Watch, o *rules.Observation) {
	p := u.advice.count(w, o.Client)
	if p == nil {
		return
	}
	switch data := o.Data.(type) {
	case *sentBatches:
		p.sent.add(data)
		p.trials = trialsOf(w)
	case compressionSample:
		trialsOf(w).try(data)
	}
}

func addAnswered(a, more *rules.ProduceAnswered) {
	a.Requests += more.Requests
	a.Waited += more.Waited
	a.Throttled += more.Throttled
	a.ThrottleTime += more.ThrottleTime
	a.Latency.Merge(&more.Latency)
	a.InFlight.Merge(&more.InFlight)
}

// Tick judges what is over.
func (u *untunedProducer) Tick(w *rules.Watch) { u.advice.tick(w) }
