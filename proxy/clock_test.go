package proxy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"warder/record"
)

// settings are by how much a clock is wrong, one after the other.
var settings = []time.Duration{0, time.Hour, 0, 30 * 24 * time.Hour, -24 * time.Hour, time.Second, -time.Second}

// A clock that is set, forward and backward, while real clients are at work: every rule and
// the models have the time that it shows, and a tick at once. None of them panics, each
// request and answer is read as with a clock that goes right, and no connection ends.
func TestClockThatIsSet(t *testing.T) {
	for i, script := range captures(t) {
		entries := 0
		set := playBetween(t, script, func(p *Player, e *record.Entry) {
			e.At = e.At.Add(settings[entries/3%len(settings)])
			if entries++; entries%3 == 1 { // it has just been set
				p.clock.at, p.next = e.At, e.At.Add(playerTick)
				p.srv.engine.Tick(e.At)
			}
		})
		if diff := cmp.Diff(wasRead(t, playEverything(t, script)), wasRead(t, set)); diff != "" {
			t.Errorf("capture %d: %s", i, diff)
		}
		for _, name := range []string{"warder_panics_total", "warder_rule_panics_total"} {
			if n := sumOf(t, set, name); n != 0 {
				t.Errorf("capture %d: %s is %v", i, name, n)
			}
		}
	}
}

// wasRead is what was counted of traffic, which does not depend on the time.
func wasRead(t *testing.T, m *Metrics) map[string]float64 {
	t.Helper()
	counts := map[string]float64{}
	for _, name := range []string{
		"warder_requests_total", "warder_bytes_total", "warder_connections_closed_total", "warder_uninspected_total", "warder_inspected_total",
	} {
		counts[name] = sumOf(t, m, name)
	}
	for _, reason := range closeReasons {
		counts[string(reason)] = testutil.ToFloat64(m.closedBy.WithLabelValues(string(reason)))
	}
	return counts
}
