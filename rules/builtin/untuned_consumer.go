package builtin

import (
	"fmt"
	"time"

	"warder/rules"
)

// untunedConsumer gives advice about consumers that fetch a little at a time, many
// times a second, and about Fetch requests with too many partitions. A Fetch without
// an answer worth speaking of is a long poll, which is how consumers wait: it is not
// counted.
type untunedConsumer struct {
	untunedConsumerKnobs

	advice *adviser[rules.FetchAnswered]
}

// untunedConsumerKnobs are the keys below `rules.untuned-consumer` that only it knows.
type untunedConsumerKnobs struct {
	// How far back a consumer is looked at. What is advised against must have
	// been so in three of the last five parts of it.
	Window time.Duration `yaml:"window" min:"1s" max:"24h"`
	// Of a consumer with fewer requests in the window nothing is said.
	MinRequests int `yaml:"min_requests" min:"1" max:"10000000"`
	// Small answers are no matter up to so many a second.
	AnswersPerSecond int `yaml:"answers_per_second" min:"1" max:"1000000"`
	// An answer with fewer bytes of records is small.
	SmallBytes int `yaml:"small_bytes" min:"64" max:"1048576"`
	// More partitions than this in one Fetch are too many.
	Partitions int `yaml:"partitions" min:"1" max:"1000000"`
}

func untunedConsumerSpec() rules.Spec {
	return rules.Spec{
		ID:       "untuned-consumer",
		Summary:  "a consumer that fetches a few records at a time, many times a second, or too many partitions at once",
		Severity: rules.Info,
		Default:  rules.Alert,
		Doc:      "docs/rules/untuned-consumer.md",
		Example:  "untuned-consumer:\n  window: 10m\n  clients: [\"*\", \"!pricing-*\"]\n",
		FoldBy:   rules.FieldClientID | rules.FieldPrincipal,
		Watches:  []rules.Interest{{Kind: rules.KindFetchAnswered, By: rules.ByClient}},
		New:      newUntunedConsumer,
	}
}

func newUntunedConsumer(decode func(any) error) (rules.Rule, error) {
	u := &untunedConsumer{untunedConsumerKnobs: untunedConsumerKnobs{
		Window: 5 * time.Minute, MinRequests: 100, AnswersPerSecond: 20, SmallBytes: 4096, Partitions: 4000,
	}}
	if err := decode(&u.untunedConsumerKnobs); err != nil {
		return nil, err
	}
	u.advice = &adviser[rules.FetchAnswered]{
		window: u.Window, fewest: u.MinRequests,
		requests: func(f *rules.FetchAnswered) int { return f.Answers },
		kinds: []adviceKind[rules.FetchAnswered]{
			{"small-fetches", u.small, smallFetchReport, "fetches a little at a time at a high rate"},
			{"many-partitions", u.many, u.manyReport, "fetches that many partitions at once"},
		},
	}
	return u, nil
}

// Watch adds up what sessions tell.
func (u *untunedConsumer) Watch(w *rules.Watch, ev rules.Event) {
	more, ok := ev.(rules.FetchAnswered)
	if !ok {
		return // what was lost is missing in rates only
	}
	f := u.advice.count(w, more.Client)
	if f == nil {
		return
	}
	f.Answers += more.Answers
	f.Empty += more.Empty
	f.Bytes += more.Bytes
	f.Sizes.Merge(&more.Sizes)
	f.MinBytes, f.MaxWait = max(f.MinBytes, more.MinBytes), max(f.MaxWait, more.MaxWait)
	f.Partitions = max(f.Partitions, more.Partitions)
}

// Tick judges what is over.
func (u *untunedConsumer) Tick(w *rules.Watch) { u.advice.tick(w) }

// small says whether the broker is asked to answer as soon as there is anything, and
// that is little at a time.
func (u *untunedConsumer) small(f *rules.FetchAnswered, length time.Duration) bool {
	return f.MinBytes <= 1 && perSecond(f.Answers-f.Empty, length) > float64(u.AnswersPerSecond) &&
		f.Sizes.Quantile(0.5)*rules.SizeUnit < int64(u.SmallBytes)
}

func (u *untunedConsumer) many(f *rules.FetchAnswered, _ time.Duration) bool {
	return f.Partitions > u.Partitions
}

func smallFetchReport(of adviceOf[rules.FetchAnswered]) rules.Report {
	f, library := of.part, of.client.Library()
	size := f.Sizes.Quantile(0.5) * rules.SizeUnit
	answers := perSecond(f.Answers-f.Empty, of.length)
	return rules.Report{
		Summary: fmt.Sprintf("%s fetches %s times a second for %s at a time (median): each Fetch costs broker, network and consumer the same as one for a hundred times as much",
			clientText(of.client), paceText(answers), sizeText(size)),
		Evidence: rules.Evidence{
			{Name: "answers_per_second", Value: places(answers, 1)},
			{Name: "median_bytes", Value: size},
			{Name: "bytes_per_second", Value: int64(float64(f.Bytes) / of.length.Seconds())},
			{Name: "long_polls", Value: f.Empty},
			{Name: "fetch_min_bytes", Value: f.MinBytes},
			{Name: "fetch_max_wait_ms", Value: f.MaxWait.Milliseconds()},
		},
		Advice: fmt.Sprintf("Set %s to 65536: the broker then collects so much before it answers, for at most %s (%d ms here), which is the most that a record comes later.",
			setting(library, "fetch.min.bytes"), setting(library, "fetch.max.wait.ms"), f.MaxWait.Milliseconds()),
	}
}

func (u *untunedConsumer) manyReport(of adviceOf[rules.FetchAnswered]) rules.Report {
	return rules.Report{
		Summary: fmt.Sprintf("%s fetches from %s at once from one broker: each Fetch takes the broker and the consumer long to go through, however little there is to read",
			clientText(of.client), several(of.part.Partitions, "partition")),
		Evidence: rules.Evidence{
			{Name: "partitions", Value: of.part.Partitions},
			{Name: "limit", Value: u.Partitions},
			{Name: "fetches_per_second", Value: places(perSecond(of.part.Answers, of.length), 1)},
		},
		Advice: "Have more members share the partitions of the group, or subscribe to fewer topics: a pattern may match far more than is meant.",
	}
}
