package admin

import (
	"encoding/json"
	"net/http"
	"time"

	"warder/proxy/tap"
	"warder/rules"
)

// aliveInterval is how often an idle stream shows that it lives, and notices that its reader does not.
const aliveInterval = 15 * time.Second

// tapQueue is how many exchanges may wait for one reader of the tap.
const tapQueue = 1024

// stream is an answer without end. Each piece must be taken within writeTimeout.
type stream struct {
	s  *Server
	w  http.ResponseWriter
	rc *http.ResponseController
}

// stream begins one, or answers 503 when [MaxStreams] are under way. The caller must end it.
func (s *Server) stream(w http.ResponseWriter, contentType string) (*stream, bool) {
	select {
	case s.streams <- struct{}{}:
	default:
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, "too many streams are open; close one or try again")
		return nil, false
	}
	st := &stream{s: s, w: w, rc: http.NewResponseController(w)}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusOK)
	if st.write(nil) {
		return st, true
	}
	st.end()
	return nil, false
}

func (st *stream) end() { <-st.s.streams }

// write sends one piece at once and reports whether the reader took it.
func (st *stream) write(p []byte) bool {
	if err := st.rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return false
	}
	if _, err := st.w.Write(p); err != nil {
		return false
	}
	return st.rc.Flush() == nil
}

// missed is the line of a tap that tells how many exchanges its reader was too slow for since the line before.
type missed struct {
	Dropped uint64 `json:"dropped"`
}

// tap sends exchanges as they pass, one JSON object a line (see [tap.Exchange]); a line {"dropped": n} tells of
// exchanges left out because the reader was too slow. Idle, it sends empty lines.
func (s *Server) tap(w http.ResponseWriter, r *http.Request) {
	if s.opts.Tap == nil {
		absent(w, "tap")
		return
	}
	f, err := s.tapFilter(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	sub, err := s.opts.Tap.Subscribe(f, tapQueue)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	defer sub.Close()
	st, ok := s.stream(w, "application/x-ndjson")
	if !ok {
		return
	}
	defer st.end()
	alive := time.NewTicker(aliveInterval)
	defer alive.Stop()
	var told uint64
	for {
		var line []byte
		select {
		case x, ok := <-sub.C():
			if !ok {
				return
			}
			// Read once: what is dropped between two readings would be told in no line.
			dropped := sub.Dropped()
			line = exchangeLines(x, dropped-told)
			told = dropped
		case <-alive.C:
			line = []byte("\n")
		case <-r.Context().Done():
			return
		}
		if !st.write(line) {
			return
		}
	}
}

// exchangeLines is x as a line, after a line that tells of exchanges dropped before it, if any.
func exchangeLines(x *tap.Exchange, dropped uint64) []byte {
	var lines []byte
	if dropped > 0 {
		b, _ := json.Marshal(missed{dropped}) // an integer always marshals
		lines = append(b, '\n')
	}
	b, err := json.Marshal(x)
	if err != nil { // only a time beyond the year 9999 cannot be written
		return lines
	}
	return append(append(lines, b...), '\n')
}

func (s *Server) tapFilter(r *http.Request) (tap.Filter, error) {
	q, err := query(r, "api", "topic", "client", "group")
	if err != nil {
		return tap.Filter{}, err
	}
	f := tap.Filter{APIs: values(q, "api")}
	if f.Topic, err = globs(q["topic"]); err != nil {
		return f, err
	}
	if f.Client, err = globs(q["client"]); err != nil {
		return f, err
	}
	f.Group, err = globs(q["group"])
	return f, err
}

// globs compiles patterns as the configuration has them; without any it returns nil, which wants all. Commas may be
// part of a pattern ({a,b}), so several come as repeated parameters.
func globs(patterns []string) (func(string) bool, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	g, err := rules.CompileGlobs(patterns...)
	return g.Match, err
}
