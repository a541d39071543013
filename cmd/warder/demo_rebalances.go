package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/embedded"
)

func sceneRebalanceStorm() demoScene {
	return demoScene{
		rule: "rebalance-storm", config: "{settle: 4s, burst_limit: 5}",
		topics: []embedded.Topic{{Name: "products", Partitions: 6}},
		acts: []demoAct{
			{
				client: "indexer-2", group: "search-index", does: "is restarted again and again",
				because: "A liveness probe with too short a timeout. Each stop and each start of the one pod makes all members of its group stop and share out anew.",
				found:   true, once: true, play: playRestarts,
			},
			{
				client: "price-cache", group: "price-cache", does: "rolls out a release, pod after pod",
				because: "As many members leave and join, but none comes and goes: a deployment counts as one rebalance, whatever the number of pods.",
				once:    true, play: playRollout,
			},
		},
	}
}

// demoSettled is how long after its first member a group has come together: more than the settle of the scene.
const demoSettled = 4500 * time.Millisecond

// member starts a member of the act's group and waits until it has its share.
func (st *demoStage) member(ctx context.Context, client string) (*kgo.Client, error) {
	assigned := make(chan struct{}, 100)
	cl, err := st.reader(client, "products", kgo.Balancers(kgo.RangeBalancer()),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) {
			select {
			case assigned <- struct{}{}:
			default:
			}
		}))
	if err != nil {
		return nil, err
	}
	select {
	case <-assigned:
		return cl, nil
	case <-ctx.Done():
		cl.Close()
		return nil, ctx.Err()
	}
}

// playRestarts starts and stops a member until warder has had enough of it.
func playRestarts(ctx context.Context, st *demoStage) (bool, error) {
	began := time.Now()
	for i := range 2 {
		cl, err := st.member(ctx, fmt.Sprintf("indexer-%d", i))
		if err != nil {
			return false, err
		}
		st.shop.keep(cl)
	}
	pause(ctx, time.Until(began.Add(demoSettled)))
	restarts := 0
	for ; st.look(st.act) == nil && ctx.Err() == nil; restarts++ {
		cl, err := st.member(ctx, "indexer-2")
		if err != nil {
			return false, err
		}
		pause(ctx, 2*demoHeartbeat)
		cl.Close()
		pause(ctx, 2*demoHeartbeat)
	}
	st.print.field("developer", fmt.Sprintf("The pod was restarted %d times, as Kubernetes tells. Of the others nothing shows: they have no error, and their work stands still again and again.", restarts))
	return false, ctx.Err()
}

// playRollout replaces the members of a group one after the other.
func playRollout(ctx context.Context, st *demoStage) (bool, error) {
	began := time.Now()
	var pods [3]*kgo.Client
	for release := range 2 {
		for i := range pods {
			if release > 0 {
				pods[i].Close()
				pause(ctx, 2*demoHeartbeat)
			}
			cl, err := st.member(ctx, fmt.Sprintf("price-cache-%d", i))
			if err != nil {
				return false, err
			}
			pods[i] = cl
			st.shop.keep(cl) // to close it twice does no harm
		}
		pause(ctx, time.Until(began.Add(demoSettled)))
	}
	pause(ctx, 4*time.Second) // the last of them counts by then
	st.print.field("developer", "All pods have been replaced.")
	return false, ctx.Err()
}
