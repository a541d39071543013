package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/embedded"
)

func sceneTombstone() demoScene {
	return demoScene{
		rule: "tombstone", config: "{action: block, allow: [{client_id: gdpr-eraser}, {topic: carts}]}",
		acts: []demoAct{
			{
				client: "profile-svc", does: "null value on compacted topic users",
				because: "A serializer fails on a profile and returns null. On a compacted topic a null value is a tombstone: it deletes the key, silently and later.",
				found:   true, refused: true,
				play: playNull("profile-svc", "users", "u-7"), after: afterTombstone,
			},
			{
				client: "gdpr-eraser", does: "the same, allowed by configuration",
				because: "This time it is meant: a user asked to be forgotten, and gdpr-eraser is on the allow list of the rule.",
				play:    playNull("gdpr-eraser", "users", "u-9"),
			},
			{
				client: "order-import", does: "the same on orders, not compacted",
				because: "Where no compaction runs, a null value is odd but deletes nothing: the rule looks at the topic before it judges.",
				play:    playNull("order-import", "orders", "customer-1"),
			},
		},
	}
}

// playNull writes key to topic with a null value.
func playNull(client, topic, key string) func(context.Context, *demoStage) (bool, error) {
	return playWrite(client, &kgo.Record{Topic: topic, Key: []byte(key)})
}

// afterTombstone proves what was saved: the key outlives compaction, and without warder it does not.
func afterTombstone(ctx context.Context, st *demoStage) error {
	kept, err := st.compacted(ctx, "u-7")
	if err != nil {
		return err
	}
	if kept == "" {
		return errors.New("key u-7 is gone although its deletion was refused")
	}
	st.print.field("afterwards", "Key u-7 is still there after compaction: "+kept)
	if err := st.writeNullDirectly(ctx, "u-8"); err != nil {
		return err
	}
	lost, err := st.compacted(ctx, "u-8")
	if err != nil {
		return err
	}
	if lost != "" {
		return errors.New("key u-8 is still there, so the comparison without warder shows nothing")
	}
	st.print.field("", "The same mistake straight to the broker, past warder: key u-8 is gone, and nobody was told.")
	return nil
}

func sceneTombstoneSpike() demoScene {
	return demoScene{
		rule: "tombstone-spike", config: "{window: 6s, learn: 1s}",
		topics: []embedded.Topic{compactedTopic("carts")},
		acts: []demoAct{{
			client: "cart-cleanup", topic: "carts", does: "deletes 80 carts at once",
			because: "Deletes are part of the work on carts, one a second. A clean-up job that takes all carts for abandoned does what each of them does, only far more of it.",
			found:   true, once: true, play: playSpike,
		}},
	}
}

// spikeLearning is how long carts must be written before warder knows what is usual: a window, what it takes to learn,
// and some more.
const spikeLearning = 8500 * time.Millisecond

// playSpike lets cart-svc work until it is known what is usual on carts, and deletes many carts then.
func playSpike(ctx context.Context, st *demoStage) (bool, error) {
	cl, err := st.shop.client("cart-svc")
	if err != nil {
		return false, err
	}
	defer cl.Close()
	began := time.Now()
	for n := 0; time.Since(began) < spikeLearning; n++ {
		r := &kgo.Record{Topic: "carts", Key: fmt.Appendf(nil, "cart-%d", n), Value: fmt.Appendf(nil, `{"items":%d}`, 1+n%7)}
		if n%10 == 9 { // that one was paid
			r = &kgo.Record{Topic: "carts", Key: fmt.Appendf(nil, "cart-%d", n-9)}
		}
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			return false, fmt.Errorf("write a cart: %w", err)
		}
		if !pause(ctx, 100*time.Millisecond) {
			return false, ctx.Err()
		}
	}
	deletes := make([]*kgo.Record, 80)
	for i := range deletes {
		deletes[i] = &kgo.Record{Topic: "carts", Key: fmt.Appendf(nil, "cart-%d", i)}
	}
	return st.write(ctx, "cart-cleanup", deletes)
}
