package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"warder/configs"
	"warder/rules"
	"warder/rules/sink"
)

// findingParameters are the filters of both findings paths.
var findingParameters = []string{"rule", "severity", "topic", "group", "client_id", "since", "limit"}

// parseFindingQuery reads the filters of a request. severity is the least one wanted; since is a time (RFC 3339) or an
// age such as 15m; limit is 1 to [MaxFindings], 100 when not given.
func (s *Server) parseFindingQuery(r *http.Request) (sink.Query, error) {
	v, err := query(r, findingParameters...)
	if err != nil {
		return sink.Query{}, err
	}
	q := sink.Query{Rule: v.Get("rule"), Topic: v.Get("topic"), Group: v.Get("group"), ClientID: v.Get("client_id"), Limit: 100}
	if text := v.Get("severity"); text != "" {
		if err := q.Severity.UnmarshalText([]byte(text)); err != nil {
			return q, fmt.Errorf("severity: %w", err)
		}
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
	if age, err := configs.ParseDuration(text); err == nil {
		return s.now().Add(-age), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("since=%s: want an age such as 15m or 7d, or a time such as 2026-11-23T17:20:47Z", text)
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
	respond(w, http.StatusOK, map[string]any{"findings": s.opts.Source.Findings.Query(q)})
}

// findingsStream sends findings as server-sent events named "finding", whose id is the finding's and whose data is its
// JSON. With since= it begins with what is known from then on, oldest first. A folded finding that grows is sent again
// under its id.
func (s *Server) findingsStream(w http.ResponseWriter, r *http.Request) {
	if s.opts.Source.Findings == nil {
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
	live := s.opts.Source.Findings.Subscribe(r.Context()).Findings() // before the backlog, so that nothing falls between
	sent := s.backlog(st, q)
	alive := time.NewTicker(aliveInterval)
	defer alive.Stop()
	for {
		select {
		case f, ok := <-live:
			if !ok {
				return
			}
			if q.Match(&f) && !sent[key(&f)] && !st.event(&f) {
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
func (s *Server) backlog(st *stream, q sink.Query) map[string]bool {
	sent := map[string]bool{}
	if q.Since.IsZero() {
		return sent
	}
	known := s.opts.Source.Findings.Query(q)
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
