package main

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/test/e2e/clients/godriver"
)

// member is a group member that polls in the background.
type member struct {
	*godriver.Member
	client *kgo.Client
	group  string
	share  bool
	batch  int // most records of one poll; 0 for all that there are
	cancel context.CancelFunc
	done   chan struct{}
}

var members = godriver.Handles[*member]{Prefix: "c"}

var consumerOperations = map[string]godriver.Operation{
	"consume": consume, "consumer_open": consumerOpen,
	"consumer_state":  onMember(func(m *member) (any, error) { return m.State(), nil }),
	"consumer_take":   onMember(func(m *member) (any, error) { return m.Take(), nil }),
	"consumer_commit": onMember((*member).commit),
	"consumer_slow": func(r *godriver.Request) (any, error) {
		m, err := members.Get(r.Handle)
		if err != nil {
			return nil, err
		}
		m.Slow(godriver.Millis(r.SlowMs, 0))
		return nil, nil
	},
	"consumer_close": func(r *godriver.Request) (any, error) {
		m, err := members.Take(r.Handle)
		if err != nil {
			return nil, err
		}
		m.close()
		return nil, nil
	},
}

func onMember(operation func(*member) (any, error)) godriver.Operation {
	return func(r *godriver.Request) (any, error) {
		m, err := members.Get(r.Handle)
		if err != nil {
			return nil, err
		}
		return operation(m)
	}
}

func consumerOpen(r *godriver.Request) (any, error) {
	m := &member{Member: godriver.NewMember(), group: r.Group, share: r.Protocol == "share", batch: r.MaxPollRecords, done: make(chan struct{})}
	opts := []kgo.Opt{kgo.ConsumeTopics(r.Topics...), isolation(r), kgo.FetchMinBytes(int32(godriver.Or(r.FetchMinBytes, 1)))}
	if m.share {
		opts = append(opts, kgo.ShareGroup(r.Group)) // which does not tell what is assigned
	} else {
		opts = append(append(opts, groupOptions(r)...), m.callbacks()...)
	}
	client, err := connect(&r.Conn, opts...)
	if err != nil {
		return nil, err
	}
	m.client = client
	m.Slow(godriver.Millis(r.SlowMs, 0))
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	go m.poll(ctx)
	return members.Add(m), nil
}

// balancers by the name of the assignor.
var balancers = map[string]func() kgo.GroupBalancer{
	"range": kgo.RangeBalancer, "roundrobin": kgo.RoundRobinBalancer, "sticky": kgo.StickyBalancer, "cooperative-sticky": kgo.CooperativeStickyBalancer,
}

func groupOptions(r *godriver.Request) []kgo.Opt {
	session := godriver.Millis(r.SessionTimeoutMs, 10000)
	reset := kgo.NewOffset().AtStart()
	if r.OffsetReset == "latest" {
		reset = kgo.NewOffset().AtEnd()
	}
	opts := []kgo.Opt{
		kgo.ConsumerGroup(r.Group), kgo.ConsumeResetOffset(reset),
		kgo.SessionTimeout(session), kgo.HeartbeatInterval(godriver.Millis(r.HeartbeatIntervalMs, int(min(3*time.Second, session/3).Milliseconds()))),
	}
	if r.GroupInstanceID != "" {
		opts = append(opts, kgo.InstanceID(r.GroupInstanceID))
	}
	if r.MetadataRefreshMs > 0 {
		opts = append(opts, kgo.MetadataMaxAge(godriver.Millis(r.MetadataRefreshMs, 0)), kgo.MetadataMinAge(godriver.Millis(r.MetadataRefreshMs, 0)/2))
	}
	if balancer := balancers[r.Assignor]; balancer != nil {
		opts = append(opts, kgo.Balancers(balancer()))
	}
	if r.AutoCommitMs > 0 {
		opts = append(opts, kgo.AutoCommitInterval(godriver.Millis(r.AutoCommitMs, 0)))
	} else {
		opts = append(opts, kgo.DisableAutoCommit())
	}
	if r.Protocol == "consumer" {
		opts = append(opts, kgo.ServerSideBalancer())
	}
	return opts
}

func (m *member) callbacks() []kgo.Opt {
	return []kgo.Opt{
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, p map[string][]int32) { m.Assign(p) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, p map[string][]int32) { m.Revoke(p) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, p map[string][]int32) { m.Revoke(p) }),
	}
}

func (m *member) poll(ctx context.Context) {
	defer close(m.done)
	for ctx.Err() == nil {
		fetches := m.client.PollRecords(ctx, m.batch)
		if fetches.IsClientClosed() {
			return
		}
		fetches.EachError(func(_ string, _ int32, err error) {
			// What can be retried is retried by kgo itself, and told all the same; so it is with a lost place in the group.
			var k *kerr.Error
			if errors.As(err, &k) && !k.Retriable && !errors.As(err, new(*kgo.ErrGroupSession)) {
				m.Fail(describe(err))
			}
		})
		fetches.EachRecord(func(r *kgo.Record) {
			m.Work()
			m.Receive(fromKgo(r))
			if m.share {
				r.Ack(kgo.AckAccept)
			}
		})
	}
}

func (m *member) commit() (any, error) {
	ctx, cancel := withTime()
	defer cancel()
	if m.share {
		return map[string]any{"offsets": map[string]int64{}}, m.client.FlushAcks(ctx)
	}
	positions := m.Positions()
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for name, at := range positions {
		topic, partition, err := godriver.SplitPartition(name)
		if err != nil {
			return nil, err
		}
		if offsets[topic] == nil {
			offsets[topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[topic][partition] = kgo.EpochOffset{Epoch: -1, Offset: at}
	}
	var failed error
	m.client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
		failed = commitError(answer, err)
	})
	return map[string]any{"offsets": positions}, failed
}

func commitError(answer *kmsg.OffsetCommitResponse, err error) error {
	if err != nil {
		return err
	}
	for _, topic := range answer.Topics {
		for _, partition := range topic.Partitions {
			if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

// close leaves the group.
func (m *member) close() {
	m.cancel()
	m.Slow(0)
	<-m.done
	m.client.Close()
}
