package main

import (
	"context"
	"errors"
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
				client: "ledger-import", does: "writes with acks=1, not idempotent",
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

func sceneTransactionAborts() demoScene {
	return demoScene{
		rule: "transaction-aborts", config: "{action: alert}",
		topics: []embedded.Topic{{Name: "payouts", Partitions: 1}},
		acts: []demoAct{
			{
				client: "payout-batch", does: "aborts every third transaction",
				because: "One record in its input fails each time, and the whole batch is aborted and begun anew. All of it is written, copied and read over for nothing.",
				found:   true, once: true, play: playTransactions("payout-batch", func(n int) bool { return n%3 == 2 }),
			},
			{
				client: "payout-api", does: "aborts one, as it is stopped",
				because: "An application that is stopped in the middle of a transaction gives back what it had begun.",
				once:    true, play: playTransactions("payout-api", func(n int) bool { return n == demoTransactions-1 }),
			},
		},
	}
}

// demoTransactions are enough for warder to judge by.
const demoTransactions = 24

// playTransactions writes a record in each of some transactions, and aborts some of them.
func playTransactions(client string, abort func(n int) bool) func(context.Context, *demoStage) (bool, error) {
	return func(ctx context.Context, st *demoStage) (bool, error) {
		cl, err := st.shop.client(client, kgo.TransactionalID(client))
		if err != nil {
			return false, err
		}
		defer cl.Close()
		aborted := 0
		for n := range demoTransactions {
			commit := kgo.TryCommit
			if abort(n) {
				commit, aborted = kgo.TryAbort, aborted+1
			}
			if err := transact(ctx, cl, "payouts", commit); err != nil {
				return false, err
			}
		}
		st.print.field("developer", fmt.Sprintf("%d transactions committed, %d aborted.", demoTransactions-aborted, aborted))
		return false, nil
	}
}

// transact writes a record in a transaction of its own.
func transact(ctx context.Context, cl *kgo.Client, topic string, commit kgo.TransactionEndTry) error {
	if err := cl.BeginTransaction(); err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(`{"cents":100}`)}).FirstErr(); err != nil {
		return fmt.Errorf("write in a transaction: %w", err)
	}
	if err := cl.EndTransaction(ctx, commit); err != nil {
		return fmt.Errorf("end a transaction: %w", err)
	}
	return nil
}

func sceneProducerFenced() demoScene {
	return demoScene{
		rule: "producer-fenced", config: "{action: alert}",
		topics: []embedded.Topic{{Name: "postings", Partitions: 1}},
		acts: []demoAct{
			{
				client: "posting-0", does: "shares its transactional.id with posting-1",
				because: "A second replica was started with the same configuration. Who starts takes the id from the other, whose transaction is lost.",
				found:   true, once: true, play: playReplicas,
			},
			{
				client: "balance", does: "is restarted with its transactional.id",
				because: "The new process takes the id too, but the old one has ended and writes no more. That is what the id is for.",
				once:    true, play: playSuccessor,
			},
		},
	}
}

// playReplicas lets two producers write with one transactional.id.
func playReplicas(ctx context.Context, st *demoStage) (bool, error) {
	var replicas [2]*kgo.Client
	for i := range replicas {
		cl, err := st.shop.client(fmt.Sprintf("posting-%d", i), kgo.TransactionalID("posting"))
		if err != nil {
			return false, err
		}
		defer cl.Close()
		if err := transact(ctx, cl, "postings", kgo.TryCommit); err != nil {
			return false, err
		}
		replicas[i] = cl
	}
	err := transact(ctx, replicas[0], "postings", kgo.TryCommit)
	if err == nil {
		return false, errors.New("the first replica was not fenced")
	}
	st.print.field("developer", err.Error())
	return false, ctx.Err()
}

// playSuccessor lets a producer write, and its successor.
func playSuccessor(ctx context.Context, st *demoStage) (bool, error) {
	for range 2 {
		cl, err := st.shop.client("balance", kgo.TransactionalID("balance"))
		if err != nil {
			return false, err
		}
		err = transact(ctx, cl, "postings", kgo.TryCommit)
		cl.Close()
		if err != nil {
			return false, err
		}
	}
	st.print.field("developer", "Both have committed what they wrote.")
	return false, nil
}
