package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/records"
	"warder/proxy/embedded"
	"warder/rules"
	"warder/rules/sink"
)

// demoStage is what an act has at hand.
type demoStage struct {
	shop    *demoShop
	cluster *embedded.Cluster
	found   *sink.Ring
	print   *demoPrinter
}

// errorMessage makes the same mistake once more, by hand, and returns the error_message of the answer (Produce v8+),
// which franz-go reads but does not show.
func (st *demoStage) errorMessage(ctx context.Context, client, topic, key string) (string, error) {
	cl, err := st.shop.client(client)
	if err != nil {
		return "", err
	}
	defer cl.Close()
	topics, err := kadm.NewClient(cl).ListTopics(ctx, topic)
	if err != nil {
		return "", fmt.Errorf("read metadata of %s: %w", topic, err)
	}
	t := topics[topic]
	b := records.NewBuilder(records.None)
	b.BaseTimestamp = time.Now().UnixMilli()
	batch, err := b.Add([]byte(key), nil).AppendBatch(nil)
	if err != nil {
		return "", err
	}
	resp, err := produceRequest(t, batch).RequestWith(ctx, cl.Broker(int(t.Partitions[0].Leader)))
	if err != nil {
		return "", fmt.Errorf("produce by hand: %w", err)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return "", fmt.Errorf("the answer names %d topics, want the one partition asked for", len(resp.Topics))
	}
	p := resp.Topics[0].Partitions[0]
	if p.ErrorMessage == nil {
		return "", fmt.Errorf("the answer carries no message, only code %d", p.ErrorCode)
	}
	return *p.ErrorMessage, nil
}

// produceRequest writes one batch to partition 0, by name and by id, since which one counts depends on the version.
func produceRequest(t kadm.TopicDetail, batch []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, int32(demoPatience.Milliseconds())
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = batch
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.TopicID = t.Topic, t.ID
	rt.Partitions = append(rt.Partitions, p)
	req.Topics = append(req.Topics, rt)
	return req
}

// writeNullDirectly deletes a key of users the way it happens without warder.
func (st *demoStage) writeNullDirectly(ctx context.Context, key string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(st.cluster.ListenAddrs()...), kgo.ClientID("past-warder"))
	if err != nil {
		return err
	}
	defer cl.Close()
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "users", Key: []byte(key)}).FirstErr(); err != nil {
		return err
	}
	// A batch of its own after the tombstone's, because compaction never touches the last batch of a log.
	return cl.ProduceSync(ctx, demoUser(0, 0)).FirstErr()
}

// compacted compacts the embedded brokers' logs, reads users from its start and returns the last value of key that is
// still in the log, or "".
func (st *demoStage) compacted(ctx context.Context, key string) (string, error) {
	st.cluster.Compact()
	cl, err := st.shop.client("reader", kgo.ConsumeTopics("users"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return "", err
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, "users")
	if err != nil {
		return "", fmt.Errorf("find the end of users: %w", err)
	}
	end, ok := ends.Lookup("users", 0)
	if !ok || end.Err != nil {
		return "", fmt.Errorf("find the end of users: %w", end.Err)
	}
	value := ""
	for next := int64(0); next < end.Offset; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return "", fmt.Errorf("read users: %w", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			next = r.Offset + 1
			if string(r.Key) == key && r.Value != nil {
				value = string(r.Value)
			}
		})
	}
	return value, nil
}

// finding waits until the act's rule has reported something about its client or topic, and returns that. It does not wait where
// nothing must be reported, nor where the write was not refused as it should be.
func (st *demoStage) finding(ctx context.Context, act *demoAct, refused bool) *rules.Finding {
	if act.found && refused == act.refused {
		waitUntil(ctx, demoPatience, func() bool { return st.look(act) != nil })
	}
	return st.look(act)
}

// look returns the newest finding that belongs to the act, nil when there is none.
func (st *demoStage) look(act *demoAct) *rules.Finding {
	q := act.query()
	q.Limit = 1
	found := st.found.Query(q)
	if len(found) == 0 {
		return nil
	}
	return &found[0]
}
