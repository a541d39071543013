package admin

import (
	"html/template"
	"net/http"
	"path"
	"strings"

	"warder/rules"
)

// ruleRow is a rule in the list.
type ruleRow struct {
	Rule
	Open int // findings
}

func (s *Server) rulesPage(w http.ResponseWriter, r *http.Request) {
	if s.opts.Source.Rules == nil {
		s.nothing(w, r, http.StatusNotFound, "There are no rules here.")
		return
	}
	opened := map[string]int{}
	for _, f := range s.openFindings() {
		opened[f.Rule]++
	}
	var rows []ruleRow
	for _, rule := range s.opts.Source.Rules() {
		rows = append(rows, ruleRow{Rule: rule, Open: opened[rule.ID]})
	}
	s.show(w, r, "rules", "Rules", rows)
}

// documentBody is a page of the documentation.
type documentBody struct {
	Text template.HTML
	Rule *Rule         // that it is about, nil for other pages
	Open []findingCard // of that rule
}

func (s *Server) rulePage(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	text, ok := s.page("rules/" + id + ".md")
	if !ok {
		s.nothing(w, r, http.StatusNotFound, "There is no rule "+short(id)+".")
		return
	}
	b := documentBody{Text: text}
	if s.opts.Source.Rules != nil {
		for _, rule := range s.opts.Source.Rules() {
			if rule.ID == id {
				b.Rule = &rule
			}
		}
	}
	now := s.now()
	opened, _ := s.findingsAbout(func(f *rules.Finding) bool { return f.Rule == id }, now)
	b.Open = cards(opened, now)
	s.show(w, r, "document", "Rule "+short(id), b)
}

func (s *Server) documentPage(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("path")
	text, ok := s.page(name)
	if !ok {
		s.nothing(w, r, http.StatusNotFound, "There is no page "+short(name)+".")
		return
	}
	s.show(w, r, "document", short(name), documentBody{Text: text})
}

// page gives a page of the documentation as HTML.
func (s *Server) page(name string) (template.HTML, bool) {
	if s.opts.Source.Page == nil {
		return "", false
	}
	text, ok := s.opts.Source.Page(name)
	if !ok {
		return "", false
	}
	return markdown(text, func(target string) string {
		file, anchor, _ := strings.Cut(target, "#")
		if anchor != "" {
			anchor = "#" + anchor
		}
		if file == "" {
			return anchor
		}
		file = path.Join(path.Dir(name), file)
		if _, ok := s.opts.Source.Page(file); !ok {
			return ""
		}
		if id, ok := strings.CutPrefix(file, "rules/"); ok {
			return toRule + strings.TrimSuffix(id, ".md") + anchor
		}
		return "/docs/" + file + anchor
	}), true
}
