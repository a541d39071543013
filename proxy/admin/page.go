package admin

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The pages: one template for each view, in the frame of templates/frame.html. Nothing comes from elsewhere, and all of
// it works without script; what static/app.js adds is that a page renews itself in place.
//
//go:embed templates static
var files embed.FS

// views are the names of the templates that fill the frame.
var views = parseViews("overview", "findings", "finding", "groups", "group", "topics", "topic", "clients", "brokers", "config", "rules", "document", "login", "nothing")

func parseViews(names ...string) map[string]*template.Template {
	frame := template.Must(template.New("frame.html").Funcs(template.FuncMap{
		"ago": ago, "age": age, "at": at, "millis": anyMillis, "number": anyNumber, "count": anyCounted, "short": short, "key": nameKey, "long": long, "rate": rate, "pace": pace, "rounded": rounded, "bytes": byteSize, "percent": percent,
		"groupLink":   func(id string) template.HTML { return link(toGroup, id) },
		"topicLink":   func(name string) template.HTML { return link(toTopic, name) },
		"ruleLink":    func(id string) template.HTML { return link(toRule, id) },
		"clientLink":  func(id string) template.HTML { return link(toClient, id) },
		"findingLink": func(id string) template.HTML { return link(toFinding, id) },
	}).ParseFS(files, "templates/frame.html", "templates/parts.html"))
	all := map[string]*template.Template{}
	for _, name := range names {
		all[name] = template.Must(template.Must(frame.Clone()).ParseFS(files, "templates/"+name+".html"))
	}
	return all
}

// navigation is the list of views, in the order of the menu.
var navigation = []struct{ Path, Name string }{
	{"/", "Overview"},
	{"/findings", "Findings"},
	{"/groups", "Groups"},
	{"/topics", "Topics"},
	{"/clients", "Clients"},
	{"/brokers", "Brokers"},
	{"/config", "Configuration"},
	{"/rules", "Rules"},
}

// frame is what every page has.
type frame struct {
	Title      string
	Now        time.Time
	Headline   headline
	Info       *Info // nil when there is none
	Navigation []navigationItem
	Signed     bool // by the cookie of the form, so that there is something to sign out of
	Body       any
}

type navigationItem struct {
	Path, Name string
	Here       bool // the page is this view, or within it
	Count      int  // open problems, for findings
}

// show answers with a page.
func (s *Server) show(w http.ResponseWriter, r *http.Request, view, title string, body any) {
	s.showAs(w, r, http.StatusOK, view, title, body)
}

func (s *Server) showAs(w http.ResponseWriter, r *http.Request, status int, view, title string, body any) {
	found := s.openFindings()
	f := frame{Title: title, Now: s.now(), Body: body, Signed: s.access.signed(r)}
	if s.opts.Source.Info != nil {
		info := s.opts.Source.Info()
		f.Info = &info
	}
	f.Headline = headlineOf(found, s.checks(), f.Info)
	for _, n := range navigation {
		item := navigationItem{Path: n.Path, Name: n.Name, Here: r.URL.Path == n.Path || n.Path != "/" && strings.HasPrefix(r.URL.Path, n.Path+"/")}
		if n.Path == "/findings" {
			item.Count = len(problems(found))
		}
		f.Navigation = append(f.Navigation, item)
	}
	write(w, status, view, f)
}

func write(w http.ResponseWriter, status int, view string, f frame) {
	var b bytes.Buffer // so that a failing template is an error and not half a page
	if err := views[view].Execute(&b, f); err != nil {
		refuse(w, http.StatusInternalServerError, fmt.Sprintf("page %s: %v", view, err))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(bytes.Map(visible, b.Bytes()))
}

// visible replaces characters that nobody would see, or that would turn the text around: they only come in names.
func visible(r rune) rune {
	if r == '\n' || unicode.IsPrint(r) {
		return r
	}
	return utf8.RuneError
}

// nothing is the page for what is not there, or cannot be shown now.
func (s *Server) nothing(w http.ResponseWriter, r *http.Request, status int, why string) {
	s.showAs(w, r, status, "nothing", "Nothing to show", why)
}

// static serves one file of that folder.
func static(name, contentType string) http.HandlerFunc {
	content, err := files.ReadFile("static/" + name)
	if err != nil {
		panic(err) // embedded: it is there or nothing builds
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(content)
	}
}
