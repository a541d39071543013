package admin

import (
	"maps"
	"net/http"
	"slices"

	"warder/configs"
)

// configSection is one part of the configuration, as YAML.
type configSection struct{ Name, Text string }

func (s *Server) configPage(w http.ResponseWriter, r *http.Request) {
	if s.opts.Source.Config == nil {
		s.nothing(w, r, http.StatusNotFound, "There is no configuration here.")
		return
	}
	all := s.opts.Source.Config()
	var sections []configSection
	for _, name := range slices.Sorted(maps.Keys(all)) {
		text, err := configs.YAML(map[string]any{name: all[name]})
		if err != nil {
			text = err.Error()
		}
		sections = append(sections, configSection{name, text})
	}
	s.show(w, r, "config", "Live configuration", struct {
		Checks    []Check
		Sections  []configSection
		Endpoints []Endpoint
	}{s.checks(), sections, Endpoints()})
}
