package builtin

import (
	"strconv"
	"time"

	"warder/rules"
)

// hotPartition finds a partition that takes far more than its share of a topic,
// window after window, and the key that feeds it. Whoever reads it is the
// slowest member of every group, and more partitions or consumers do not help.
//
// Only records with a key are judged: without one the producer chooses, batch by
// batch (sticky partitioner) and with an eye on how fast brokers answer (adaptive
// partitioning, KIP-794), which looks uneven and is meant. Whether records have
// keys shows in samples only, see hotSession; how many there are, and their bytes,
// in the heads of batches.
//
// Keys are followed in hot partitions alone, from their first hot window on.
type hotPartition struct{ hotKnobs }

// hotKnobs are the keys below `rules.hot-partition` that only it knows.
type hotKnobs struct {
	// Length of a window.
	Window time.Duration `yaml:"window" min:"1s" max:"5m"`
	// A partition must be hot in so many windows in a row to be reported, and
	// fine in as many for it to be over.
	Windows int `yaml:"windows" min:"2" max:"8"`
	// A topic with fewer records with a key than this in a window is not
	// judged.
	MinRecords int `yaml:"min_records" min:"1" max:"1000000000"`
	// A hot partition takes more than so many times its fair share, which is
	// one part in as many as the topic has partitions, but at least in four.
	TimesFair float64 `yaml:"times_fair" min:"1" max:"1000"`
	// It also takes more than so many times what the next partition takes.
	TimesNext float64 `yaml:"times_next" min:"1" max:"1000"`
	// A key feeds the partition when it makes up so many percent of it.
	KeyPercent int `yaml:"key_percent" min:"1" max:"100"`
	// Keys that make up so many percent of the topic are listed.
	ListPercent int `yaml:"list_percent" min:"1" max:"100"`
	// What is shown instead of its hash.
	Reveal []string `yaml:"reveal" enum:"keys"`
}

// Bounds of hotPartition.
const (
	// hotFewest partitions have an uneven share worth a word: of two, one is
	// always in front.
	hotFewest = 3
	// hotFairFrom makes a topic of three be judged as one of four: three times
	// a fair third is everything, which nothing can exceed.
	hotFairFrom = 4
	// hotTellEvery is how often a partition that stays hot is reported again.
	hotTellEvery = 10 * time.Minute
)

func hotPartitionSpec() rules.Spec {
	return rules.Spec{
		ID:       "hot-partition",
		Summary:  "a partition that takes far more than its share of a topic, and the key that feeds it",
		Severity: rules.Warning,
		Needs:    rules.NeedHeaders | rules.NeedSamples,
		Default:  rules.Alert,
		Doc:      "docs/rules/hot-partition.md",
		Example:  "hot-partition:\n  topics: [\"orders.*\", \"!orders.audit\"]\n  min_records: 10000\n",
		FoldBy:   rules.FieldTopic | rules.FieldPartition,
		Tells:    rules.TellsHotPartitions,
		Watches:  []rules.Interest{{Kind: rules.KindFetched, By: rules.ByTopic}},
		New:      newHotPartition,
	}
}

func newHotPartition(decode func(any) error) (rules.Rule, error) {
	h := &hotPartition{hotKnobs{
		Window: time.Minute, Windows: 3, MinRecords: 1000, TimesFair: 3, TimesNext: 2, KeyPercent: 50, ListPercent: 10,
	}}
	if err := decode(&h.hotKnobs); err != nil {
		return nil, err
	}
	return h, nil
}

// Wants leaves out topics that only brokers write, those with too few partitions
// and those of which the number is not known.
func (h *hotPartition) Wants(_ *rules.Identity, topic *rules.Topic) bool {
	return topic.Partitions >= hotFewest && topic.Partitions <= hotMostPartitions && !brokerTopics.Match(topic.Name)
}

// NewShared is the traffic of all sessions together.
func (*hotPartition) NewShared() rules.Store { return newHotTraffic() }

// NewScratch is what one session has seen of the batch at hand.
func (*hotPartition) NewScratch() any { return &hotSession{} }

// Sample counts records with and without a key and shows the keys of hot
// partitions to their counters.
func (h *hotPartition) Sample(c *rules.Case, b *rules.Batch, r *rules.Record) {
	s := &c.Scratch.(*hotSession).batch
	if !s.of(b) || r.Index <= s.last {
		s.begin(c, b)
	}
	s.last = r.Index
	s.sampled += b.Weight
	if r.KeyNull {
		return
	}
	s.keyed += b.Weight
	if s.suspect != nil {
		h.follow(s, b, r)
	}
}

// Batch counts what the batch brought to its partition.
func (h *hotPartition) Batch(c *rules.Case, b *rules.Batch) {
	session := c.Scratch.(*hotSession)
	s := &session.batch
	if !s.of(b) {
		s.begin(c, b)
	}
	if keyed, known := session.keyed(); known {
		// A batch that nobody walked holds fewer records than would have been
		// sampled, so a number that is not true cannot be large.
		n := max(b.Records, int(b.Header.NumRecords), 0)
		s.topic.count(s, hotLoad{keyed * float64(b.Header.Size), keyed * float64(n)})
	}
	*s = hotBatch{}
}

// follow counts the key of a record in a hot partition. A key is named when it
// has become heavy, so that most are neither hashed for it nor copied.
func (h *hotPartition) follow(s *hotBatch, b *rules.Batch, r *rules.Record) {
	weight := float64(b.Weight)
	if s.suspect.by == hotBytes {
		weight *= float64(len(r.Key) + len(r.Value) + len(r.Headers) + hotRecordBytes)
	}
	hash := b.KeyHash(r)
	s.topic.mu.Lock()
	defer s.topic.mu.Unlock()
	keys := s.suspect.keys
	if keys == nil {
		return // it has cooled down meanwhile
	}
	s.suspect.samples++
	if k := keys.Add(hash, weight); k.Name == "" && k.Least() > keys.Total()/hotNamedFrom && s.suspect.revealed == h.reveals() {
		k.Name = h.keyText(r.Key)
	}
}

const (
	// hotRecordBytes is about what the lengths and deltas of a record take.
	hotRecordBytes = 7
	// hotNamedFrom: a key that makes up more than one part in so many of what
	// its partition took is worth a name.
	hotNamedFrom = 64
)

func (h *hotPartition) reveals() bool { return len(h.Reveal) > 0 }

func (h *hotPartition) keyText(key []byte) string {
	text := rules.KeyText(key)
	if h.reveals() {
		text = strconv.Quote(rules.Excerpt(key, 64))
	}
	if len(key) == 0 {
		text += hotEmptyKey
	}
	return text
}

// hotEmptyKey stands behind the name of the empty key, which is no secret.
const hotEmptyKey = " (the empty key)"
