package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
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
	admin   string // address of warder's admin interface
	found   *sink.Ring
	act     *demoAct
	print   *demoPrinter
}

// of gives the stage to an act, which prints to p.
func (st *demoStage) of(act *demoAct, p *demoPrinter) *demoStage {
	own := *st
	own.act, own.print = act, p
	return &own
}

// playWrite lets a client write some records.
func playWrite(client string, all ...*kgo.Record) func(context.Context, *demoStage) (bool, error) {
	return func(ctx context.Context, st *demoStage) (bool, error) { return st.write(ctx, client, all) }
}

// write writes records as an ordinary franz-go program would, and says what its developer sees of it.
func (st *demoStage) write(ctx context.Context, client string, all []*kgo.Record, opts ...kgo.Opt) (refused bool, err error) {
	err = st.prepare(ctx, client, all, opts...)
	var code *kerr.Error
	switch {
	case err == nil:
		st.stored(len(all))
		return false, nil
	case !errors.As(err, &code):
		return false, fmt.Errorf("write to %s: %w", all[0].Topic, err) // the broker or warder is not there: no verdict
	}
	message, messageErr := st.errorMessage(ctx, client, all[0])
	if messageErr != nil {
		return true, messageErr
	}
	return true, st.refusal(code, message)
}

// prepare writes records without a word.
func (st *demoStage) prepare(ctx context.Context, client string, all []*kgo.Record, opts ...kgo.Opt) error {
	cl, err := st.shop.client(client, opts...)
	if err != nil {
		return err
	}
	defer cl.Close()
	// Clones, since a record that has been written knows its partition and offset, and acts are played again.
	batch := make([]*kgo.Record, len(all))
	for i, r := range all {
		batch[i] = &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value}
	}
	return cl.ProduceSync(ctx, batch...).FirstErr()
}

// stored says that nothing shows in the client.
func (st *demoStage) stored(n int) {
	text := "The write succeeded."
	if n > 1 {
		text = fmt.Sprintf("All %d writes succeeded.", n)
	}
	st.print.field("developer", text)
}

// refusal shows the two things that libraries make of an answer, at length in the act that has most room.
func (st *demoStage) refusal(code error, message string) error {
	if message == "" {
		return fmt.Errorf("the answer carries no message, only %w", code)
	}
	var known *kerr.Error
	if st.act.after == nil && errors.As(code, &known) { // in short
		st.print.field("developer", known.Message+": "+message)
		return nil
	}
	st.print.field("developer", code.Error())
	st.print.field("", "and, where the library shows the text (Java does, franz-go does not):")
	st.print.field("", message)
	return nil
}

// errorMessage makes the same mistake once more, by hand, and returns the error_message of the answer (Produce v8+),
// which franz-go reads but does not show. The topic has one partition.
func (st *demoStage) errorMessage(ctx context.Context, client string, r *kgo.Record) (string, error) {
	cl, err := st.shop.client(client)
	if err != nil {
		return "", err
	}
	defer cl.Close()
	topics, err := kadm.NewClient(cl).ListTopics(ctx, r.Topic)
	if err != nil {
		return "", fmt.Errorf("read metadata of %s: %w", r.Topic, err)
	}
	t := topics[r.Topic]
	b := records.NewBuilder(records.None)
	b.BaseTimestamp = time.Now().UnixMilli()
	batch, err := b.Add(r.Key, r.Value).AppendBatch(nil)
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

// direct makes a client of the brokers, past warder.
func (st *demoStage) direct() (*kgo.Client, error) {
	return kgo.NewClient(kgo.SeedBrokers(st.cluster.ListenAddrs()...), kgo.ClientID("past-warder"))
}

// writeNullDirectly deletes a key of users the way it happens without warder.
func (st *demoStage) writeNullDirectly(ctx context.Context, key string) error {
	cl, err := st.direct()
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

// finding waits until the act's rule has reported something about its client or topic, and returns that. It does not
// wait where nothing must be reported, nor where the act did not end as it should have.
func (st *demoStage) finding(ctx context.Context, refused bool) *rules.Finding {
	if st.act.found && refused == st.act.refused {
		waitUntil(ctx, demoPatience, func() bool { return st.look(st.act) != nil })
	}
	return st.look(st.act)
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
