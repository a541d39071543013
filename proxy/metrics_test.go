package proxy

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"warder/protocol"
)

func TestMetricNamesAreSound(t *testing.T) {
	r := newRig(t, nil)
	r.metrics.Build("v1", "abc")
	r.broker.Handle(opaque, echo)
	c := r.dial()
	c.Write(opaqueRequest(1, 1))
	c.Next()
	families, err := r.metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, f := range families {
		if f.GetHelp() == "" {
			t.Errorf("%s has no help", f.GetName())
		}
	}
}

// TestMetricsGrowWithUseOnly: an API that nobody uses has no series.
func TestMetricsGrowWithUseOnly(t *testing.T) {
	m := NewMetrics()
	m.request(protocol.Metadata, 10)
	m.request(9999, 10)
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "warder_requests_total" {
			if n := len(f.GetMetric()); n != 2 {
				t.Errorf("%d series for 2 APIs: %v", n, labels(f))
			}
		}
	}
}

func labels(f *dto.MetricFamily) (list []string) {
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			list = append(list, l.GetValue())
		}
	}
	return list
}
