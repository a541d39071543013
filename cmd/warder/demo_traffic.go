package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/embedded"
)

func sceneCompactedEventStream() demoScene {
	return demoScene{
		rule: "compacted-event-stream", config: "{action: block, window: 1s, windows: 2, min_records: 100}",
		topics: []embedded.Topic{{Name: "audit-log", Partitions: 1}, compactedTopic("page-views")},
		acts: []demoAct{
			{
				client: "terraform", does: "switches topic audit-log to compact",
				because: "One module sets one policy for all topics. Of events, compaction leaves the last one of each key, and the others cannot be had back.",
				found:   true, refused: true, play: playSwitch,
			},
			{
				client: "web-tracker", topic: "page-views", does: "events on a compacted topic",
				because: "Each event has a key of its own, so compaction has nothing to remove: the log grows until the disk is full.",
				found:   true, once: true,
				play: playUntilFound("web-tracker", 20, func(n int) *kgo.Record {
					return &kgo.Record{Topic: "page-views", Key: fmt.Appendf(nil, "view-%d", n), Value: fmt.Appendf(nil, `{"page":%d}`, n%40)}
				}),
			},
		},
	}
}

// playSwitch asks to switch the cleanup.policy of a topic in use.
func playSwitch(ctx context.Context, st *demoStage) (bool, error) {
	cl, err := st.shop.client("terraform")
	if err != nil {
		return false, err
	}
	defer cl.Close()
	compact := "compact"
	answers, err := kadm.NewClient(cl).AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "cleanup.policy", Value: &compact}}, "audit-log")
	if err == nil && len(answers) != 1 {
		err = fmt.Errorf("%d answers about one topic", len(answers))
	}
	if err != nil {
		return false, fmt.Errorf("alter a topic: %w", err)
	}
	if answers[0].Err == nil {
		st.print.field("developer", "The topic was altered.")
		return false, nil
	}
	return true, st.refusal(answers[0].Err, answers[0].ErrMessage)
}

func sceneHotPartition() demoScene {
	return demoScene{
		rule: "hot-partition", config: "{window: 1s, windows: 2, min_records: 100}",
		topics: []embedded.Topic{{Name: "usage", Partitions: 6}, {Name: "metrics", Partitions: 6}},
		acts: []demoAct{
			{
				client: "metering", topic: "usage", does: "four of five records with one key",
				because: "The key is the tenant, and one tenant does more than all others. One key is one partition, so one consumer has its work and the others wait.",
				found:   true, once: true,
				play: playUntilFound("metering", 20, func(n int) *kgo.Record {
					tenant := 42
					if n%5 == 0 {
						tenant = n % 97
					}
					return &kgo.Record{Topic: "usage", Key: fmt.Appendf(nil, "tenant-%d", tenant), Value: fmt.Appendf(nil, `{"calls":%d}`, n%1000)}
				}),
			},
			{
				client: "telemetry", topic: "metrics", does: "no keys, one partition at a time",
				because: "Without a key the producer stays with one partition for a while and then takes another (KIP-794): uneven at any moment, and meant to be.",
				once:    true, play: playKeyless,
			},
		},
	}
}

// playKeyless writes records without keys for as long as a hot partition would take to be found, as producers since
// Apache Kafka 3.3 do.
func playKeyless(ctx context.Context, st *demoStage) (bool, error) {
	w := demoWriter{client: "telemetry", size: 20, every: 50 * time.Millisecond, record: func(n int) *kgo.Record {
		return &kgo.Record{Topic: "metrics", Value: fmt.Appendf(nil, `{"load":%d}`, n%100)}
	}, opts: []kgo.Opt{kgo.RecordPartitioner(kgo.UniformBytesPartitioner(64<<10, true, true, nil))}}
	return w.playFor(ctx, st, 4*time.Second)
}

// playUntilFound writes batches of so many records until warder has found out.
func playUntilFound(client string, size int, record func(n int) *kgo.Record) func(context.Context, *demoStage) (bool, error) {
	return demoWriter{client: client, size: size, every: 50 * time.Millisecond, record: record}.playUntilFound
}

// demoWriter writes batches of so many records with a pause after each.
type demoWriter struct {
	client string
	size   int
	every  time.Duration
	record func(n int) *kgo.Record
	opts   []kgo.Opt
}

// playUntilFound writes until warder has found out.
func (w demoWriter) playUntilFound(ctx context.Context, st *demoStage) (bool, error) {
	return w.play(ctx, st, func() bool { return st.look(st.act) != nil })
}

// playFor writes for some time.
func (w demoWriter) playFor(ctx context.Context, st *demoStage, long time.Duration) (bool, error) {
	began := time.Now()
	return w.play(ctx, st, func() bool { return time.Since(began) >= long })
}

func (w demoWriter) play(ctx context.Context, st *demoStage, over func() bool) (bool, error) {
	cl, err := st.shop.client(w.client, w.opts...)
	if err != nil {
		return false, err
	}
	defer cl.Close()
	written := 0
	ended := waitUntil(ctx, demoPatience, func() bool {
		if err = cl.ProduceSync(ctx, demoBatch(written, w.size, w.record)...).FirstErr(); err != nil {
			return true
		}
		written += w.size
		pause(ctx, w.every)
		return over()
	})
	switch {
	case err != nil:
		return false, fmt.Errorf("write to the topic: %w", err)
	case ended:
		st.stored(written)
	}
	return false, ctx.Err()
}

// demoBatch makes the records from number n on.
func demoBatch(n, size int, record func(n int) *kgo.Record) []*kgo.Record {
	all := make([]*kgo.Record, size)
	for i := range all {
		all[i] = record(n + i)
	}
	return all
}

func sceneWrongTopic() demoScene {
	return demoScene{
		rule: "wrong-topic", config: "{unread_after: 1s}",
		topics: []embedded.Topic{{Name: "returns", Partitions: 2}, {Name: "returns-v2", Partitions: 2}},
		acts: []demoAct{{
			client: "return-desk", does: "writes returns-v2, but returns is read",
			because: "The producer was released with the new name of a topic, its consumers were not. No error anywhere, and no lag: nothing arrives.",
			found:   true, once: true, play: playWrongTopic,
		}},
	}
}

// playWrongTopic lets a group read one topic, and a job that is started again and again write another.
func playWrongTopic(ctx context.Context, st *demoStage) (bool, error) {
	refunds, err := st.shop.client("refunds", kgo.ConsumerGroup("refunds"), kgo.ConsumeTopics("returns"))
	if err != nil {
		return false, err
	}
	reading, stop := context.WithCancel(ctx)
	var reader sync.WaitGroup
	received := 0
	reader.Go(func() {
		defer refunds.Close()
		for reading.Err() == nil {
			received += refunds.PollFetches(reading).NumRecords()
		}
	})
	written := 0
	waitUntil(ctx, demoPatience, func() bool {
		if err = st.prepare(ctx, "return-desk", recordsOf("returns-v2", 1, priceJSON)); err != nil {
			return true
		}
		written++
		pause(ctx, 300*time.Millisecond)
		return st.look(st.act) != nil
	})
	stop()
	reader.Wait()
	if err = errors.Join(err, ctx.Err()); err != nil {
		return false, err
	}
	st.print.field("developer", fmt.Sprintf("All %d writes succeeded. Group refunds has no error either: it waits, and has got %d records.", written, received))
	return false, nil
}
