package messages

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/fixture"
)

// testEndpoint stands for protocol.Endpoint, which this package cannot import.
type testEndpoint struct {
	NodeID int32
	Host   string
	Port   int32
}

type testMap func(testEndpoint) (testEndpoint, bool)

// proxied maps every broker to a port of the proxy, and does not know broker 1.
func proxied(e testEndpoint) (testEndpoint, bool) {
	return testEndpoint{-7, "warder.example", 9000 + e.NodeID%1000}, e.NodeID != 1
}

func endpointFixtures(tb testing.TB) []fixture.Message {
	tb.Helper()
	return slices.DeleteFunc(fixtures(tb), func(f fixture.Message) bool {
		return !f.Response || !slices.Contains([]int16{3, 10, 60, 78, 79}, f.Key)
	})
}

// wantRewritten does to a decoded response what RewriteEndpoints is to do.
func wantRewritten(resp any, m testMap) {
	switch r := resp.(type) {
	case *kmsg.MetadataResponse:
		r.Brokers = mapEntries(r.Brokers, m)
	case *kmsg.DescribeClusterResponse:
		if r.EndpointType != 2 || r.Version == 0 {
			r.Brokers = mapEntries(r.Brokers, m)
		}
	case *kmsg.ShareFetchResponse:
		r.NodeEndpoints = mapEntries(r.NodeEndpoints, m)
	case *kmsg.ShareAcknowledgeResponse:
		r.NodeEndpoints = mapEntries(r.NodeEndpoints, m)
	case *kmsg.FindCoordinatorResponse:
		if r.Version < 4 {
			wantCoordinator(m, &r.NodeID, &r.Host, &r.Port, &r.ErrorCode, &r.ErrorMessage)
			if r.Version == 0 {
				r.ErrorMessage = nil
			}
		}
		for i := range r.Coordinators {
			c := &r.Coordinators[i]
			wantCoordinator(m, &c.NodeID, &c.Host, &c.Port, &c.ErrorCode, &c.ErrorMessage)
		}
	}
}

// mapEntries maps structs with fields NodeID, Host and Port.
func mapEntries[T any](entries []T, m testMap) []T {
	kept := entries[:0]
	for _, entry := range entries {
		v := reflect.ValueOf(&entry).Elem()
		e := testEndpoint{int32(v.FieldByName("NodeID").Int()), v.FieldByName("Host").String(), int32(v.FieldByName("Port").Int())}
		if e.NodeID >= 0 && e.Host != "" {
			to, keep := m(e)
			if !keep {
				continue
			}
			v.FieldByName("Host").SetString(to.Host)
			v.FieldByName("Port").SetInt(int64(to.Port))
		}
		kept = append(kept, entry)
	}
	return kept
}

func wantCoordinator(m testMap, id *int32, host *string, port *int32, code *int16, message **string) {
	if *id < 0 || *host == "" {
		return
	}
	to, keep := m(testEndpoint{*id, *host, *port})
	if keep {
		*host, *port = to.Host, to.Port
		return
	}
	*id, *host, *port, *code = -1, "", -1, 15
	*message = new("The coordinator is broker 1, for which the proxy has no address yet.")
}

// TestEndpointsOfEveryVersion: each version's addresses are mapped and all else
// stays, told by kmsg from messages that Kafka's definitions encoded.
func TestEndpointsOfEveryVersion(t *testing.T) {
	changes := map[message]int{}
	for _, f := range endpointFixtures(t) {
		resp, err := decodeFixture(&f, f.Body)
		if err != nil {
			t.Fatal(err)
		}
		wantRewritten(resp, proxied)
		prefix := []byte("prefix")
		out, changed, err := RewriteEndpoints(prefix, f.Key, f.Version, f.Body, proxied)
		if err != nil {
			t.Fatalf("%s: %v", &f, err)
		}
		if changed {
			changes[message{f.Key, f.Version, true}]++
			if out, changed = bytes.CutPrefix(out, prefix); !changed {
				t.Fatalf("%s: dst was not appended to", &f)
			}
		}
		got, err := decodeFixture(&f, out)
		if err != nil || !reflect.DeepEqual(got.AppendTo(nil), resp.AppendTo(nil)) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", &f, err, got, resp)
		}
		if f.Kind != fixture.Default && !bytes.Equal(out, resp.AppendTo(nil)) {
			t.Errorf("%s: more than addresses changed:\n%x\n%x", &f, out, resp.AppendTo(nil))
		}
	}
	for key, highest := range map[int16]int16{3: 13, 10: 6, 60: 2, 78: 2, 79: 2} {
		for version := range highest + 1 {
			if changes[message{key, version, true}] == 0 && !(key >= 78 && version == 0) {
				t.Errorf("no address was rewritten in any fixture of key %d v%d", key, version)
			}
		}
	}
}

// TestUnchangedAnswersAreTheOriginal: not a copy, but the same bytes.
func TestUnchangedAnswersAreTheOriginal(t *testing.T) {
	same := func(e testEndpoint) (testEndpoint, bool) { return e, true }
	for _, f := range endpointFixtures(t) {
		body := append(slices.Clip(f.Body), 0xee)
		out, changed, err := RewriteEndpoints(nil, f.Key, f.Version, body, same)
		if err != nil || changed || &out[0] != &body[0] || len(out) != len(body) {
			t.Fatalf("%s: changed %v, %v", &f, changed, err)
		}
	}
}

