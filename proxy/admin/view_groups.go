package admin

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"warder/rules"
	"warder/rules/sink"
	"warder/rules/state"
)

// groupRow is a group in the list.
type groupRow struct {
	state.GroupLine
	Severity string // of the worst that is open about it; empty for nothing
	Word     string // how it is, in a word or two
	Findings []rules.Finding
}

// groupRows gives the groups, those with the worst problems first, then by how long records wait.
func groupRows(list []state.GroupLine, found []rules.Finding) []groupRow {
	about := by(found, func(s *rules.Subject) string { return s.Group })
	rows := make([]groupRow, len(list))
	for i := range list {
		r := groupRow{GroupLine: list[i], Findings: about[list[i].ID]}
		if len(r.Findings) > 0 { // worst first
			r.Severity, r.Word = r.Findings[0].Severity.String(), r.Findings[0].Rule
		} else {
			r.Word = plight(&r.GroupLine)
		}
		rows[i] = r
	}
	slices.SortStableFunc(rows, func(a, b groupRow) int {
		return cmp.Or(cmp.Compare(rank(b.Findings), rank(a.Findings)), cmp.Compare(b.waits(), a.waits()), cmp.Compare(b.Lag, a.Lag), strings.Compare(a.ID, b.ID))
	})
	return rows
}

// waits is how long the next record of the worst partition has waited, in milliseconds.
func (r *groupRow) waits() int64 {
	if r.Worst == nil || r.Worst.TimeLag == nil {
		return 0
	}
	return *r.Worst.TimeLag
}

// plight is how a group is that nothing was found about.
func plight(l *state.GroupLine) string {
	switch {
	case l.Members+l.Elsewhere == 0 && l.Lag > 0:
		return "nobody reads"
	case l.Members+l.Elsewhere == 0:
		return "no members"
	case l.Lag > 0:
		return "behind"
	}
	return "up to date"
}

func (s *Server) groupsPage(w http.ResponseWriter, r *http.Request) {
	if s.opts.Source.Groups == nil {
		s.nothing(w, r, http.StatusNotFound, "There are no groups here.")
		return
	}
	list := s.opts.Source.Groups()
	s.show(w, r, "groups", "Groups", struct {
		Note string
		Rows []groupRow
	}{list.Note, groupRows(list.Groups, s.openFindings())})
}

// groupBody is all that is shown of a group.
type groupBody struct {
	state.GroupView
	Open       []findingCard
	Past       []findingCard // over, or not seen for a while
	Heat       []heatRow
	Legend     any
	Timeline   timeline
	Health     []memberHealth
	Worst      []state.PartitionView // those that lag, most first
	Lag        int64
	Behind     int // partitions that lag
	MoreBehind int // that Worst leaves out
}

// shownPartitions is how many partitions are told in numbers, and shownPast how many findings that are over.
const (
	shownPartitions = 100
	shownPast       = 10
)

func (s *Server) groupPage(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if id == "" {
		s.groupsPage(w, r)
		return
	}
	if s.opts.Source.Group == nil {
		s.nothing(w, r, http.StatusNotFound, "There are no groups here.")
		return
	}
	g, known, err := s.opts.Source.Group(id)
	switch {
	case err != nil:
		s.nothing(w, r, http.StatusServiceUnavailable, sentence(err.Error()))
		return
	case !known:
		s.nothing(w, r, http.StatusNotFound, "Group "+short(id)+" was never seen through this warder.")
		return
	}
	s.show(w, r, "group", "Group "+short(id), s.groupBody(g))
}

func (s *Server) groupBody(g state.GroupView) groupBody {
	now := s.now()
	b := groupBody{GroupView: g, Timeline: timelineOf(&g, now), Health: healthOf(&g), Legend: heatLegend}
	opened, past := s.findingsAbout(func(f *rules.Finding) bool { return f.Subject.Group == g.ID }, now)
	b.Open, b.Past = cards(opened, now), cards(past, now)
	b.Heat = heatOf(&g, opened)
	for i := range g.Partitions {
		if p := &g.Partitions[i]; p.Lag != nil && *p.Lag > 0 {
			b.Worst = append(b.Worst, *p)
			b.Lag += *p.Lag
		}
	}
	slices.SortStableFunc(b.Worst, func(x, y state.PartitionView) int {
		return cmp.Or(cmp.Compare(orZero(y.TimeLag), orZero(x.TimeLag)), cmp.Compare(*y.Lag, *x.Lag))
	})
	b.Behind = len(b.Worst)
	if b.Behind > shownPartitions {
		b.Worst, b.MoreBehind = b.Worst[:shownPartitions], b.Behind-shownPartitions
	}
	b.Rebalances = slices.Clone(b.Rebalances)
	slices.Reverse(b.Rebalances) // the last one first
	return b
}

func orZero(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

// memberHealth is a member and how it does.
type memberHealth struct {
	state.MemberView
	Class     string // of its health: ok, info, warning, critical
	Heartbeat int64  // share of its session timeout that it has been silent, in percent
	Poll      int64  // share of max.poll.interval.ms without a poll, in percent
	Reads     int    // partitions
}

func healthOf(g *state.GroupView) []memberHealth {
	list := make([]memberHealth, len(g.Members))
	for i := range g.Members {
		m := memberHealth{MemberView: g.Members[i], Class: "ok", Heartbeat: share(g.Members[i].Silent, g.Members[i].SessionTimeout)}
		switch m.Health {
		case state.HealthJoining.String():
			m.Class = "info"
		case state.HealthNotPolling.String(), state.HealthSilent.String():
			m.Class = "warning"
		case state.HealthDisconnected.String(), state.HealthExpired.String():
			m.Class = "critical"
		}
		if m.Unpolled != nil {
			m.Poll = share(*m.Unpolled, m.MaxPollInterval)
		}
		for _, t := range m.Assigned {
			m.Reads += len(t.Partitions)
		}
		list[i] = m
	}
	return list
}

// share is how much of a limit is used, in percent up to 100; 0 without a limit.
func share(used, limit int64) int64 {
	if limit <= 0 {
		return 0
	}
	return min(used*100/limit, 100)
}

// findingsAbout gives what was found about something, what is open apart from what is over.
func (s *Server) findingsAbout(about func(*rules.Finding) bool, now time.Time) (opened, past []rules.Finding) {
	if s.opts.Source.Findings == nil {
		return nil, nil
	}
	for _, f := range s.opts.Source.Findings.Query(sink.Query{}) {
		if about(&f) {
			past = append(past, f)
		}
	}
	opened = open(slices.Clone(past), now)
	past = slices.DeleteFunc(past, func(f rules.Finding) bool {
		return slices.ContainsFunc(opened, func(o rules.Finding) bool { return o.ID == f.ID })
	})
	return opened, past[:min(len(past), shownPast)]
}
