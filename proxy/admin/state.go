package admin

import (
	"context"
	"net/http"
)

// healthz answers 200: whoever can answer lives.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	respond(w, http.StatusOK, struct {
		Status Status `json:"status"`
	}{StatusOK})
}

// readiness is the answer of /readyz.
type readiness struct {
	Status Status  `json:"status"` // the worst of all checks
	Checks []Check `json:"checks,omitempty"`
}

// readyz answers 503 when a check fails, else 200: a degraded proxy goes on serving. Without the token, where there is
// one, only the status is told.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	answer := readiness{Checks: s.checks()}
	answer.Status = overall(answer.Checks)
	if !s.access.allowed(r) {
		answer.Checks = nil
	}
	status := http.StatusOK
	if answer.Status == StatusFailed {
		status = http.StatusServiceUnavailable
	}
	respond(w, status, answer)
}

func (s *Server) checks() []Check {
	if s.opts.Source.Ready == nil {
		return nil
	}
	return s.opts.Source.Ready()
}

// list serves {"<name>": [...]}.
func list[T any](name string, get func() []T) http.HandlerFunc {
	if get == nil {
		return whole[any](name, nil)
	}
	return whole(name, func() map[string][]T { return map[string][]T{name: get()} })
}

// whole serves what the source gives, as it is.
func whole[T any](name string, get func() T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if get == nil {
			absent(w, name)
			return
		}
		if _, err := query(r); err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		respond(w, http.StatusOK, get())
	}
}

func (s *Server) topic(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if s.opts.Source.Topic == nil {
		absent(w, "topics")
		return
	}
	t, ok := s.opts.Source.Topic(name)
	if !ok {
		refuse(w, http.StatusNotFound, "topic "+name+" is not known: no client has asked for it through this proxy yet")
		return
	}
	respond(w, http.StatusOK, t)
}

// group answers with one group. Its name may hold slashes.
func (s *Server) group(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if s.opts.Source.Group == nil {
		absent(w, "groups")
		return
	}
	g, known, err := s.opts.Source.Group(name)
	switch {
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, err.Error())
	case !known:
		refuse(w, http.StatusNotFound, "group "+name+" was never seen through this warder; /api/v1/groups lists those that were")
	default:
		respond(w, http.StatusOK, g)
	}
}

func (s *Server) config(w http.ResponseWriter, _ *http.Request) {
	if s.opts.Source.Config == nil {
		absent(w, "configuration")
		return
	}
	respond(w, http.StatusOK, s.opts.Source.Config())
}

// reload reads the configuration again. A configuration with errors is answered 422; the old one stays live.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	if s.opts.Source.Reload == nil {
		absent(w, "reload")
		return
	}
	// A reload that has begun is not given up because the one who asked has left.
	result, err := s.opts.Source.Reload(context.WithoutCancel(r.Context()))
	s.opts.Log.Info().Str("remote", r.RemoteAddr).Err(err).Msg("reload asked for through the admin interface")
	if err != nil {
		refuse(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	respond(w, http.StatusOK, result)
}

func absent(w http.ResponseWriter, what string) {
	refuse(w, http.StatusNotFound, "there is no "+what+" here")
}
