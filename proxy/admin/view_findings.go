package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"warder/rules"
	"warder/rules/sink"
)

// findingsStep is how many findings a page shows, and how many more each time that more are asked for.
const findingsStep = 50

// findingCard is a finding as a page shows it.
type findingCard struct {
	rules.Finding
	Now   time.Time
	Open  bool
	Whole bool // with its evidence unfolded
}

func cards(found []rules.Finding, now time.Time) []findingCard {
	list := make([]findingCard, len(found))
	for i := range found {
		list[i] = cardOf(&found[i], now)
	}
	return list
}

func cardOf(f *rules.Finding, now time.Time) findingCard {
	return findingCard{Finding: *f, Now: now, Open: !f.Resolved && now.Sub(f.LastTime) <= openFor}
}

// Done is what warder did, where that is more than telling.
func (c findingCard) Done() string {
	switch {
	case c.Action == rules.Block:
		return "refused"
	case c.WouldBlock:
		return "would be refused with action: block"
	}
	return ""
}

// Head is what happened, and Rest what comes of it.
func (c findingCard) Head() string {
	head, _ := parts(c.Summary)
	return head
}

// Rest is described at Head.
func (c findingCard) Rest() string {
	_, rest := parts(c.Summary)
	return rest
}

// factRow is a line of the evidence.
type factRow struct {
	Name, Value string
	List        []string // instead of Value
}

// Facts is the evidence, with numbers of milliseconds in words as well.
func (c findingCard) Facts() []factRow {
	rows := make([]factRow, len(c.Evidence))
	for i, e := range c.Evidence {
		rows[i].Name = short(e.Name)
		if list, ok := e.Value.([]string); ok {
			for _, text := range list {
				rows[i].List = append(rows[i].List, long(text))
			}
			continue
		}
		rows[i].Value = fact(e.Value)
		if ms, ok := wholeNumber(e.Value); ok && strings.HasSuffix(e.Name, "_ms") && ms >= 1000 {
			rows[i].Value += " (" + millis(ms) + ")"
		}
	}
	return rows
}

// State is how it stands, in a word.
func (c findingCard) State() string {
	switch {
	case c.Resolved:
		return "over"
	case !c.Open:
		return "not seen lately"
	}
	return "open"
}

// Who is what the finding speaks of, as names and links.
func (c findingCard) Who() []who {
	s := &c.Subject
	var list []who
	add := func(kind, to, name string) {
		if name != "" {
			list = append(list, who{kind, to, name})
		}
	}
	add("group", toGroup, s.Group)
	add("topic", toTopic, s.Topic)
	if s.Partition != nil {
		add("partition", "", strconv.Itoa(int(*s.Partition)))
	}
	add("client", toClient, s.ClientID)
	add("member", "", s.Member)
	add("principal", "", s.Principal)
	add("transactional.id", "", s.TransactionalID)
	add("software", "", s.Software)
	add("from", "", s.Remote)
	return list
}

// who is one name in a finding.
type who struct{ Kind, to, Name string }

// Show is the name, as a link where there is something to see.
func (w who) Show() any {
	if w.to == "" {
		return short(w.Name)
	}
	return link(w.to, w.Name)
}

// Linked says that the name leads somewhere.
func (w who) Linked() bool { return w.to != "" }

// Allow is the exception that would let it pass, where that is what one may want: it was refused, or would be.
func (c findingCard) Allow() string {
	if y := c.AllowYAML(); (c.Action == rules.Block || c.WouldBlock) && len(y) <= maxText {
		return y
	}
	return ""
}

// Suppress is what silences it for three months; empty when it would be longer than anybody writes.
func (c findingCard) Suppress() string {
	if y := c.SuppressYAML(c.Now.AddDate(0, 3, 0)); len(y) <= maxText {
		return y
	}
	return ""
}

// filter is the form above the findings, as it was sent.
type filter struct {
	Rule, Severity, Topic, Group, ClientID, Since string
	Open                                          bool
	Limit                                         int
}

// Any says that something is filtered.
func (f filter) Any() bool {
	f.Limit = 0
	return f != filter{}
}

// More is the query for the same with more findings.
func (f filter) More() string {
	v := url.Values{"limit": {strconv.Itoa(f.Limit + findingsStep)}}
	for name, value := range map[string]string{"rule": f.Rule, "severity": f.Severity, "topic": f.Topic, "group": f.Group, "client_id": f.ClientID, "since": f.Since} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if f.Open {
		v.Set("open", "1")
	}
	return "/findings?" + v.Encode()
}

// parseFilter reads the form. Spaces around what people type mean nothing; everything else is taken as in the API.
func (s *Server) parseFilter(r *http.Request) (filter, sink.Query, error) {
	v, err := query(r, append(slices.Clone(findingParameters), "open")...)
	if err != nil {
		return filter{}, sink.Query{}, err
	}
	text := func(name string) string { return strings.TrimSpace(v.Get(name)) }
	f := filter{
		Rule: text("rule"), Severity: text("severity"), Topic: text("topic"), Group: text("group"), ClientID: text("client_id"), Since: text("since"),
		Open: v.Get("open") != "", Limit: findingsStep,
	}
	q := sink.Query{Rule: f.Rule, Topic: f.Topic, Group: f.Group, ClientID: f.ClientID}
	if n, err := strconv.Atoi(v.Get("limit")); err == nil && n > 0 && n <= MaxFindings {
		f.Limit = n
	}
	if f.Severity != "" {
		if err := q.Severity.UnmarshalText([]byte(f.Severity)); err != nil {
			return f, q, fmt.Errorf("severity: %w", err)
		}
	}
	if f.Since != "" {
		if q.Since, err = s.since(f.Since); err != nil {
			return f, q, err
		}
	}
	return f, q, nil
}

// findingsBody is the list of findings with its form.
type findingsBody struct {
	Filter  filter
	Problem string // what is wrong with the filter
	Rules   []string
	Cards   []findingCard
	Total   int // that the filter selects
	Kept    int // at all
}

func (s *Server) findingsPage(w http.ResponseWriter, r *http.Request) {
	if s.opts.Source.Findings == nil {
		s.nothing(w, r, http.StatusNotFound, "There are no findings here.")
		return
	}
	b := findingsBody{Kept: s.opts.Source.Findings.Len()}
	if s.opts.Source.Rules != nil {
		for _, rule := range s.opts.Source.Rules() {
			b.Rules = append(b.Rules, rule.ID)
		}
	}
	var q sink.Query
	var err error
	status := http.StatusOK
	if b.Filter, q, err = s.parseFilter(r); err != nil {
		b.Problem, status = sentence(err.Error()), http.StatusBadRequest
	} else {
		now := s.now()
		found := s.opts.Source.Findings.Query(q)
		if b.Filter.Open {
			found = open(found, now)
		}
		b.Total = len(found)
		b.Cards = cards(found[:min(len(found), b.Filter.Limit)], now)
	}
	s.showAs(w, r, status, "findings", "Findings", b)
}

// findingPage shows one finding with all there is.
func (s *Server) findingPage(w http.ResponseWriter, r *http.Request) {
	if s.opts.Source.Findings == nil {
		s.nothing(w, r, http.StatusNotFound, "There are no findings here.")
		return
	}
	f, ok := s.opts.Source.Findings.Get(r.PathValue("id"))
	if !ok {
		s.nothing(w, r, http.StatusNotFound, "That finding is not kept any more, or never was: warder keeps the last "+number(sink.DefaultRing)+".")
		return
	}
	c := cardOf(&f, s.now())
	c.Whole = true
	s.show(w, r, "finding", f.Rule+": "+short(f.Summary), c)
}
