package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/embedded"
	"warder/rules/sink"
)

func sceneUnsafeProducer() demoScene {
	return demoScene{
		rule: "unsafe-producer", config: "{action: block, critical: [ledger]}",
		topics: []embedded.Topic{{Name: "ledger", Partitions: 3}},
		acts: []demoAct{
			{
				client: "ledger-import", does: "writes ledger with acks=1, not idempotent",
				because: "A script was copied from a tutorial. When a leader dies, what only it has acknowledged is gone, and a retry may store a record twice.",
				found:   true, refused: true,
				play: func(ctx context.Context, st *demoStage) (bool, error) {
					entry := &kgo.Record{Topic: "ledger", Key: []byte("entry-1"), Value: []byte(`{"cents":100}`)}
					return st.write(ctx, "ledger-import", []*kgo.Record{entry}, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
				},
			},
			{
				client: "ledger-api", does: "the same with acks=all, idempotent",
				because: "The defaults of today's clients are safe.",
				play:    playWrite("ledger-api", &kgo.Record{Topic: "ledger", Key: []byte("entry-2"), Value: []byte(`{"cents":100}`)}),
			},
		},
	}
}

func sceneTransactionStall() demoScene {
	return demoScene{
		rule: "transaction-stall", config: "{grace: 1s}",
		topics: []embedded.Topic{{Name: "transfers", Partitions: 1}},
		acts: []demoAct{{
			client: "transfer-batch", does: "leaves a transaction open",
			because: "It waits for an answer of another system in the middle of a transaction. Readers with read_committed wait with it, on every partition it wrote to.",
			found:   true, once: true,
			play: playOpenTransaction,
		}},
	}
}

// playOpenTransaction begins a transaction, waits until warder has had enough of it, and ends it.
func playOpenTransaction(ctx context.Context, st *demoStage) (bool, error) {
	cl, err := st.shop.client("transfer-batch", kgo.TransactionalID("transfer-batch"), kgo.TransactionTimeout(time.Second))
	if err != nil {
		return false, err
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		return false, fmt.Errorf("begin a transaction: %w", err)
	}
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "transfers", Value: []byte(`{"cents":100}`)}).FirstErr(); err != nil {
		return false, fmt.Errorf("write in a transaction: %w", err)
	}
	waitUntil(ctx, demoPatience, func() bool { return len(st.found.Query(sink.Query{Rule: "transaction-stall"})) > 0 })
	outcome := "The transaction was committed, late."
	if err := cl.EndTransaction(ctx, kgo.TryCommit); err != nil { // the coordinator has aborted it meanwhile
		outcome = err.Error()
	}
	st.print.field("developer", outcome)
	return false, nil
}
