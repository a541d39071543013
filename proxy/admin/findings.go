package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"warder/rules"
)

// findingParameters are the filters of both findings paths.
var findingParameters = []string{"rule", "severity", "topic", "group", "client_id", "since", "limit"}

// parseFindingQuery reads the filters of a request. rule and severity may be repeated or hold commas; since is a time
// (RFC 3339) or an age such as 15m; limit is 1 to [MaxFindings], 100 when not given.
func (s *Server) parseFindingQuery(r *http.Request) (FindingQuery, error) {
	v, err := query(r, findingParameters...)
	if err != nil {
		return FindingQuery{}, err
	}
	q := FindingQuery{
		Rules: list(v, "rule"),
		Topic: v.Get("topic"), Group: v.Get("group"), ClientID: v.Get("client_id"), Limit: 100,
	}
	for _, text := range list(v, "severity") {
		var sev rules.Severity
		if err := sev.UnmarshalText([]byte(text)); err != nil {
			return q, fmt.Errorf("severity: %w", err)
		}
		q.Severities = append(q.Severities, sev)
	}
	if text := v.Get("since"); text != "" {
		if q.Since, err = s.since(text); err != nil {
			return q, err
		}
	}
	if text := v.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > MaxFindings {
			return q, fmt.Errorf("limit=%s: want a number from 1 to %d", text, MaxFindings)
		}
	}
	return q, nil
}

func (s *Server) since(text string) (time.Time, error) {
	if age, err := time.ParseDuration(text); err == nil && age >= 0 {
		return s.now().Add(-age), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("since=%s: want an age such as 15m or a time such as 2026-11-23T17:20:47Z", text)
	}
	return t, nil
}

// findings answers {"findings": [...]}, newest first.
func (s *Server) findings(w http.ResponseWriter, r *http.Request) {
	if s.opts.Source.Findings == nil {
		absent(w, "findings")
		return
	}
	q, err := s.parseFindingQuery(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	found := s.opts.Source.Findings(q)
	if found == nil {
		found = []rules.Finding{}
	}
	respond(w, http.StatusOK, map[string]any{"findings": found})
}

// findingsStream sends findings as server-sent events named "finding", whose id is the finding's and whose data is its
// JSON. With since= it begins with what is known from then on, oldest first. A folded finding that grows is sent again
// under its id.
func (s *Server) findingsStream(w http.ResponseWriter, r *http.Request) {
	if s.opts.Source.Subscribe == nil {
		absent(w, "stream of findings")
		return
	}
	q, err := s.parseFindingQuery(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	st, ok := s.stream(w, "text/event-stream")
	if !ok {
		return
	}
	defer st.end()
	live := s.opts.Source.Subscribe(r.Context()) // before the backlog, so that nothing falls between
	sent := s.backlog(st, q)
	alive := time.NewTicker(aliveInterval)
	defer alive.Stop()
	for {
		select {
		case f, ok := <-live:
			if !ok {
				return
			}
			if q.wants(&f) && !sent[key(&f)] && !st.event(&f) {
				return
			}
		case <-alive.C:
			if !st.write([]byte(": alive\n\n")) {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// backlog sends what is known since q.Since, oldest first, and returns what was sent.
func (s *Server) backlog(st *stream, q FindingQuery) map[string]bool {
	sent := map[string]bool{}
	if q.Since.IsZero() || s.opts.Source.Findings == nil {
		return sent
	}
	known := s.opts.Source.Findings(q)
	for i := len(known) - 1; i >= 0; i-- {
		sent[key(&known[i])] = true
		if !st.event(&known[i]) {
			break
		}
	}
	return sent
}

// key tells one sending of a finding from its folded repeats.
func key(f *rules.Finding) string { return f.ID + "/" + strconv.Itoa(f.Count) }

func (st *stream) event(f *rules.Finding) bool {
	data, err := json.Marshal(f)
	if err != nil {
		return false
	}
	return st.write(fmt.Appendf(nil, "id: %s\nevent: finding\ndata: %s\n\n", f.ID, data))
}

// wants reports whether the filters of q let f through; Limit is no filter.
func (q *FindingQuery) wants(f *rules.Finding) bool {
	return anyOf(q.Rules, f.Rule) && anyOf(q.Severities, f.Severity) &&
		(q.Topic == "" || q.Topic == f.Subject.Topic) &&
		(q.Group == "" || q.Group == f.Subject.Group) &&
		(q.ClientID == "" || q.ClientID == f.Subject.ClientID) &&
		!f.LastTime.Before(q.Since)
}

func anyOf[T comparable](wanted []T, have T) bool {
	return len(wanted) == 0 || slices.Contains(wanted, have)
}
