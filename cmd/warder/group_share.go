package main

import (
	"fmt"
	"slices"
	"strings"

	"warder/rules/state"
)

// Share groups (KIP-932) have no committed offset to tell a story by: what members say
// of each record is.

// shares says whether the group is one.
func shares(g *state.GroupView) bool { return g.Protocol == state.ShareProtocol.String() }

// judgeShare says what became of the records of a share group.
func (t *teller) judgeShare(s *groupStory) {
	var accepted, released, rejected, again int64
	for i := range s.Group.Partitions {
		p := s.Group.Partitions[i].Share
		if p == nil {
			continue
		}
		accepted, released, rejected = accepted+p.Accepted, released+p.Released, rejected+p.Rejected
		for _, r := range p.Again {
			again += r.Last - r.First + 1
		}
	}
	s.say("Its members accepted %s, gave back %d and rejected %d since %s, when warder first heard of the group. Where it stands only the brokers know: kafka-share-groups --describe asks them.",
		counted(accepted, "record"), released, rejected, t.clock(s.Group.Since))
	if again > 0 {
		s.say("Delivered again: %s not accepted yet.", counted(again, "record"))
	}
	if rejected > 0 {
		s.advise("What a member rejects is given to nobody any more: look into its log why, and let it write such records to a dead letter topic.")
	}
}

// redeliveries tells of the records of a partition that were given back or delivered
// again, those delivered most often first.
func (t *teller) redeliveries(v *state.ShareView) (events []string) {
	again := slices.Clone(v.Again)
	slices.SortStableFunc(again, func(a, b state.RedeliveredView) int { return b.Deliveries - a.Deliveries })
	for _, r := range again {
		which := fmt.Sprintf("offset %d", r.First)
		if r.Last > r.First {
			which = fmt.Sprintf("%s (offsets %d to %d)", counted(r.Last-r.First+1, "record"), r.First, r.Last)
		}
		events = append(events, fmt.Sprintf("%s: delivered %s, given back %s, since %s", which, counted(r.Deliveries, "time"), counted(r.Releases, "time"), t.clock(r.Since)))
	}
	return events
}

// sharePlace says how a share group does in a partition, and who reads it.
func (t *teller) sharePlace(g *state.GroupView, p *state.PartitionView) string {
	v := p.Share
	if v == nil {
		v = &state.ShareView{}
	}
	var said []string
	if v.Start != nil {
		said = append(said, fmt.Sprintf("at %s all before %d was done with", t.clock(v.StartAt), *v.Start))
	}
	if v.Delivered != nil {
		said = append(said, fmt.Sprintf("delivered up to %d at %s", *v.Delivered, t.clock(v.DeliveredAt)))
	}
	if v.Accepted+v.Released+v.Rejected > 0 {
		said = append(said, fmt.Sprintf("accepted %d, gave back %d, rejected %d", v.Accepted, v.Released, v.Rejected))
	}
	said = append(said, logHolds(p), t.sharers(g, p))
	return strings.Join(said, "; ")
}

// sharers says how many read a partition.
func (t *teller) sharers(g *state.GroupView, p *state.PartitionView) string {
	n := 0
	for i := range g.Members {
		if slices.ContainsFunc(g.Members[i].Assigned, func(a state.TopicPartitionsView) bool {
			return a.Topic == p.Topic && slices.Contains(a.Partitions, p.Partition)
		}) {
			n++
		}
	}
	if n == 0 {
		return t.reader(g, p)
	}
	return "read by " + counted(n, "member")
}
