package proxy

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/rules"
	"warder/rules/state"
)

// offsets asks for the offsets of groups and for the ends of logs that are not
// known otherwise, and tells what it is told.
func (l *groupLookup) offsets(ctx context.Context, groups []*groupToLookAt) error {
	var due []*groupToLookAt
	for _, g := range groups {
		if g.rests(l.now()) {
			continue
		}
		if g.whole() {
			g.every = seldom * l.every
			if g.asked != 0 && l.round-g.asked < seldom {
				continue // what its members do is seen
			}
		}
		due = append(due, g)
	}
	room := maxLookedPartitions
	for batch := range slices.Chunk(due, lookedGroups) {
		told, err := l.fetchOffsets(ctx, batch, &room)
		if err != nil {
			return err
		}
		// The ends come after the offsets, as in kafka-consumer-groups: a lag is never too small by that.
		l.ends(ctx, told)
		l.configs(ctx, told)
		for i := range told {
			l.srv.engine.Emit(told[i])
		}
		if room <= 0 {
			l.srv.noise.Warn().Int("limit", maxLookedPartitions).Msg("groups have offsets for more partitions than warder asks for; choose with upstream.lookup.groups.patterns")
			l.countAs("OffsetFetch", "cut")
			break
		}
	}
	return nil
}

// fetchOffsets asks for all offsets of some groups, takes them from the room that is
// left, and tells what the groups are like.
func (l *groupLookup) fetchOffsets(ctx context.Context, batch []*groupToLookAt, room *int) (told []rules.OffsetsFetched, err error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	for _, g := range batch {
		rg := kmsg.NewOffsetFetchRequestGroup()
		rg.Group, rg.Topics = g.Group, nil // nil is all
		req.Groups = append(req.Groups, rg)
	}
	answers, err := l.ask(ctx, req)
	for _, a := range answers {
		resp, ok := a.(*kmsg.OffsetFetchResponse)
		for i := range resp.Groups {
			answer := &resp.Groups[i]
			at := slices.IndexFunc(batch, func(g *groupToLookAt) bool { return g.Group == answer.Group })
			if !ok || at < 0 || *room <= 0 {
				continue
			}
			if ev, ok := l.offsetsOf(batch[at], answer); ok {
				*room -= len(ev.Offsets)
				told = append(told, ev)
			}
		}
	}
	return told, unlessAnswered(answers, err)
}

// offsetsOf reads the offsets of a group, and tells what it is like; false when its
// coordinator cannot say.
func (l *groupLookup) offsetsOf(g *groupToLookAt, answer *kmsg.OffsetFetchResponseGroup) (rules.OffsetsFetched, bool) {
	switch answer.ErrorCode {
	case 0, kerr.GroupIDNotFound.Code:
	case kerr.GroupAuthorizationFailed.Code:
		l.refuse(g)
		return rules.OffsetsFetched{}, false
	default: // such as a coordinator that is loading: next time
		return rules.OffsetsFetched{}, false
	}
	now := l.now()
	g.asked = l.round
	l.srv.engine.Emit(rules.GroupDescribed{
		At: now, Group: g.Group, State: g.GroupState, Members: g.members, ProtocolType: g.ProtocolType, Every: g.every,
		Consumer: g.GroupType == consumerType,
	})
	ev := rules.OffsetsFetched{At: now, Client: &rules.Identity{}, Group: g.Group, Looked: true, All: true}
	for i := range answer.Topics {
		t := &answer.Topics[i]
		for j := range t.Partitions {
			if p := &t.Partitions[j]; t.Topic != "" {
				ev.Offsets = append(ev.Offsets, offsetOf(t.Topic, p.Partition, p.Offset, p.ErrorCode))
			} else {
				ev.All = false // a topic whose name the cluster does not say any more
			}
		}
	}
	return ev, true
}

// ends asks where the logs of partitions end, and now and then where they begin,
// unless answers to members or to an earlier question have said so lately.
func (l *groupLookup) ends(ctx context.Context, told []rules.OffsetsFetched) {
	var ends, starts []rules.TopicPartition
	seen := map[rules.TopicPartition]bool{}
	now := l.now()
	for i := range told {
		for _, o := range told[i].Offsets {
			if o.Offset < 0 || seen[o.TopicPartition] {
				continue
			}
			seen[o.TopicPartition] = true
			known, ok := l.srv.logs.Find(o.TopicPartition)
			if !ok || known.HighWatermark < 0 || now.Sub(known.At) >= l.every/2 {
				ends = append(ends, o.TopicPartition)
			}
			if !ok || known.LogStartOffset < 0 || now.Sub(known.StartAt) >= startsEvery*l.every {
				starts = append(starts, o.TopicPartition)
			}
		}
	}
	l.listOffsets(ctx, ends, rules.LatestTimestamp)
	l.listOffsets(ctx, starts, rules.EarliestTimestamp)
}

// configs asks for the configuration of topics that no client has named for long: by
// retention.ms rules tell how long a group's records are kept.
func (l *groupLookup) configs(ctx context.Context, told []rules.OffsetsFetched) {
	if (l.round-1)%startsEvery != 0 {
		return
	}
	topics := map[string]bool{}
	for i := range told {
		for _, o := range told[i].Offsets {
			topics[o.Topic] = true
		}
	}
	for batch := range slices.Chunk(slices.Sorted(maps.Keys(topics)), maxTopicsPerQuestion) {
		names := l.srv.lookups.unasked(batch)
		if len(names) == 0 {
			continue
		}
		var resp kmsg.Response
		answers, err := l.ask(ctx, newDescribeTopics(names))
		if len(answers) > 0 {
			resp, err = answers[0], nil // any broker knows all topics
		}
		l.srv.lookups.learnConfigs(names, resp, err)
	}
}

// listOffsets asks the leaders of partitions where their logs end or begin. Of a
// topic that is gone, or that warder may not see, nothing is said.
func (l *groupLookup) listOffsets(ctx context.Context, partitions []rules.TopicPartition, timestamp int64) {
	for batch := range slices.Chunk(partitions, lookedPartitions) {
		answers, err := l.ask(ctx, newListOffsets(batch, timestamp))
		if err != nil {
			l.srv.noise.Debug().Err(err).Msg("where some logs end or begin was not answered")
		}
		at := l.now()
		for _, a := range answers {
			if resp, ok := a.(*kmsg.ListOffsetsResponse); ok {
				l.noteListed(resp, timestamp, at)
			}
		}
	}
}

func newListOffsets(partitions []rules.TopicPartition, timestamp int64) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	topics := map[string]int{}
	for _, p := range partitions {
		i, ok := topics[p.Topic]
		if !ok {
			i = len(req.Topics)
			topics[p.Topic] = i
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = p.Topic
			req.Topics = append(req.Topics, t)
		}
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp = p.Partition, timestamp
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, rp)
	}
	return req
}

func (l *groupLookup) noteListed(resp *kmsg.ListOffsetsResponse, timestamp int64, at time.Time) {
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			tp := rules.TopicPartition{Topic: t.Topic, Partition: p.Partition}
			if ends, ok := state.ListedEnds(timestamp, listedOffset(p), p.ErrorCode, false, at); ok {
				l.srv.logs.Learn(tp, ends)
			}
		}
	}
}

// listedOffset is the offset of an answer; brokers before 0.10.1 give a list.
func listedOffset(p *kmsg.ListOffsetsResponseTopicPartition) int64 {
	if len(p.OldStyleOffsets) > 0 {
		return p.OldStyleOffsets[0]
	}
	return p.Offset
}
