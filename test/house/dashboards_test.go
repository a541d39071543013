package house

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// metricNames are the metrics there are, with the labels of each.
func metricNames(t *testing.T) map[string][]string {
	t.Helper()
	known := map[string][]string{}
	for d := range described() {
		name, _, labels := parts(t, d.String())
		known[name] = strings.Split(strings.ReplaceAll(labels, "`", ""), ", ")
	}
	return known
}

// Dashboards and alerts name metrics, and match by labels, that exist.
func TestDashboardsAndAlertsUseRealMetrics(t *testing.T) {
	known := metricNames(t)
	selector := regexp.MustCompile(`\b(warder_\w+)(?:\\?\{([^}]*)\})?`)
	label := regexp.MustCompile(`(\w+)\s*[=!]~?\s*\\?"`)
	for _, pattern := range []string{"configs/grafana/*.json", "configs/prometheus/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			rel, _ := filepath.Rel(root, file)
			used := selector.FindAllStringSubmatch(read(t, rel), -1)
			if len(used) < 5 {
				t.Errorf("%s uses %d metrics; is it read rightly?", rel, len(used))
			}
			for _, m := range used {
				name := m[1]
				labels, ok := known[name]
				for _, suffix := range []string{"_bucket", "_sum", "_count"} {
					if !ok {
						labels, ok = known[strings.TrimSuffix(name, suffix)]
					}
				}
				if !ok {
					t.Errorf("%s names %s, which does not exist", rel, name)
					continue
				}
				for _, l := range label.FindAllStringSubmatch(m[2], -1) {
					if !slices.Contains(append(labels, "instance", "le"), l[1]) {
						t.Errorf("%s matches %s by %s, a label that it does not have", rel, name, l[1])
					}
				}
			}
		}
	}
}

// A dashboard whose panels overlap, or share an id, shows only some of them.
func TestDashboardIsWhole(t *testing.T) {
	var d struct {
		UID    string
		Panels []struct {
			ID          int
			Type, Title string
			GridPos     struct{ X, Y, W, H int }
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "configs/grafana/warder.json")), &d); err != nil {
		t.Fatal(err)
	}
	taken := map[[2]int]string{}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.Type != "row" && (len(p.Targets) == 0 || p.Targets[0].Expr == "") {
			t.Errorf("panel %d (%s) has no id of its own, no title, or no query", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies over %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
	if d.UID == "" || len(d.Panels) < 10 {
		t.Errorf("uid %q, %d panels", d.UID, len(d.Panels))
	}
}
