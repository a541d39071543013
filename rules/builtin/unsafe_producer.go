package builtin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"warder/rules"
)

// unsafeProducer finds producers that can lose, duplicate or reorder what they
// write to topics that the operator has named as critical: with acks other than
// all, or without idempotence. Both stand in the request and the heads of its
// batches, so nothing is decompressed for it. Which topics matter only the
// operator knows: as long as none is named it looks at nothing.
type unsafeProducer struct {
	unsafeProducerKnobs

	topics rules.Globs
}

// unsafeProducerKnobs are the keys below `rules.unsafe-producer` that only it knows.
type unsafeProducerKnobs struct {
	// Patterns of the topics where no record may be lost or written twice.
	// Empty: there are none, and the rule is silent.
	Critical []string `yaml:"critical"`
	// What is asked of producers there. Some clients, kafka-go among them, can
	// do the first and not the second.
	Require []string `yaml:"require" enum:"acks,idempotence"`
	// What a refusal means for clients that wait for no answer (acks=0):
	// close the connection, or drop the batch, which loses data silently.
	AcksZero string `yaml:"acks_0" enum:"close,drop"`
}

func unsafeProducerSpec() rules.Spec {
	return rules.Spec{
		ID:       "unsafe-producer",
		Summary:  "a producer without acks=all or idempotence on a topic named as critical",
		Severity: rules.Warning,
		Needs:    rules.NeedHeaders,
		CanBlock: true,
		Default:  rules.Alert,
		Doc:      "docs/rules/unsafe-producer.md",
		Example:  "unsafe-producer:\n  action: block\n  scope: request\n  critical: [\"payments*\", \"!payments.metrics\"]\n",
		FoldBy:   rules.FieldTopic | rules.FieldClientID | rules.FieldPrincipal,
		New:      newUnsafeProducer,
	}
}

func newUnsafeProducer(decode func(any) error) (rules.Rule, error) {
	u := &unsafeProducer{unsafeProducerKnobs: unsafeProducerKnobs{Require: []string{requireAcks, requireIdempotence}, AcksZero: "close"}}
	if err := decode(&u.unsafeProducerKnobs); err != nil {
		return nil, err
	}
	var err error
	u.topics, err = rules.CompileGlobs(u.Critical...)
	return u, err
}

// What can be required.
const (
	requireAcks        = "acks"
	requireIdempotence = "idempotence"
)

// acksAll is acks=all as it stands in the request.
const acksAll = -1

// Wants is true for the topics that the operator named.
func (u *unsafeProducer) Wants(_ *rules.Identity, topic *rules.Topic) bool {
	return len(u.Critical) > 0 && u.topics.Match(topic.Name)
}

// NewScratch is what one session was told lately.
func (*unsafeProducer) NewScratch() any { return &unsafeSession{} }

// Batch denies what is written without the guarantees that are required.
func (u *unsafeProducer) Batch(c *rules.Case, b *rules.Batch) {
	f := u.fault(b)
	if f == (unsafeFault{}) {
		return
	}
	told := c.Scratch.(*unsafeSession).topic(b.Topic.Name)
	told.batches++
	if !c.Blocks && told.fault == f && b.Time.Sub(told.at) < unsafeEvery {
		return // such a producer writes all its batches so
	}
	d := rules.Denial{Record: rules.WholeBatch, Reason: fmt.Sprintf("critical topic %s needs %s", topicNamed(b.Topic.Name), f.wanted())}
	if u.AcksZero == "drop" {
		d.AcksZero = rules.DropSilently
	}
	c.Deny(d)
	c.Report(f.report(b, told.batches))
	told.at, told.fault, told.batches = b.Time, f, 0
}

// unsafeFault is what a batch lacks. The zero value lacks nothing.
type unsafeFault struct {
	acks       bool // acks is not all
	acksZero   bool // it is 0: the client does not even retry
	idempotent bool // there is no producer id
}

func (u *unsafeProducer) fault(b *rules.Batch) (f unsafeFault) {
	if slices.Contains(u.Require, requireAcks) && b.Acks != acksAll {
		f.acks, f.acksZero = true, b.Acks == 0
	}
	f.idempotent = slices.Contains(u.Require, requireIdempotence) && b.Header.ProducerID < 0
	return f
}

// wanted names the settings that are missing.
func (f unsafeFault) wanted() string {
	switch {
	case f.acks && f.idempotent:
		return "acks=all and enable.idempotence=true"
	case f.acks:
		return "acks=all"
	}
	return "enable.idempotence=true"
}

// consequences says what can become of the records. Without an answer there are
// no retries, and nothing that they could duplicate.
func (f unsafeFault) consequences() string {
	var all []string
	switch {
	case f.acksZero:
		all = append(all, "records that a broker refuses, or that are on their way when a leader fails, are lost and nobody is told")
	case f.acks:
		all = append(all, "acknowledged records that followers have not copied yet are lost when the leader fails")
	}
	if f.idempotent && !f.acksZero {
		all = append(all, "a retry can write records twice, and out of order when more than one request is in flight")
	}
	return strings.Join(all, "; ")
}

func (f unsafeFault) report(b *rules.Batch, batches int) rules.Report {
	how := fmt.Sprintf("acks=%d", b.Acks)
	if b.Acks == acksAll {
		how = "acks=all"
	}
	if f.idempotent {
		how += " and without idempotence"
	}
	r := rules.Report{
		Summary: fmt.Sprintf("%s writes to critical topic %s with %s: %s",
			clientNamed(b.Identity.ClientID), topicNamed(b.Topic.Name), how, f.consequences()),
		Evidence: rules.Evidence{
			{Name: "acks", Value: int(b.Acks)},
			{Name: "idempotent", Value: b.Header.ProducerID >= 0},
			{Name: "missing", Value: f.wanted()},
			{Name: "batches", Value: batches},
		},
		Advice: fmt.Sprintf("Set %s in the producer, and min.insync.replicas=2 on the topic.", f.wanted()),
	}
	if f.idempotent {
		r.Advice += " In Java an explicit acks other than all, retries=0 or max.in.flight.requests.per.connection above 5 switch idempotence off; librdkafka, sarama and kafkajs have it off unless told otherwise."
	}
	return r
}

const (
	// unsafeEvery is how often a session is reported for one topic: findings
	// are folded, and sent again as often.
	unsafeEvery = time.Minute
	// unsafeTopics is how many topics of a session are told apart. When there
	// are more, the next takes the place of the first and is reported sooner.
	unsafeTopics = 32
)

// unsafeSession is what one session was reported for: 32 topics of 56 bytes.
type unsafeSession struct {
	told [unsafeTopics]unsafeTold
	next int
}

type unsafeTold struct {
	topic   string
	at      time.Time
	batches int // since then
	fault   unsafeFault
}

func (s *unsafeSession) topic(name string) *unsafeTold {
	for i := range s.told {
		if s.told[i].topic == name {
			return &s.told[i]
		}
	}
	t := &s.told[s.next]
	s.next = (s.next + 1) % unsafeTopics
	*t = unsafeTold{topic: name}
	return t
}
