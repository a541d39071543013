package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/embedded"
)

// messages writes short messages to a topic.
func messages(client, topic string, size int, every time.Duration) demoWriter {
	return demoWriter{client: client, size: size, every: every, record: func(n int) *kgo.Record {
		return &kgo.Record{Topic: topic, Value: fmt.Appendf(nil, `{"number":%d,"text":"as long as a short message is"}`, n)}
	}}
}

func sceneUntunedProducer() demoScene {
	return demoScene{
		rule: "untuned-producer", config: `{window: 10s, min_requests: 50, requests_per_second: 20, clients: ["mail-*"]}`,
		topics: []embedded.Topic{{Name: "mails", Partitions: 3}},
		acts: []demoAct{
			{
				client: "mail-queue", does: "a request for each record",
				because: "It does not linger, so nothing is ever sent together. Brokers have the same work for a request with one record as for one with a thousand.",
				found:   true, once: true, play: messages("mail-queue", "mails", 1, 0).playUntilFound,
			},
			{
				client: "mail-archive", does: "as many records, in batches",
				because: "With a few milliseconds of linger the same records travel together.",
				once:    true,
				play: func(ctx context.Context, st *demoStage) (bool, error) {
					return messages("mail-archive", "mails", 40, 200*time.Millisecond).playFor(ctx, st, 10*time.Second)
				},
			},
		},
	}
}

func sceneUntunedConsumer() demoScene {
	return demoScene{
		rule: "untuned-consumer", config: `{window: 10s, min_requests: 50, clients: ["board-*"]}`,
		topics: []embedded.Topic{{Name: "quotes", Partitions: 1}},
		acts: []demoAct{{
			client: "board-display", does: "fetches record by record",
			because: "fetch.min.bytes is 1 by default: the broker answers as soon as there is anything, and on a steady drip that is a request for each record.",
			found:   true, once: true, play: playDrip,
		}},
	}
}

func sceneConnectionChurn() demoScene {
	return demoScene{
		rule: "connection-churn", config: "{window: 5s, min_requests: 20, clients: [web-hook]}",
		topics: []embedded.Topic{{Name: "hooks", Partitions: 1}},
		acts: []demoAct{{
			client: "web-hook", does: "makes a client for each message",
			because: "The producer is made in the handler of a request. It connects, asks who is who, sends one record and is thrown away.",
			found:   true, once: true,
			play: func(ctx context.Context, st *demoStage) (bool, error) {
				n, err := 0, error(nil)
				waitUntil(ctx, demoPatience, func() bool {
					err = st.prepare(ctx, "web-hook", []*kgo.Record{{Topic: "hooks", Value: []byte(`{"event":"push"}`)}})
					n++
					pause(ctx, 50*time.Millisecond)
					return err != nil || st.look(st.act) != nil
				})
				st.stored(n)
				return false, err
			},
		}},
	}
}

// playDrip writes a record every few milliseconds and reads it at once, until warder has found out about the reader.
func playDrip(ctx context.Context, st *demoStage) (bool, error) {
	reader, err := st.shop.client(st.act.client, kgo.ConsumeTopics("quotes"), kgo.FetchMinBytes(1))
	if err != nil {
		return false, err
	}
	defer reader.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			reader.PollFetches(ctx)
		}
	}()
	return messages("quote-source", "quotes", 1, 0).playUntilFound(ctx, st)
}
