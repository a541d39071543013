package admin

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"time"

	"warder/rules"
	"warder/rules/sink"
)

// The page is one file and its style sheet, without script and without anything from elsewhere.
var (
	//go:embed page.html
	pageText string
	//go:embed style.css
	styleText []byte

	pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
		"at": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	}).Parse(pageText))
)

// pageFindings is how many findings the page shows.
const pageFindings = 20

type pageData struct {
	Info      Info
	HasInfo   bool
	Now       time.Time
	Uptime    time.Duration
	Status    Status
	Checks    []Check
	Findings  []rules.Finding
	Endpoints []Endpoint
}

func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	d := pageData{Now: s.now(), Checks: s.checks(), Endpoints: Endpoints()}
	d.Status = overall(d.Checks)
	if s.opts.Source.Info != nil {
		d.Info, d.HasInfo = s.opts.Source.Info(), true
		d.Uptime = d.Now.Sub(d.Info.Started).Truncate(time.Second)
	}
	if s.opts.Source.Findings != nil {
		d.Findings = s.opts.Source.Findings.Query(sink.Query{Limit: pageFindings})
	}
	var b bytes.Buffer // so that a failing template is an error and not half a page
	if err := pageTemplate.Execute(&b, d); err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

func style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(styleText)
}
