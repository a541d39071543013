package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/embedded"
)

func sceneRetentionLoss() demoScene {
	return demoScene{
		rule: "retention-loss", config: "{window: 1s}",
		topics: []embedded.Topic{{Name: "sensors", Partitions: 1}},
		acts: []demoAct{{
			client: "archiver", group: "archiver", does: "is down for longer than retention keeps",
			because: "Seven days are kept, and it is down for eight. What retention would delete day by day the demo deletes every second, past warder.",
			found:   true, once: true, play: playOverdue,
		}},
	}
}

// playOverdue stops a group, deletes what it has read and then what it has not, and starts it again.
func playOverdue(ctx context.Context, st *demoStage) (bool, error) {
	const read = 100
	if err := st.prepare(ctx, "sensor-hub", recordsOf("sensors", read, sensorJSON)); err != nil {
		return false, err
	}
	if err := st.once(ctx, "sensors", read, kgo.NewOffset().AtStart()); err != nil {
		return false, err
	}
	return false, besides(ctx, st.drips("sensor-hub", "sensors", 50*time.Millisecond), func(ctx context.Context) error {
		start := int64(10)
		err := besides(ctx, func(ctx context.Context) error {
			for ; start < read && pause(ctx, time.Second); start += 10 {
				if err := st.deleteBefore(ctx, "sensors", start); err != nil {
					return err
				}
			}
			return nil
		}, func(ctx context.Context) error { return st.warned(ctx, "time_left_ms", nil) })
		if err != nil {
			return err
		}
		pause(ctx, time.Second) // there must be something to delete that was not read
		if err := st.deleteBefore(ctx, "sensors", read+15); err != nil {
			return err
		}
		if _, err := st.told(ctx, "lost", nil); err != nil {
			return err
		}
		return st.comesBack(ctx, read)
	})
}

// comesBack starts the group again, which had committed an offset.
func (st *demoStage) comesBack(ctx context.Context, committed int64) error {
	cl, err := st.reader("archiver", "sensors")
	if err != nil {
		return err
	}
	defer cl.Close()
	for {
		fetches := cl.PollFetches(ctx)
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			return err
		}
		if all := fetches.Records(); len(all) > 0 {
			st.print.field("developer", fmt.Sprintf("It is started again. It had committed offset %d, and the first record that it is given has offset %d. No error.", committed, all[0].Offset))
			return cl.CommitRecords(ctx, all...)
		}
	}
}

// deleteBefore deletes the records before an offset of a partition, past warder, as retention would.
func (st *demoStage) deleteBefore(ctx context.Context, topic string, offset int64) error {
	cl, err := st.direct()
	if err != nil {
		return err
	}
	defer cl.Close()
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, At: offset})
	answers, err := kadm.NewClient(cl).DeleteRecords(ctx, offsets)
	if err == nil {
		err = answers.Error()
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("delete records: %w", err)
	}
	return nil
}

func sensorJSON(i int) []byte { return fmt.Appendf(nil, `{"degrees":%d}`, i%40) }

func sceneGroupExpiry() demoScene {
	return demoScene{
		rule: "group-expiry", config: "{offsets_retention: 8s}",
		topics: []embedded.Topic{{Name: "summer-sales", Partitions: 1}, {Name: "winter-sales", Partitions: 1}},
		acts: []demoAct{
			{
				client: "season-report", group: "season-report", does: "is switched off until next season",
				because: "Its last member has left. Brokers forget a group's offsets after a while, seven days by default, and 8 s is what warder is told here.",
				found:   true, once: true, play: playSeason("summer-sales", false),
			},
			{
				client: "season-board", group: "season-board", does: "has nothing to do for as long, but runs",
				because: "A group with members keeps its offsets, however long ago the last commit was.",
				once:    true, play: playSeason("winter-sales", true),
			},
		},
	}
}

// playSeason reads all there is, and then nothing more.
func playSeason(topic string, stays bool) func(context.Context, *demoStage) (bool, error) {
	return func(ctx context.Context, st *demoStage) (bool, error) {
		const n = 10
		if err := st.prepare(ctx, st.act.client+"-feed", recordsOf(topic, n, sensorJSON)); err != nil {
			return false, err
		}
		cl, err := st.reader(st.act.client, topic)
		if err != nil {
			return false, err
		}
		if stays {
			st.shop.keep(cl)
		} else {
			defer cl.Close()
		}
		if err := takes(ctx, cl, n); err != nil {
			return false, err
		}
		if stays {
			pause(ctx, 8*time.Second)
			st.print.field("developer", "It waits for more.")
			return false, ctx.Err()
		}
		st.print.field("developer", "Nobody looks: it does not run.")
		return false, nil
	}
}
