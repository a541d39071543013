package proxy

import (
	"context"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/rules/state"
)

// describe asks how many members groups have, where that may have changed or matters:
// their state does not say whether all members come through warder.
func (l *groupLookup) describe(ctx context.Context, groups []*groupToLookAt) error {
	var classic, consumer []*groupToLookAt
	for _, g := range groups {
		changed := g.GroupState != g.state
		g.state = g.GroupState
		switch {
		case g.GroupState == state.GroupDead:
		case g.GroupState == state.GroupEmpty:
			g.members = 0
		case g.described != 0 && !changed && l.round-g.described < seldom && g.GroupState != "" && (g.seen.members == 0 || g.whole()):
		case strings.EqualFold(g.GroupType, consumerType):
			consumer = append(consumer, g)
		default:
			classic = append(classic, g)
		}
	}
	for batch := range slices.Chunk(classic, lookedGroups) {
		if err := l.describeClassic(ctx, batch); err != nil {
			return err
		}
	}
	for batch := range slices.Chunk(consumer, lookedGroups) {
		if err := l.describeConsumer(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

func (l *groupLookup) describeClassic(ctx context.Context, batch []*groupToLookAt) error {
	req := kmsg.NewPtrDescribeGroupsRequest()
	for _, g := range batch {
		req.Groups = append(req.Groups, g.Group)
	}
	return l.describeBy(ctx, req, func(answer kmsg.Response) {
		if resp, ok := answer.(*kmsg.DescribeGroupsResponse); ok {
			for _, d := range resp.Groups {
				l.noteDescribed(batch, d.Group, d.ErrorCode, d.State, len(d.Members))
			}
		}
	})
}

func (l *groupLookup) describeConsumer(ctx context.Context, batch []*groupToLookAt) error {
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	for _, g := range batch {
		req.Groups = append(req.Groups, g.Group)
	}
	return l.describeBy(ctx, req, func(answer kmsg.Response) {
		if resp, ok := answer.(*kmsg.ConsumerGroupDescribeResponse); ok {
			for _, d := range resp.Groups {
				l.noteDescribed(batch, d.Group, d.ErrorCode, d.State, len(d.Members))
			}
		}
	})
}

// describeBy asks the coordinators and hands on what they answer. That there may be
// fewer answers than coordinators is an error only if there is none.
func (l *groupLookup) describeBy(ctx context.Context, req kmsg.Request, note func(kmsg.Response)) error {
	answers, err := l.ask(ctx, req)
	for _, a := range answers {
		note(a)
	}
	return unlessAnswered(answers, err)
}

// stableGroup is the state in which nobody is coming or going.
const stableGroup = "Stable"

// noteDescribed takes over what a coordinator says of a group. In the midst of a
// rebalance it counts members that were not yet answered, and that traffic does not
// show yet.
func (l *groupLookup) noteDescribed(batch []*groupToLookAt, name string, code int16, now string, members int) {
	i := slices.IndexFunc(batch, func(g *groupToLookAt) bool { return g.Group == name })
	if i < 0 {
		return
	}
	g := batch[i]
	switch code {
	case 0:
		g.GroupState, g.described, g.members = now, l.round, -1
		if now == stableGroup || now == state.GroupEmpty {
			g.members = members
		}
	case kerr.GroupAuthorizationFailed.Code:
		l.refuse(g)
	}
}

// refuse notes that warder may not see a group, so that it does not ask all the time.
func (l *groupLookup) refuse(g *groupToLookAt) {
	g.refused = l.now()
	l.countAs("OffsetFetch", "refused")
}

// unlessAnswered is err, if nobody answered at all.
func unlessAnswered(answers []kmsg.Response, err error) error {
	if len(answers) > 0 {
		return nil
	}
	return err
}
