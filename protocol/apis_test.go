package protocol_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
)

// apiFacts is a row of testdata/apis.json, taken from the message definitions
// that ship with kafka-clients.
type apiFacts struct {
	Key             int16
	Name            string
	Versions        string // of 4.4.0, "none" when removed
	Flexible        string
	Listeners       []string
	Unstable        bool   // the highest version is
	Kafka391        string // versions of 3.9.1; a "!" marks unstable ones
	BrokerEndpoints bool   // the response names brokers by address
}

func readAPIFacts(t *testing.T) []apiFacts {
	t.Helper()
	raw, err := os.ReadFile("testdata/apis.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ APIs []apiFacts }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	return file.APIs
}

// versionRange reads "0-13", "4" or "none".
func versionRange(t *testing.T, s string) (low, high int16, ok bool) {
	t.Helper()
	if s == "none" || s == "" {
		return 0, 0, false
	}
	if n, _ := fmt.Sscanf(s, "%d-%d", &low, &high); n == 2 {
		return low, high, true
	}
	if n, _ := fmt.Sscanf(s, "%d", &low); n != 1 {
		t.Fatalf("versions %q", s)
	}
	return low, low, true
}

func TestTableHasEveryKeyOfKafka(t *testing.T) {
	facts := readAPIFacts(t)
	if len(facts) != len(protocol.APIs()) {
		t.Fatalf("%d rows, Kafka has %d APIs", len(protocol.APIs()), len(facts))
	}
	for i, a := range protocol.APIs() {
		if f := facts[i]; a.Key != f.Key || a.Name != f.Name || int(a.Key) != i {
			t.Errorf("row %d is %s (%d), Kafka has %s (%d)", i, a.Name, a.Key, f.Name, f.Key)
		}
		if got := protocol.LookupAPI(a.Key); got == nil || *got != a {
			t.Errorf("LookupAPI(%d) = %v", a.Key, got)
		}
	}
	for _, key := range []int16{-1, protocol.MaxKey + 1, 10000, -32768} {
		if protocol.LookupAPI(key) != nil || protocol.APIName(key) != "unknown" {
			t.Errorf("key %d is known", key)
		}
	}
}

// Every stable version of 4.4 and of 3.9 lies in the range of its row, and
// nothing above what 4.4 calls stable does.
func TestTableSpansTheVersionsOfKafka(t *testing.T) {
	for _, f := range readAPIFacts(t) {
		a := protocol.LookupAPI(f.Key)
		low, high, alive := versionRange(t, f.Versions)
		if alive {
			if f.Unstable {
				high--
			}
			if a.Min > low || a.Max != high {
				t.Errorf("%s: %d-%d, Kafka 4.4 has %s (unstable %v)", f.Name, a.Min, a.Max, f.Versions, f.Unstable)
			}
		}
		if f.Kafka391 == "" || f.Kafka391[len(f.Kafka391)-1] == '!' {
			continue
		}
		if low, high, ok := versionRange(t, f.Kafka391); ok && (a.Min > low || a.Max < high) {
			t.Errorf("%s: %d-%d, Kafka 3.9 has %s", f.Name, a.Min, a.Max, f.Kafka391)
		}
	}
}

func TestTableRefusesWhatBrokersDoNotServe(t *testing.T) {
	quorum := []int16{protocol.AddRaftVoter, protocol.RemoveRaftVoter, protocol.UnregisterController}
	for _, f := range readAPIFacts(t) {
		want := f.Versions == "none" || !slices.Contains(f.Listeners, "broker") || slices.Contains(quorum, f.Key)
		if got := protocol.LookupAPI(f.Key).Treatment == protocol.TreatRefuse; got != want {
			t.Errorf("%s: refused %v, want %v", f.Name, got, want)
		}
	}
}

// Broker addresses occur in seven APIs; an eighth would lead clients around
// warder.
func TestBrokerAddressesOccurInSevenAPIs(t *testing.T) {
	rewriting := []protocol.Treatment{protocol.TreatProduce, protocol.TreatFetch, protocol.TreatRewrite}
	n := 0
	for _, f := range readAPIFacts(t) {
		if got := slices.Contains(rewriting, protocol.LookupAPI(f.Key).Treatment); got != f.BrokerEndpoints {
			t.Errorf("%s: rewritten %v, carries addresses %v", f.Name, got, f.BrokerEndpoints)
		}
		if f.BrokerEndpoints {
			n++
		}
	}
	if n != 7 {
		t.Errorf("%d APIs carry broker addresses, want 7", n)
	}
}

func TestTableAgreesWithKmsg(t *testing.T) {
	for _, a := range protocol.APIs() {
		req := kmsg.RequestForKey(a.Key)
		if req == nil {
			t.Errorf("%s: kmsg has no key %d", a.Name, a.Key)
			continue
		}
		if req.MaxVersion() != a.Max {
			t.Errorf("%s: up to version %d, kmsg decodes up to %d", a.Name, a.Max, req.MaxVersion())
		}
		for v := range a.Max + 1 {
			req.SetVersion(v)
			if req.IsFlexible() != a.Flexible(v) {
				t.Errorf("%s v%d: flexible %v, kmsg says %v", a.Name, v, a.Flexible(v), req.IsFlexible())
			}
		}
	}
}

func TestFlexibleFromAgreesWithKafka(t *testing.T) {
	for _, f := range readAPIFacts(t) {
		want := int16(protocol.NeverFlexible)
		if f.Versions == "none" {
			continue // no longer defined; kmsg has them
		}
		if low, _, ok := versionRange(t, f.Flexible); ok {
			want = low
		}
		if got := protocol.LookupAPI(f.Key).FlexibleFrom; got != want {
			t.Errorf("%s: flexible from %d, Kafka says %s", f.Name, got, f.Flexible)
		}
	}
}