// TestTrailingBytesSurviveRewriting: a broker may send what we do not know.
func TestTrailingBytesSurviveRewriting(t *testing.T) {
	for _, f := range endpointFixtures(t) {
		out, _, err := RewriteEndpoints(nil, f.Key, f.Version, f.Body, proxied)
		more, _, err2 := RewriteEndpoints(nil, f.Key, f.Version, append(slices.Clip(f.Body), 1, 2, 3), proxied)
		if err != nil || err2 != nil || !bytes.Equal(append(slices.Clone(out), 1, 2, 3), more) {
			t.Fatalf("%s: %v %v", &f, err, err2)
		}
	}
}

// TestEndpointPrefixes: a message cut short is an error, or goes on as it is when
// only bytes behind the last address are missing; never a panic.
func TestEndpointPrefixes(t *testing.T) {
	for _, f := range endpointFixtures(t) {
		for n := range f.Body {
			_, _, err := RewriteEndpoints(nil, f.Key, f.Version, f.Body[:n:n], proxied)
			var malformed *MalformedError
			if err != nil && (!errors.As(err, &malformed) || malformed.Field == "") {
				t.Fatalf("%s cut to %d: %v", &f, n, err)
			}
			if n < 4 && err == nil {
				t.Fatalf("%s cut to %d: no error", &f, n)
			}
		}
	}
}

// TestUnmappableEntriesNeverFailTheAnswer: bad results of the map count as none.
func TestUnmappableEntriesNeverFailTheAnswer(t *testing.T) {
	md := kmsg.NewPtrMetadataResponse()
	md.Version = 9
	for id := range int32(5) {
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port = id-1, "h", 9092
		md.Brokers = append(md.Brokers, b)
	}
	md.Brokers[4].Host = ""
	var asked []int32
	out, changed, err := RewriteEndpoints(nil, 3, 9, md.AppendTo(nil), func(e testEndpoint) (testEndpoint, bool) {
		asked = append(asked, e.NodeID)
		return map[int32]testEndpoint{0: {Host: strings.Repeat("x", 40_000), Port: 1}, 1: {Host: "h", Port: 70_000}, 2: {Host: "", Port: 1}}[e.NodeID], true
	})
	if err != nil || !changed || !slices.Equal(asked, []int32{0, 1, 2}) {
		t.Fatal(changed, err, asked)
	}
	md.Brokers = []kmsg.MetadataResponseBroker{md.Brokers[0], md.Brokers[4]}
	if !bytes.Equal(out, md.AppendTo(nil)) {
		t.Errorf("%x", out)
	}
}

func TestControllersAreNotBrokers(t *testing.T) {
	dc := kmsg.NewPtrDescribeClusterResponse()
	dc.Version, dc.EndpointType = 1, 2
	b := kmsg.NewDescribeClusterResponseBroker()
	b.NodeID, b.Host, b.Port = 3, "controller", 9093
	dc.Brokers = append(dc.Brokers, b)
	_, changed, err := RewriteEndpoints(nil, 60, 1, dc.AppendTo(nil), proxied)
	if changed || err != nil {
		t.Error(changed, err)
	}
}

func TestRewriteEndpointsRefuses(t *testing.T) {
	var version *VersionError
	for _, m := range []message{{3, 14, true}, {3, -1, true}, {10, 7, true}, {60, 3, true}, {78, 0, true}, {78, 3, true}, {79, 0, true}} {
		if out, _, err := RewriteEndpoints(nil, m.key, m.version, make([]byte, 100), proxied); !errors.As(err, &version) || out != nil {
			t.Errorf("%v: %v", m, err)
		}
	}
	if _, _, err := RewriteEndpoints(nil, 2, 1, make([]byte, 100), proxied); !errors.Is(err, errNoEndpoints) {
		t.Error(err)
	}
}

// TestEveryBrokerAddressIsKnown: whenever Kafka's definitions have a host or a
// port in a response, somebody has decided whose it is. A new one fails here.
func TestEveryBrokerAddressIsKnown(t *testing.T) {
	decided := map[string]string{
		"0 NodeEndpoints": "protocol", "1 NodeEndpoints": "protocol",
		"3 Brokers": "here", "10 ": "here", "10 Coordinators": "here", "60 Brokers": "here",
		"78 NodeEndpoints": "here", "79 NodeEndpoints": "here",
		"52 NodeEndpoints": "controller listener", "53 NodeEndpoints": "controller listener",
		"54 NodeEndpoints": "controller listener", "59 NodeEndpoints": "controller listener",
		"82 CurrentLeader":                         "controller listener",
		"55 Nodes.Listeners":                       "controllers, informational (KIP-853)",
		"29 Resources.Acls":                        "host pattern of an ACL",
		"31 FilterResults.MatchingAcls":            "host pattern of an ACL",
		"88 PartitionsByUserEndpoint.UserEndpoint": "application.server (KIP-1071)",
		"89 Groups.Members.UserEndpoint":           "application.server (KIP-1071)",
	}
	for a, defs := range schema() {
		for i := range defs {
			if a.response {
				hosts(defs[i].fields, "", func(path string) {
					if at := fmt.Sprintf("%d %s", a.key, path); decided[at] == "" {
						t.Errorf("whose address is %s %s (%s)?", kmsg.NameForKey(a.key), path, at)
					} else {
						decided[at] = "seen"
					}
				})
			}
		}
	}
	for at, whose := range decided {
		if whose != "seen" {
			t.Errorf("%s (%s) is in no response", at, whose)
		}
	}
}

// hosts reports the structs that have a field Host or Port.
func hosts(fields []field, path string, report func(path string)) {
	for i := range fields {
		f := &fields[i]
		if f.name == "Host" || f.name == "Port" {
			report(path)
		}
		hosts(f.fields, strings.TrimPrefix(path+"."+f.name, "."), report)
	}
}
