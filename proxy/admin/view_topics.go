package admin

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"warder/rules"
	"warder/rules/state"
)

const (
	shownTopics = 500  // on a page
	shownLogs   = 1000 // partitions of a topic
)

// topicRow is a topic in the list.
type topicRow struct {
	state.TopicLine
	Findings []rules.Finding // open, worst first
}

// topicRows gives the topics, those with the worst problems first, then by name.
func topicRows(list []state.TopicLine, found []rules.Finding) []*topicRow {
	about := by(found, func(s *rules.Subject) string { return s.Topic })
	rows := make([]*topicRow, len(list))
	for i := range list {
		rows[i] = &topicRow{list[i], about[list[i].Name]}
	}
	slices.SortStableFunc(rows, func(a, b *topicRow) int {
		return cmp.Or(cmp.Compare(rank(b.Findings), rank(a.Findings)), strings.Compare(a.Name, b.Name))
	})
	return rows
}

// Kept is how long records are kept, in words.
func (t *topicRow) Kept() string {
	s := &t.Settings
	switch {
	case t.Cleanup.Known() && !t.Cleanup.Deletes():
		return "last of each key"
	case !s.Known || s.RetentionMs == 0:
		return ""
	case s.RetentionMs < 0:
		return "for ever"
	}
	return span(time.Duration(s.RetentionMs) * time.Millisecond)
}

// Policy is cleanup.policy, with a word for what it writes as nothing.
func (t *topicRow) Policy() string {
	if t.Cleanup == rules.CleanupNone {
		return "none"
	}
	return t.Cleanup.String()
}

// Values and Keys are their formats in words.
func (t *topicRow) Values() string {
	if t.Formats == nil {
		return ""
	}
	return formatWords(&t.Formats.Values)
}

// Keys is described at Values.
func (t *topicRow) Keys() string {
	if t.Formats == nil {
		return ""
	}
	return formatWords(&t.Formats.Keys)
}

func formatWords(f *rules.FormatTold) string {
	if f.Usual != "" && len(f.Seen) <= 1 {
		return f.Usual
	}
	var list []string
	for _, s := range f.Seen {
		list = append(list, s.Format+" "+percent(s.Share))
	}
	return strings.Join(list, ", ")
}

// Uneven says that one partition grows at twice its share or more.
func (t *topicRow) Uneven() bool {
	return t.Log != nil && t.Log.Largest != nil && t.Log.Known > 1 && t.Log.Largest.TimesFair >= 2
}

// Skew is how its records are spread over the partitions, in words.
func (t *topicRow) Skew() string {
	switch {
	case t.Log == nil || t.Log.Largest == nil || t.Log.Known < 2:
		return ""
	case !t.Uneven():
		return "even"
	}
	l := t.Log.Largest
	return "partition " + number(l.Partition) + ": " + percent(l.Share) + ", " + strconv.FormatFloat(l.TimesFair, 'f', 1, 64) + " × its share"
}

func (s *Server) topicsPage(w http.ResponseWriter, r *http.Request) {
	if s.opts.Source.Topics == nil {
		s.nothing(w, r, http.StatusNotFound, "There are no topics here.")
		return
	}
	list := s.opts.Source.Topics()
	rows := topicRows(list.Topics, s.openFindings())
	more := max(len(rows)-shownTopics, 0)
	s.show(w, r, "topics", "Topics", struct {
		Rows   []*topicRow
		More   int
		Untold []rules.Untold
	}{rows[:len(rows)-more], more, list.Untold})
}

// topicBody is all that is shown of a topic.
type topicBody struct {
	*topicRow
	Open, Past []findingCard
	Logs       []state.PartitionPace
	MoreLogs   int
	Most       float64 // the largest share of a partition
	Untold     []rules.Untold
}

func (s *Server) topicPage(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if name == "" {
		s.topicsPage(w, r)
		return
	}
	if s.opts.Source.Topic == nil {
		s.nothing(w, r, http.StatusNotFound, "There are no topics here.")
		return
	}
	t, ok := s.opts.Source.Topic(name)
	if !ok {
		s.nothing(w, r, http.StatusNotFound, "Topic "+short(name)+" is not known: no client has asked for it through this warder yet.")
		return
	}
	now := s.now()
	opened, past := s.findingsAbout(func(f *rules.Finding) bool { return f.Subject.Topic == name }, now)
	b := topicBody{topicRow: topicRows([]state.TopicLine{t.TopicLine}, opened)[0], Open: cards(opened, now), Past: cards(past, now), Untold: t.Untold}
	b.MoreLogs = max(len(t.Logs)-shownLogs, 0)
	b.Logs = t.Logs[:len(t.Logs)-b.MoreLogs]
	for i := range b.Logs {
		b.Most = max(b.Most, b.Logs[i].Share)
	}
	s.show(w, r, "topic", "Topic "+short(name), b)
}
