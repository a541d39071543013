package admin

import (
	"net/http"
	"slices"

	"warder/rules"
)

const (
	wholeProblems = 2  // on the first page, with what to do
	shownProblems = 30 // there, with one sentence each
	shownHeat     = 14 // groups with a heat map there
)

// overview is the first page: what is wrong, which partitions wait, and whether warder itself is well.
type overview struct {
	Worst    []findingCard // problems at length
	Problems []findingCard // those after them
	More     int           // that are not shown
	Advice   int           // open findings that are no problems
	Heat     []groupHeat
	Legend   any
	Note     string // what is missing from the groups
	Checks   []Check
	Others   int // groups that are not drawn
	Groups   bool
}

// groupHeat is a group with its heat map.
type groupHeat struct {
	groupRow
	Rows []heatRow
}

func (s *Server) overviewPage(w http.ResponseWriter, r *http.Request) {
	now := s.now()
	found := s.openFindings()
	wrong := problems(found)
	shown := wrong[:min(len(wrong), shownProblems)]
	whole := min(len(shown), wholeProblems)
	b := overview{
		Worst: cards(shown[:whole], now), Problems: cards(shown[whole:], now), More: len(wrong) - len(shown), Advice: len(found) - len(wrong),
		Legend: heatLegend, Checks: s.checks(),
	}
	s.overviewGroups(&b, found)
	s.show(w, r, "overview", "Overview", b)
}

// overviewGroups draws the groups in which records wait or a partition is marked, those with the worst problems first.
func (s *Server) overviewGroups(b *overview, found []rules.Finding) {
	if s.opts.Source.Groups == nil || s.opts.Source.Group == nil {
		return
	}
	b.Groups = true
	list := s.opts.Source.Groups()
	b.Note = list.Note
	for _, row := range groupRows(list.Groups, found) {
		if row.Lag == 0 && len(row.Findings) == 0 || len(b.Heat) == shownHeat {
			b.Others++
			continue
		}
		g, known, err := s.opts.Source.Group(row.ID)
		if err != nil || !known {
			continue
		}
		h := groupHeat{row, heatOf(&g, row.Findings)}
		if row.Lag == 0 && !slices.ContainsFunc(h.Rows, func(r heatRow) bool { return len(r.Marked) > 0 }) {
			b.Others++
			continue
		}
		b.Heat = append(b.Heat, h)
	}
}
