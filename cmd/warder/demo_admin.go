package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/embedded"
)

// mailerGroup reads reminders in the scene of dangerous-admin.
const mailerGroup = "reminder-mailer"

func sceneDangerousAdmin() demoScene {
	return demoScene{
		rule: "dangerous-admin", config: "{action: block}",
		topics: []embedded.Topic{{Name: "reminders", Partitions: 1}, {Name: "reminders-2019", Partitions: 1}},
		acts: []demoAct{
			{
				client: "ops-script", does: "deletes a group that restarts",
				because: "A script tidies up groups without members. This one is being deployed: it would start without offsets, where auto.offset.reset says.",
				found:   true, refused: true, once: true, play: playDeleteGroup,
			},
			{
				client: "ops-cleanup", does: "deletes a topic that nobody reads",
				because: "Nothing is lost that anybody waits for.",
				once:    true, play: playDeleteTopic,
			},
		},
	}
}

// playDeleteGroup has a consumer work for a moment, stop, and its group deleted behind it.
func playDeleteGroup(ctx context.Context, st *demoStage) (bool, error) {
	if err := st.prepare(ctx, "dunning", []*kgo.Record{{Topic: "reminders", Value: []byte("reminder-1")}, {Topic: "reminders", Value: []byte("reminder-2")}}); err != nil {
		return false, err
	}
	member, err := st.shop.client(mailerGroup, kgo.ConsumerGroup(mailerGroup), kgo.ConsumeTopics("reminders"), kgo.DisableAutoCommit())
	if err != nil {
		return false, err
	}
	defer member.Close()
	records := member.PollRecords(ctx, 1)
	if err := records.Err(); err != nil {
		return false, fmt.Errorf("read reminders: %w", err)
	}
	if err := member.CommitRecords(ctx, records.Records()...); err != nil {
		return false, fmt.Errorf("commit: %w", err)
	}
	// While the group has a member the broker refuses by itself, until warder does because it knows the group.
	known := func() bool { return errors.Is(st.deleteGroup(ctx), kerr.PolicyViolation) }
	if !waitUntil(ctx, demoPatience, known) {
		return false, fmt.Errorf("warder does not know group %s", mailerGroup)
	}
	if err := member.LeaveGroupContext(ctx); err != nil {
		return false, fmt.Errorf("leave: %w", err)
	}
	err = st.deleteGroup(ctx)
	if err == nil {
		st.print.field("developer", "The group was deleted.")
		return false, nil
	}
	st.print.field("developer", err.Error())
	return errors.Is(err, kerr.PolicyViolation), nil
}

// deleteGroup asks to delete the group, and gives what the broker, or warder, says.
func (st *demoStage) deleteGroup(ctx context.Context) error {
	cl, err := st.shop.client("ops-script")
	if err != nil {
		return err
	}
	defer cl.Close()
	answers, err := kadm.NewClient(cl).DeleteGroups(ctx, mailerGroup)
	if err != nil {
		return err
	}
	return answers.Error()
}

// playDeleteTopic deletes a topic.
func playDeleteTopic(ctx context.Context, st *demoStage) (bool, error) {
	cl, err := st.shop.client("ops-cleanup")
	if err != nil {
		return false, err
	}
	defer cl.Close()
	answer, err := kadm.NewClient(cl).DeleteTopic(ctx, "reminders-2019")
	switch {
	case err == nil:
		st.print.field("developer", "The topic was deleted.")
		return false, nil
	case errors.Is(err, kerr.PolicyViolation):
		return true, st.refusal(answer.Err, answer.ErrMessage)
	}
	return false, fmt.Errorf("delete a topic: %w", err)
}
