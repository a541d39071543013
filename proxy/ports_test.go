package proxy

import (
	"os"
	"path/filepath"
	"testing"

	"warder/configs"
)

func TestPortPlan(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(state, []byte(`{"version":1,"ports":{"default":{"7":9093,"8":1}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		ports configs.PortRange
		state configs.Path
		ids   []int32
		want  []string
	}{
		"first plus id":                  {configs.PortRange{First: 9093, Last: 9192}, "", []int32{0, 1, 5}, []string{"h:9093", "h:9094", "h:9098"}},
		"sparse ids take the next free":  {configs.PortRange{First: 9093, Last: 9192}, "", []int32{1, 1001, 2000001}, []string{"h:9094", "h:9093", "h:9095"}},
		"an id that fits may be late":    {configs.PortRange{First: 9093, Last: 9192}, "", []int32{1001, 0}, []string{"h:9093", "h:9094"}},
		"remembered before first plus":   {configs.PortRange{First: 9093, Last: 9192}, configs.Path(state), []int32{0, 7, 8}, []string{"h:9094", "h:9093", "h:9101"}},
		"none left":                      {configs.PortRange{First: 9093, Last: 9093}, "", []int32{0, 1}, []string{"h:9093", "none: the ports are used up"}},
		"any free port":                  {configs.PortRange{}, "", []int32{3}, []string{"h:(any free port)"}},
		"an explicit table goes first":   {configs.PortRange{First: 9093, Last: 9192}, "", []int32{4, 5}, []string{"x:1", "h:9098"}},
		"ids beyond the port space work": {configs.PortRange{First: 65000, Last: 65535}, "", []int32{2147483647}, []string{"h:65000"}},
	} {
		l := configs.Listener{Name: "default", Advertise: "h", Ports: &c.ports, Map: map[int32]configs.Address{4: "x:1"}}
		remembered, err := RememberedPorts(&configs.Config{StateFile: c.state})
		if err != nil {
			t.Fatal(err)
		}
		plan := NewPortPlan(l, remembered[l.Name])
		for i, id := range c.ids {
			if got := plan.Foretell(id); got != c.want[i] {
				t.Errorf("%s: node %d: got %s, want %s", name, id, got, c.want[i])
			}
		}
	}
}
