package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"warder/rules"
)

// demoHeartbeat is how often members of the demo's groups are heard: a rebalance takes as long.
const demoHeartbeat = 200 * time.Millisecond

// demoBrokers is the configuration of the embedded brokers: they let members have short session timeouts.
var demoBrokers = map[string]string{"group.min.session.timeout.ms": "1000"}

// reader makes a consumer of the act's group that commits only what it is told to.
func (st *demoStage) reader(client, topic string, opts ...kgo.Opt) (*kgo.Client, error) {
	return st.shop.client(client, append([]kgo.Opt{
		kgo.ConsumerGroup(st.act.group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(demoHeartbeat), kgo.DisableAutoCommit(),
	}, opts...)...)
}

// takes reads and commits until it has got a number of records.
func takes(ctx context.Context, cl *kgo.Client, n int) error {
	for n > 0 {
		fetches := cl.PollRecords(ctx, n)
		if _, rejoins := errors.AsType[*kgo.ErrGroupSession](fetches.Err()); rejoins && ctx.Err() == nil {
			continue
		}
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		n -= fetches.NumRecords()
		if err := cl.CommitRecords(ctx, fetches.Records()...); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
	}
	return nil
}

// besides is what goes on while play does: it is stopped when play has ended.
func besides(ctx context.Context, goesOn, play func(context.Context) error) error {
	ctx2, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	var err error
	group.Go(func() { err = goesOn(ctx2) })
	played := play(ctx)
	stop()
	group.Wait()
	return errors.Join(played, err)
}

// drips is a program that writes a record to one partition of a topic after the other, until ctx ends.
func (st *demoStage) drips(client, topic string, every time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		cl, err := st.shop.client(client, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
		if err != nil {
			return err
		}
		defer cl.Close()
		for n := 0; pause(ctx, every); n++ {
			r := &kgo.Record{Topic: topic, Value: fmt.Appendf(nil, `{"number":%d}`, n)}
			if err := cl.ProduceSync(context.WithoutCancel(ctx), r).FirstErr(); err != nil {
				return fmt.Errorf("write to %s: %w", topic, err)
			}
		}
		return nil
	}
}

// byPartition is how a program reads that has a worker for each partition, which commits what it has done when nothing
// more is at hand, and after a while of work. It ends with ctx.
func byPartition(ctx context.Context, cl *kgo.Client, work func(context.Context, *kgo.Record)) error {
	queues := map[int32]chan *kgo.Record{}
	var workers sync.WaitGroup
	defer workers.Wait()
	for {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		for _, r := range fetches.Records() {
			queue := queues[r.Partition]
			if queue == nil {
				queue = make(chan *kgo.Record, 1000) // more than any act writes
				queues[r.Partition] = queue
				workers.Go(func() { drain(ctx, cl, queue, work) })
			}
			queue <- r
		}
	}
}

func drain(ctx context.Context, cl *kgo.Client, queue <-chan *kgo.Record, work func(context.Context, *kgo.Record)) {
	for committed := (time.Time{}); ; {
		select {
		case r := <-queue:
			work(ctx, r)
			if ctx.Err() == nil && (len(queue) == 0 || time.Since(committed) > demoHeartbeat) {
				_ = cl.CommitRecords(ctx, r) // the next one says it again
				committed = time.Now()
			}
		case <-ctx.Done():
			return
		}
	}
}

// warned waits until what was found says so in its evidence, and shows what the operator sees by then.
func (st *demoStage) warned(ctx context.Context, fact string, value any) error {
	f, err := st.told(ctx, fact, value)
	if err == nil {
		st.print.finding(f)
	}
	return err
}

// told waits until what was found says so in its evidence.
func (st *demoStage) told(ctx context.Context, fact string, value any) (*rules.Finding, error) {
	var f *rules.Finding
	if !waitUntil(ctx, demoPatience, func() bool {
		f = st.look(st.act)
		return f != nil && slices.ContainsFunc(f.Evidence, func(e rules.Fact) bool { return e.Name == fact && (value == nil || e.Value == value) })
	}) {
		return nil, errors.Join(ctx.Err(), fmt.Errorf("nothing was found with %s %v", fact, value))
	}
	return f, nil
}
