package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/embedded"
)

func sceneStuckPartition() demoScene {
	return demoScene{
		rule: "stuck-partition", config: "{learning_after: 8s, hold: 1s}",
		topics: []embedded.Topic{{Name: "addresses-new", Partitions: 3}, {Name: "holidays", Partitions: 3}},
		acts: []demoAct{
			{
				client: "geo-coder", group: "geo-coder", does: "waits for an answer that never comes",
				because: "One of its workers calls another service without a timeout. Heartbeats come from elsewhere in the process, so Kafka takes it for well.",
				found:   true, once: true, play: playHanging,
			},
			{
				client: "calendar", group: "calendar", does: "has not committed for as long, at the end",
				because: "It has read all there is, and nothing new was written. Who has nothing to do is not stuck, however long ago the last commit.",
				once:    true, play: playIdle,
			},
		},
	}
}

// playHanging reads three partitions, and the worker of one of them hangs. The consumer stays in its group, for
// whoever looks at it later.
func playHanging(ctx context.Context, st *demoStage) (bool, error) {
	if err := st.prepare(ctx, "signup-form-2", recordsOf("addresses-new", 30, priceJSON)); err != nil {
		return false, err
	}
	cl, err := st.reader("geo-coder", "addresses-new")
	if err != nil {
		return false, err
	}
	st.shop.keep(cl)
	hangs := func(ctx context.Context, r *kgo.Record) {
		if r.Partition == 1 && r.Offset == 1 {
			<-ctx.Done() // for the answer of the other service, which does not come
		}
	}
	read := func(ctx context.Context) error { return byPartition(ctx, cl, hangs) }
	return false, besides(ctx, read, func(ctx context.Context) error {
		err := besides(ctx, st.drips("signup-form-2", "addresses-new", 300*time.Millisecond), func(ctx context.Context) error {
			_, err := st.told(ctx, "status", nil)
			return err
		})
		pause(ctx, 3*demoHeartbeat) // in which the other two get to the end
		st.print.field("developer", "No error, and no log line: two workers are busy, and one waits.")
		return err
	})
}

// playIdle reads a topic to its end and stays.
func playIdle(ctx context.Context, st *demoStage) (bool, error) {
	const n = 12
	if err := st.prepare(ctx, "hr-import", recordsOf("holidays", n, func(i int) []byte { return fmt.Appendf(nil, `{"day":%d}`, i) })); err != nil {
		return false, err
	}
	cl, err := st.reader("calendar", "holidays")
	if err != nil {
		return false, err
	}
	defer cl.Close()
	if err := takes(ctx, cl, n); err != nil {
		return false, err
	}
	pause(ctx, 10*time.Second)
	st.print.field("developer", "It has got all 12 records, and waits for more.")
	return false, ctx.Err()
}

func sceneLagSkew() demoScene {
	return demoScene{
		rule: "lag-skew", config: "{min_lag: 40, hold: 2s}",
		topics: []embedded.Topic{{Name: "clicks", Partitions: 6}, {Name: "banners", Partitions: 6}},
		acts: []demoAct{
			{
				client: "click-counts", group: "click-counts", does: "keeps up with five partitions of six",
				because: "The customer whose clicks are on one partition has long lists to update. The group's total lag looks like a few seconds of work.",
				found:   true, once: true, play: playLag("clicks", func(partition int32) bool { return partition == 3 }),
			},
			{
				client: "banner-counts", group: "banner-counts", does: "lags evenly, six times as much in all",
				because: "More consumers help here, and the total says how it is: lag-skew is about what the total hides.",
				once:    true, play: playLag("banners", func(int32) bool { return true }),
			},
		},
	}
}

// playLag reads six partitions, some of them slowly, until warder has found out, or has had the time for it.
func playLag(topic string, slow func(partition int32) bool) func(context.Context, *demoStage) (bool, error) {
	const partitions, each = 6, 60
	return func(ctx context.Context, st *demoStage) (bool, error) {
		waiting := make([]*kgo.Record, partitions*each)
		for i := range waiting {
			waiting[i] = &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: fmt.Appendf(nil, `{"number":%d}`, i)}
		}
		if err := st.prepare(ctx, topic+"-import", waiting, kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
			return false, err
		}
		cl, err := st.reader(st.act.client, topic)
		if err != nil {
			return false, err
		}
		defer cl.Close()
		work := func(ctx context.Context, r *kgo.Record) {
			if slow(r.Partition) {
				pause(ctx, 500*time.Millisecond)
			}
		}
		read := func(ctx context.Context) error { return byPartition(ctx, cl, work) }
		return false, besides(ctx, st.drips(topic+"-tracker", topic, 100*time.Millisecond), func(ctx context.Context) error {
			return besides(ctx, read, func(ctx context.Context) error {
				if !st.act.found {
					pause(ctx, 6*time.Second)
					st.print.field("developer", "It is slow, and every graph of it says so.")
					return ctx.Err()
				}
				_, err := st.told(ctx, "lag", nil)
				st.print.field("developer", "No error. The graph of the group's lag shows a small number.")
				return err
			})
		})
	}
}
