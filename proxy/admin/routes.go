package admin

import (
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Endpoint is one path of the interface, as the page and the 404 answer list them.
type Endpoint struct {
	Method, Path, Purpose string
}

// Endpoints lists every path.
func Endpoints() []Endpoint {
	return []Endpoint{
		{"GET", "/", "the status page; /findings, /groups, /topics, /clients, /brokers, /config and /rules are its views"},
		{"GET", "/metrics", "Prometheus metrics"},
		{"GET", "/healthz", "200 while the process lives"},
		{"GET", "/readyz", "each readiness check; 503 when one fails"},
		{"GET", "/api/v1/findings", "what was found, newest first: ?rule= severity= (at least) topic= group= client_id= since= limit="},
		{"GET", "/api/v1/findings/stream", "findings as they come, server-sent events; same filters"},
		{"GET", "/api/v1/clients", "client connections: who, which versions of which APIs, settings as they show, what is found about them"},
		{"GET", "/api/v1/brokers", "brokers, the addresses that clients are given, and connections"},
		{"GET", "/api/v1/listeners", "listeners: where clients connect, what they may use, and how much of it they do"},
		{"GET", "/api/v1/topics", "topics known, with what their traffic looks like; /api/v1/topics/NAME for one, with its partitions"},
		{"GET", "/api/v1/groups", "consumer groups in short; /api/v1/groups/NAME for all that is known of one"},
		{"GET", "/api/v1/config", "effective configuration without secrets"},
		{"GET", "/api/v1/tap", "traffic as it passes, one JSON object a line: ?api= topic= client= group="},
		{"POST", "/api/v1/reload", "read the configuration again"},
	}
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	src := &s.opts.Source
	s.pages(mux)
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /api/v1/findings", s.findings)
	mux.HandleFunc("GET /api/v1/findings/stream", s.findingsStream)
	mux.HandleFunc("GET /api/v1/clients", list("clients", src.Clients))
	mux.HandleFunc("GET /api/v1/brokers", list("brokers", src.Brokers))
	mux.HandleFunc("GET /api/v1/listeners", list("listeners", src.Listeners))
	mux.HandleFunc("GET /api/v1/topics", whole("topics", src.Topics))
	mux.HandleFunc("GET /api/v1/topics/{name}", s.topic)
	mux.HandleFunc("GET /api/v1/groups", whole("groups", src.Groups))
	mux.HandleFunc("GET /api/v1/groups/{name...}", s.group)
	mux.HandleFunc("GET /api/v1/config", s.config)
	mux.HandleFunc("GET /api/v1/tap", s.tap)
	mux.HandleFunc("POST /api/v1/reload", s.reload)
	if s.opts.Gatherer != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(s.opts.Gatherer, promhttp.HandlerOpts{
			MaxRequestsInFlight: 4, Timeout: writeTimeout, EnableOpenMetrics: true,
		}))
	}
	if s.opts.Pprof {
		s.pprof(mux)
	}
	mux.HandleFunc("/", s.unknown(mux))
	return s.guard(mux)
}

// pages are the views of the status page, and what they are made of.
func (s *Server) pages(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.overviewPage)
	mux.HandleFunc("GET /findings", s.findingsPage)
	mux.HandleFunc("GET /findings/{id}", s.findingPage)
	mux.HandleFunc("GET /groups", s.groupsPage)
	mux.HandleFunc("GET /groups/{id...}", s.groupPage)
	mux.HandleFunc("GET /topics", s.topicsPage)
	mux.HandleFunc("GET /topics/{name...}", s.topicPage)
	mux.HandleFunc("GET /clients", s.clientsPage)
	mux.HandleFunc("GET /brokers", s.brokersPage)
	mux.HandleFunc("GET /config", s.configPage)
	mux.HandleFunc("GET /rules", s.rulesPage)
	mux.HandleFunc("GET /rules/{id}", s.rulePage)
	mux.HandleFunc("GET /docs/{path...}", s.documentPage)
	mux.HandleFunc("GET /login", s.loginPage)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("POST /logout", s.logout)
	mux.HandleFunc("GET /style.css", static("style.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /app.js", static("app.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /icon.svg", static("icon.svg", "image/svg+xml"))
}

// pprof serves Go's profiles. Profiles run for as long as they are asked to, up to 5 minutes.
func (s *Server) pprof(mux *http.ServeMux) {
	slow := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(10 * writeTimeout))
			h(w, r)
		}
	}
	mux.HandleFunc("GET /debug/pprof/", slow(pprof.Index))
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", slow(pprof.Profile))
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", slow(pprof.Trace))
}

// unknown answers every path nobody serves, and known paths asked with the wrong method.
func (s *Server) unknown(mux *http.ServeMux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			other := r.Clone(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != "/" && pattern != "" {
				w.Header().Set("Allow", method)
				refuse(w, http.StatusMethodNotAllowed, "this path wants "+method)
				return
			}
		}
		if wantsPage(r) {
			s.nothing(w, r, http.StatusNotFound, "There is no such page.")
			return
		}
		refuse(w, http.StatusNotFound, "no such path; GET / lists them")
	}
}
