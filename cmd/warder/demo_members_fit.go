package main

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/embedded"
)

func sceneTimeoutMisfit() demoScene {
	return demoScene{
		rule: "timeout-misfit", config: "{settle: 1s}",
		topics: []embedded.Topic{{Name: "routes", Partitions: 2}},
		acts: []demoAct{{
			client: "route-planner", does: "joins a group with a session of 6 s",
			because: "Somebody wanted a crash to be noticed soon. Now a pause of six seconds is one.",
			found:   true, once: true,
			play: playMembers(1, kgo.ConsumerGroup("route-planner"), kgo.ConsumeTopics("routes"), kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(time.Second)),
		}},
	}
}

func sceneIdleMember() demoScene {
	return demoScene{
		rule: "idle-member", config: "{after: 2s}",
		topics: []embedded.Topic{{Name: "labels", Partitions: 2}},
		acts: []demoAct{{
			client: "label-printer", does: "three consumers for two partitions",
			because: "The queue is long, so somebody starts another consumer. It gets nothing to do.",
			found:   true, once: true,
			play: playMembers(3, kgo.ConsumerGroup("label-printer"), kgo.ConsumeTopics("labels")),
		}},
	}
}

// playMembers runs some consumers of the act's client until warder has found something.
func playMembers(n int, opts ...kgo.Opt) func(context.Context, *demoStage) (bool, error) {
	return func(ctx context.Context, st *demoStage) (bool, error) {
		for range n {
			cl, err := st.shop.client(st.act.client, opts...)
			if err != nil {
				return false, err
			}
			defer cl.Close()
		}
		waitUntil(ctx, demoPatience, func() bool { return st.look(st.act) != nil })
		st.print.field("developer", "Nothing shows.")
		return false, nil
	}
}
