package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/proxy/embedded"
)

// demoMaxPoll is max.poll.interval.ms of the consumers in Java that franz-go plays.
const demoMaxPoll = 4 * time.Second

func scenePollGap() demoScene {
	return demoScene{
		rule: "poll-gap", config: "{action: alert}",
		topics: []embedded.Topic{{Name: "statements", Partitions: 1}},
		acts: []demoAct{
			{
				client: "pdf-maker", group: "pdf-maker", does: "works on a batch longer than it may",
				because: "Ten records take longer than max.poll.interval.ms, here 4 s. A consumer in Java, which franz-go plays here, then leaves by itself, although it is well.",
				found:   true, once: true, play: playSlowBatch,
			},
			{
				client: "mail-sender", group: "mail-sender", does: "works as slowly, on one record at a time",
				because: "With max.poll.records=1 it polls in time, and commits what it has done. The same work, and nobody loses a partition.",
				once:    true, play: playSlowRecords,
			},
		},
	}
}

// asJava are the options that make franz-go look and behave like a consumer in Java: it says so, tells its
// max.poll.interval.ms as the rebalance timeout, does not join again while the application is at work, and fetches one
// batch ahead and no more.
func asJava() []kgo.Opt {
	return []kgo.Opt{
		kgo.SoftwareNameAndVersion("apache-kafka-java", "4.1.0"), kgo.RebalanceTimeout(demoMaxPoll), kgo.BlockRebalanceOnPoll(),
		kgo.FetchMaxPartitionBytes(1), // a broker gives one batch at least
	}
}

// playSlowBatch takes too long over a batch, leaves as Java does, and comes back.
func playSlowBatch(ctx context.Context, st *demoStage) (bool, error) {
	const batch = 10
	for range 4 {
		if err := st.prepare(ctx, "statement-run", recordsOf("statements", batch, func(i int) []byte { return fmt.Appendf(nil, `{"account":%d}`, i) })); err != nil {
			return false, err
		}
	}
	cl, err := st.reader("pdf-maker", "statements", asJava()...)
	if err != nil {
		return false, err
	}
	defer cl.CloseAllowingRebalance()
	if err := takes(ctx, cl, batch); err != nil {
		return false, err
	}
	cl.AllowRebalance()
	work := cl.PollFetches(ctx)
	began := time.Now()
	if err := errors.Join(work.Err(), st.warned(ctx, "kind", "approaching")); err != nil {
		return false, err
	}
	pause(ctx, time.Until(began.Add(demoMaxPoll)))
	if err := leaveLikeJava(ctx, cl, st.act.group); err != nil {
		return false, err
	}
	pause(ctx, 1500*time.Millisecond)
	err = cl.CommitRecords(ctx, work.Records()...)
	if refused, ok := errors.AsType[*kerr.Error](err); !ok || refused.Retriable {
		return false, errors.Join(ctx.Err(), fmt.Errorf("a commit after leaving must be refused, and is answered with: %w", err))
	}
	st.print.field("developer", "Its ten records are done, and the commit fails: CommitFailedException in Java, "+err.Error()+" They are done again.")
	cl.AllowRebalance()
	if err := takes(ctx, cl, 3*batch); err != nil {
		return false, err
	}
	cl.AllowRebalance()
	_, err = st.told(ctx, "kind", "returned")
	return false, err
}

// leaveLikeJava leaves the group as AbstractCoordinator does when the application has not polled in time.
func leaveLikeJava(ctx context.Context, cl *kgo.Client, group string) error {
	req := kmsg.NewPtrLeaveGroupRequest()
	member := kmsg.NewLeaveGroupRequestMember()
	reason := "consumer poll timeout has expired."
	memberID, _ := cl.GroupMetadata()
	req.Group, member.MemberID, member.Reason = group, memberID, &reason
	req.Members = append(req.Members, member)
	resp, err := req.RequestWith(ctx, cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("leave the group: %w", err)
	}
	return nil
}

// playSlowRecords takes as long in all, but never long between two polls.
func playSlowRecords(ctx context.Context, st *demoStage) (bool, error) {
	cl, err := st.reader("mail-sender", "statements", asJava()...)
	if err != nil {
		return false, err
	}
	defer cl.CloseAllowingRebalance()
	const n = 10
	for range n {
		if err := takes(ctx, cl, 1); err != nil {
			return false, err
		}
		pause(ctx, demoMaxPoll/6)
		cl.AllowRebalance()
	}
	st.print.field("developer", fmt.Sprintf("%d mails were sent in %.0f s, and each was committed.", n, (n*demoMaxPoll/6).Seconds()))
	return false, ctx.Err()
}
