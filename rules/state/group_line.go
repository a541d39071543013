package state

import "time"

// GroupList is the answer of /api/v1/groups. Its JSON names are stable, as those of
// GroupView are.
type GroupList struct {
	Groups []GroupLine `json:"groups"` // by id
	// Partial says that a part of warder was too busy to be asked: its groups
	// are missing. Note says so in a sentence.
	Partial bool   `json:"partial"`
	Note    string `json:"note,omitempty"`
}

// GroupLine is a group in one line.
type GroupLine struct {
	ID       string `json:"id"`
	Protocol string `json:"protocol"`
	Members  int    `json:"members"`
	// Elsewhere is how many members do not come through here, as of when warder
	// last asked for the group; left out for none, or when it did not.
	Elsewhere  int `json:"members_elsewhere,omitempty"`
	Partitions int `json:"partitions"`
	// Lag is how many records the group is behind, over the partitions of
	// which that is known.
	Lag int64 `json:"lag"`
	// Worst is the partition that is most records behind, left out when the
	// group is behind nowhere.
	Worst *WorstPartition `json:"worst,omitempty"`
	// Stuck is the partition that has stood still for longest although there is
	// something to read, left out when none has.
	Stuck *StuckPartition `json:"stuck,omitempty"`
	// Unwell is how many members are neither ok nor joining, see MemberView.
	Unwell int `json:"unwell_members,omitempty"`
	// LastRebalance that is remembered.
	LastRebalance *RebalanceView `json:"last_rebalance,omitempty"`
	Partial       bool           `json:"partial"`
	Learning      bool           `json:"learning"`
}

// WorstPartition is the partition of a GroupLine that is most records behind.
type WorstPartition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Lag       int64  `json:"lag"`
	TimeLag   *int64 `json:"lag_ms,omitempty"`
}

// StuckPartition is the partition of a GroupLine that has stood still for longest.
type StuckPartition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Stuck     int64  `json:"stuck_ms"`
}

// Line says in short how the group is.
func (g *Group) Line(now time.Time) GroupLine {
	l := GroupLine{
		ID: g.ID, Protocol: g.Protocol.String(), Members: g.Members(), Elsewhere: g.Elsewhere, Partitions: g.Partitions(),
		Partial: g.Partial(), Learning: g.Learning(now),
	}
	var worst, stuck *GroupPartition
	most, longest := int64(0), time.Duration(0)
	g.EachPartition(func(p *GroupPartition) {
		lag, ok := p.Lag()
		if !ok || lag == 0 {
			return
		}
		l.Lag += lag
		if stands := p.Stuck(now); stands > longest {
			stuck, longest = p, stands
		}
		if worst == nil || lag > most || lag == most && compareTopicPartition(p.TopicPartition, worst.TopicPartition) < 0 {
			worst, most = p, lag
		}
	})
	if worst != nil {
		l.Worst = &WorstPartition{Topic: worst.Topic, Partition: worst.Partition, Lag: most}
		if late, ok := worst.TimeLag(now); ok {
			l.Worst.TimeLag = new(max(late, 0).Milliseconds())
		}
	}
	if stuck != nil {
		l.Stuck = &StuckPartition{stuck.Topic, stuck.Partition, longest.Milliseconds()}
	}
	g.EachMember(func(m *Member) {
		if g.Health(m, now) > HealthJoining {
			l.Unwell++
		}
	})
	if list := g.Rebalances(); len(list) > 0 {
		l.LastRebalance = new(list[len(list)-1].view())
	}
	return l
}
