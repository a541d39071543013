package builtin

import (
	"cmp"
	"slices"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// idleMember tells of members of a group that are given no partitions, for so long
// that it is no rebalance and no scaling that settles: most often there are more
// consumers than partitions, and adding some does not make the group any faster.
type idleMember struct {
	idleMemberKnobs

	groups rules.Globs
}

// idleMemberKnobs are the keys below `rules.idle-member` that only it knows.
type idleMemberKnobs struct {
	// For how long a member must have no partitions.
	After time.Duration `yaml:"after" min:"1s" max:"7d"`
	// So many members without partitions are kept on purpose, in each group.
	Spares int `yaml:"spares" min:"0" max:"10000"`
	// Patterns of the groups that are looked at. Empty: all.
	Groups []string `yaml:"groups"`
}

func idleMemberSpec() rules.Spec {
	return rules.Spec{
		ID:       "idle-member",
		Summary:  "members of a group that get no partitions, since there are more of them than partitions",
		Severity: rules.Info,
		Default:  rules.Alert,
		Doc:      "docs/rules/idle-member.md",
		Example:  "idle-member:\n  after: 30m\n  spares: 1\n",
		FoldBy:   rules.FieldGroup,
		Watches:  memberEvents(),
		New:      newIdleMember,
	}
}

func newIdleMember(decode func(any) error) (rules.Rule, error) {
	r := &idleMember{idleMemberKnobs: idleMemberKnobs{After: 10 * time.Minute}}
	if err := decode(&r.idleMemberKnobs); err != nil {
		return nil, err
	}
	var err error
	r.groups, err = rules.CompileGlobs(r.Groups...)
	return r, err
}

// idlers is the state of one group: 80 bytes for each member without partitions.
type idlers struct {
	since   map[string]time.Time // by member id: first seen without partitions
	told    time.Time            // zero: nothing
	count   int                  // that was told
	subject rules.Subject
}

// idleRepeat is how often idle members are told of again while they stay so.
const idleRepeat = 24 * time.Hour

// Watch begins the state of a group.
func (r *idleMember) Watch(w *rules.Watch, _ rules.Event) {
	if w.State == nil {
		w.State = &idlers{since: map[string]time.Time{}}
	}
}

// Tick looks who has partitions, while the group is at rest. Of a group with members
// that do not come through here it is not known how many partitions there are, and
// members of a share group share each of them.
func (r *idleMember) Tick(w *rules.Watch) {
	g, s := groupOf(w), w.State.(*idlers)
	if g == nil || !g.Protocol.Exclusive() || rebalancing(g) || g.Partial() || !r.groups.Match(g.ID) {
		return
	}
	partitions := s.look(g, w.Now)
	var idle []*state.Member
	for id, at := range s.since {
		if w.Now.Sub(at) >= r.After {
			idle = append(idle, g.Member(id))
		}
	}
	switch {
	case len(idle) > r.Spares && partitions > 0:
		if s.told.IsZero() || len(idle) > s.count || w.Now.Sub(s.told) >= idleRepeat {
			slices.SortFunc(idle, func(a, b *state.Member) int {
				return cmp.Or(s.since[a.ID].Compare(s.since[b.ID]), cmp.Compare(a.ID, b.ID))
			})
			report := idleReport(g, idle, partitions, w.Now.Sub(s.since[idle[0].ID]), w.Now)
			s.told, s.count, s.subject = w.Now, len(idle), report.Subject
			w.Report(report)
		}
	case !s.told.IsZero() && len(s.since) <= r.Spares:
		w.Report(busyReport(g, s, partitions))
		s.told, s.count = time.Time{}, 0
	}
}

// look notes who has no partitions, and gives how many partitions all have. Threads of
// Kafka Streams that keep standby tasks show none.
func (s *idlers) look(g *state.Group, now time.Time) (partitions int) {
	for id := range s.since {
		if g.Member(id) == nil {
			delete(s.since, id)
		}
	}
	g.EachMember(func(m *state.Member) {
		partitions += len(m.Assigned)
		_, noted := s.since[m.ID]
		switch idle := m.Readable && len(m.Assigned) == 0 && m.Waiting.IsZero() && !streams(g, m); {
		case !idle:
			delete(s.since, m.ID)
		case !noted:
			s.since[m.ID] = now
		}
	})
	return partitions
}

// streams says whether a member is a thread of Kafka Streams: by its protocol or
// assignor (StreamsPartitionAssignor), or as its client is named.
func streams(g *state.Group, m *state.Member) bool {
	return g.Protocol == state.StreamsProtocol || g.Assignor == "stream" || streamThreads.Match(m.Client.ClientID)
}
