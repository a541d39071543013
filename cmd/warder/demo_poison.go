package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/embedded"
)

func scenePoisonMessage() demoScene {
	return demoScene{
		rule: "poison-message", config: "{refetches: 3, refetch_for: 2s}",
		topics: []embedded.Topic{{Name: "deposits", Partitions: 1}, {Name: "deposits-dlq", Partitions: 1}},
		acts: []demoAct{
			{
				client: "bookkeeper", group: "bookkeeper", does: "fails at a record, and takes it again",
				because: "An amount is a text and not a number. Its framework seeks back after an error, as Spring's does: alive, busy, and everything behind waits.",
				found:   true, once: true, play: playPoisoned,
			},
			{
				client: "fraud-check", group: "fraud-check", does: "sets the same record aside after a try",
				because: "It goes to a dead letter topic, the offset is committed, and the group gets on. Somebody looks at that topic later.",
				once:    true, play: playDeadLetter,
			},
		},
	}
}

// deposits writes what two groups read: eight records, of which the fourth cannot be read.
func (st *demoStage) deposits(ctx context.Context, client string) error {
	return st.prepare(ctx, client, recordsOf("deposits", 8, func(i int) []byte {
		if i == 3 {
			return []byte(`{"cents":"12,50"}`)
		}
		return fmt.Appendf(nil, `{"cents":%d}`, 100*i)
	}))
}

// book processes a deposit.
func book(r *kgo.Record) error {
	var deposit struct{ Cents int64 }
	return json.Unmarshal(r.Value, &deposit)
}

// untilFailure processes and commits records up to one that fails, which it returns; nil when none did.
func untilFailure(ctx context.Context, cl *kgo.Client, records []*kgo.Record) (*kgo.Record, error) {
	for _, r := range records {
		if failed := book(r); failed != nil {
			return r, failed
		}
		if err := cl.CommitRecords(ctx, r); err != nil {
			return nil, fmt.Errorf("commit: %w", err)
		}
	}
	return nil, nil
}

// seekBack takes a record again, and those behind it.
func seekBack(cl *kgo.Client, r *kgo.Record) {
	cl.SetOffsets(map[string]map[int32]kgo.EpochOffset{r.Topic: {r.Partition: {Epoch: -1, Offset: r.Offset}}})
}

// playPoisoned tries a record again and again.
func playPoisoned(ctx context.Context, st *demoStage) (bool, error) {
	if err := st.deposits(ctx, "branch-office"); err != nil {
		return false, err
	}
	cl, err := st.reader("bookkeeper", "deposits")
	if err != nil {
		return false, err
	}
	defer cl.Close()
	tries, thrown := 0, error(nil)
	for st.look(st.act) == nil {
		fetches := cl.PollFetches(ctx)
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			return false, err
		}
		bad, err := untilFailure(ctx, cl, fetches.Records())
		switch {
		case bad != nil:
			tries, thrown = tries+1, err
			seekBack(cl, bad)
			pause(ctx, 300*time.Millisecond)
		case err != nil:
			return false, err
		}
	}
	st.print.field("developer", fmt.Sprintf("%d times in its log: %v", tries, thrown))
	return false, nil
}

// playDeadLetter sets a record aside that fails twice.
func playDeadLetter(ctx context.Context, st *demoStage) (bool, error) {
	cl, err := st.reader("fraud-check", "deposits")
	if err != nil {
		return false, err
	}
	defer cl.Close()
	tries := map[int64]int{}
	for done := false; !done; {
		fetches := cl.PollFetches(ctx)
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			return false, err
		}
		records := fetches.Records()
		bad, err := untilFailure(ctx, cl, records)
		switch {
		case bad == nil:
			if err != nil {
				return false, err
			}
			done = len(records) > 0 && len(tries) > 0
		case tries[bad.Offset] < 1:
			tries[bad.Offset]++
			seekBack(cl, bad)
		default:
			if err := st.prepare(ctx, "fraud-check", []*kgo.Record{{Topic: "deposits-dlq", Key: bad.Key, Value: bad.Value}}); err != nil {
				return false, err
			}
			if err := cl.CommitRecords(ctx, bad); err != nil {
				return false, err
			}
			cl.SetOffsets(map[string]map[int32]kgo.EpochOffset{bad.Topic: {bad.Partition: {Epoch: -1, Offset: bad.Offset + 1}}})
		}
	}
	pause(ctx, 4*time.Second)
	st.print.field("developer", "One record is in deposits-dlq. All others are done.")
	return false, ctx.Err()
}
