package protocol_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/protocol/wire"
)

// shout maps every endpoint to the same length.
func shout(e protocol.Endpoint) (protocol.Endpoint, bool) {
	e.Host, e.Port = strings.ToUpper(e.Host), e.Port+1
	return e, true
}

// mapping maps by node id: node i gets hosts[i], or is taken out for "".
type mapping []string

func (m mapping) endpoint(e protocol.Endpoint) (protocol.Endpoint, bool) {
	if int(e.NodeID) >= len(m) {
		return e, true
	}
	return protocol.Endpoint{NodeID: -5, Host: m[e.NodeID], Port: 19092}, m[e.NodeID] != ""
}

func (g generator) mapping() mapping {
	var m mapping
	for range g.IntN(4) {
		m = append(m, strings.Repeat("w", g.IntN(20)))
	}
	return m
}

// mapFetchBrokers is the oracle of the rewriting of a Fetch response.
func (m mapping) mapFetchBrokers(resp *kmsg.FetchResponse) {
	all := resp.Brokers
	resp.Brokers = nil
	for _, b := range all {
		to, keep := m.endpoint(protocol.Endpoint{NodeID: b.NodeID, Host: b.Host, Port: b.Port})
		if b.Host, b.Port = to.Host, to.Port; keep {
			resp.Brokers = append(resp.Brokers, b)
		}
	}
}

func TestRewriteFetchEndpointsAgreesWithKmsg(t *testing.T) {
	forVersions(t, fetchMax, func(run versionCase) {
		t, version, g := run.T, run.version, run.generator
		resp, m := g.fetchResponse(version), g.mapping()
		body := resp.AppendTo(nil)
		out, changed, err := protocol.RewriteFetchEndpoints([]byte("head"), version, body, m.endpoint)
		if err != nil {
			t.Fatal(err)
		}
		m.mapFetchBrokers(resp)
		want := resp.AppendTo(nil)
		if changed == bytes.Equal(want, body) {
			t.Fatalf("changed %v", changed)
		}
		if !changed {
			want = nil
		}
		if !bytes.Equal(out, append([]byte("head"), want...)) {
			t.Fatalf("rewritten\n got % x\nwant % x", out, want)
		}
	})
}

func TestRewriteProduceEndpointsAgreesWithKmsg(t *testing.T) {
	forVersions(t, produceMax, func(run versionCase) {
		t, version, g := run.T, run.version, run.generator
		resp, m := g.produceResponse(version), g.mapping()
		body := append(resp.AppendTo(nil), "trailing"...)
		out, changed, err := protocol.RewriteProduceEndpoints(nil, version, body, m.endpoint)
		if err != nil {
			t.Fatal(err)
		}
		all := resp.Brokers
		resp.Brokers = nil
		for _, b := range all {
			to, keep := m.endpoint(protocol.Endpoint{NodeID: b.NodeID, Host: b.Host, Port: b.Port})
			if b.Host, b.Port = to.Host, to.Port; keep {
				resp.Brokers = append(resp.Brokers, b)
			}
		}
		want := append(resp.AppendTo(nil), "trailing"...)
		if changed == bytes.Equal(want, body) || changed && !bytes.Equal(out, want) || !changed && len(out) > 0 {
			t.Fatalf("rewritten (changed %v)\n got % x\nwant % x", changed, out, want)
		}
	})
}

// Tag 0 is not NodeEndpoints before it
// was introduced.
func TestEndpointsOfOlderVersionsAreUnknownTags(t *testing.T) {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = 15
	resp.UnknownTags.Set(0, []byte("not endpoints"))
	body := resp.AppendTo(nil)
	if _, changed, err := protocol.RewriteFetchEndpoints(nil, 15, body, shout); changed || err != nil {
		t.Errorf("changed %v, error %v", changed, err)
	}
	if patch, err := protocol.WalkFetchResponse(15, protocol.NewMemoryCursor(body), shout); len(patch.Replace) > 0 || err != nil {
		t.Errorf("patch % x, error %v", patch.Replace, err)
	}
	produce := kmsg.NewPtrProduceResponse()
	produce.Version = 9
	produce.UnknownTags.Set(0, []byte("not endpoints"))
	if _, changed, err := protocol.RewriteProduceEndpoints(nil, 9, produce.AppendTo(nil), shout); changed || err != nil {
		t.Errorf("Produce: changed %v, error %v", changed, err)
	}
}

// applyPatch passes a body through WalkFetchResponse as a session does.
func applyPatch(t *testing.T, version int16, body []byte, m protocol.MapEndpoint) []byte {
	t.Helper()
	c := newWindowCursor(t, body)
	patch, err := protocol.WalkFetchResponse(version, c, m)
	if err != nil {
		t.Fatal(err)
	}
	return append(append(c.out, patch.Replace...), c.rest[len(patch.Replace):]...)
}

// The patched frame keeps its length, and a client reads it as the mapped
// response, or as one without endpoints where the mapped ones do not fit.
func TestPatchedFetchResponseAgreesWithKmsg(t *testing.T) {
	forVersions(t, fetchMax, func(run versionCase) {
		t, version, g := run.T, run.version, run.generator
		resp, m := g.fetchResponse(version), g.mapping()
		body := resp.AppendTo(nil)
		patched := applyPatch(t, version, body, m.endpoint)
		got := kmsg.NewPtrFetchResponse()
		got.Version = version
		if err := got.ReadFrom(patched); err != nil || len(patched) != len(body) {
			t.Fatalf("%d bytes became %d, error %v", len(body), len(patched), err)
		}
		if version >= 12 {
			checkTagsKept(t, resp, got)
		}
		got.UnknownTags = resp.UnknownTags // without the padding
		m.mapFetchBrokers(resp)
		fits := bytes.Equal(got.AppendTo(nil), resp.AppendTo(nil))
		if !fits && (len(resp.AppendTo(nil)) <= len(body) || len(got.Brokers) > 0) {
			t.Fatalf("patched into %+v, want %+v", got.Brokers, resp.Brokers)
		}
	})
}

// Hosts of every length around the original: longer ones are left out, the
// same and shorter ones arrive, by whatever padding.
func TestPatchForEveryLengthOfHost(t *testing.T) {
	for _, host := range []string{"broker-1", strings.Repeat("b", 140), strings.Repeat("b", 300)} {
		for n := 1; n <= len(host)+3; n++ {
			for tags := range 3 {
				resp := oneBroker(host, tags)
				body := resp.AppendTo(nil)
				mapped := strings.Repeat("w", n)
				patched := applyPatch(t, 16, body, mapping{mapped}.endpoint)
				got := kmsg.NewPtrFetchResponse()
				got.Version = 16
				if err := got.ReadFrom(patched); err != nil || len(patched) != len(body) {
					t.Fatalf("host of %d for one of %d: %d bytes became %d, error %v", n, len(host), len(body), len(patched), err)
				}
				fits := len(got.Brokers) == 1 && got.Brokers[0].Host == mapped && got.Brokers[0].NodeID == 0
				if want := n <= len(host); fits != want || !fits && len(got.Brokers) > 0 {
					t.Fatalf("host of %d for one of %d: brokers %+v", n, len(host), got.Brokers)
				}
				checkTagsKept(t, resp, got)
				checkTags(t, patched)
				if bytes.Contains(patched, []byte(host)) {
					t.Fatalf("host of %d: the broker's own is still there", n)
				}
			}
		}
	}
}

// oneBroker is a response that names node 0 at host and has up to two more
// tags.
func oneBroker(host string, tags int) *kmsg.FetchResponse {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = 16
	b := kmsg.NewFetchResponseBroker()
	b.Host, b.Port = host, 9092
	resp.Brokers = append(resp.Brokers, b)
	for i := range tags {
		resp.UnknownTags.Set([]uint32{5, 127}[i], []byte("kept"))
	}
	return resp
}

func checkTagsKept(t *testing.T, before, after *kmsg.FetchResponse) {
	t.Helper()
	before.UnknownTags.Each(func(number uint32, value []byte) {
		found := false
		after.UnknownTags.Each(func(n uint32, v []byte) { found = found || n == number && bytes.Equal(v, value) })
		if !found {
			t.Fatalf("tag %d is lost", number)
		}
	})
}

// Some clients refuse tags that are out of order.
func TestPatchKeepsTagsInOrder(t *testing.T) {
	for n := 1; n < 12; n++ {
		patched := applyPatch(t, 16, oneBroker("broker-1", 1).AppendTo(nil), mapping{strings.Repeat("w", n)}.endpoint)
		checkTags(t, patched)
	}
}

// checkTags requires the tags that end a Fetch response to be in order, and the
// body to end with them. kmsg sees neither.
func checkTags(t *testing.T, body []byte) {
	t.Helper()
	r, last := wire.NewReader(body[len(body)-tailSize(t, 16, body):]), -1
	for range r.TagCount() {
		number, _ := r.Tag()
		if int(number) <= last {
			t.Fatalf("tag %d after %d in % x", number, last, body)
		}
		last = int(number)
	}
	if r.Err() != nil || r.Remaining() > 0 {
		t.Fatalf("%d bytes left, error %v in % x", r.Remaining(), r.Err(), body)
	}
}

// A section of tags too long to be seen as a whole loses its endpoints by a
// new number; nothing else changes.
func TestPatchOfALongTail(t *testing.T) {
	resp := oneBroker("broker-0", 0)
	for i := range 200 {
		b := kmsg.NewFetchResponseBroker()
		b.NodeID, b.Host = int32(i), fmt.Sprintf("broker-%d.example.com", i)
		resp.Brokers = append(resp.Brokers, b)
	}
	body := resp.AppendTo(nil)
	patched := applyPatch(t, 16, body, shout)
	got := kmsg.NewPtrFetchResponse()
	got.Version = 16
	if err := got.ReadFrom(patched); err != nil || len(got.Brokers) > 0 || len(patched) != len(body) {
		t.Fatalf("%d of %d bytes, brokers %v, error %v", len(patched), len(body), got.Brokers, err)
	}
	unknown := kmsg.NewPtrFetchResponse()
	unknown.Version = 16
	unknown.UnknownTags.Set(30, make([]byte, 5000))
	body = unknown.AppendTo(nil)
	if patched := applyPatch(t, 16, body, shout); !bytes.Equal(patched, body) {
		t.Error("a long tail without endpoints was changed")
	}
}

func TestEndpointsThatNameNoBrokerAreLeftAlone(t *testing.T) {
	resp := oneBroker("", 0)
	resp.Brokers = append(resp.Brokers, kmsg.FetchResponseBroker{NodeID: -1, Host: "x", Port: -1})
	refuse := func(e protocol.Endpoint) (protocol.Endpoint, bool) {
		t.Errorf("asked for %+v", e)
		return e, false
	}
	if _, changed, err := protocol.RewriteFetchEndpoints(nil, 16, resp.AppendTo(nil), refuse); changed || err != nil {
		t.Errorf("changed %v, error %v", changed, err)
	}
}

func TestEndpointsMalformed(t *testing.T) {
	head := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1} // throttle, error, session, no topics
	for name, tail := range map[string][]byte{
		"more entries than bytes": {1, 0, 3, 0x80, 0x80, 2},
		"entry cut short":         {1, 0, 4, 2, 0, 0, 0},
		"null host":               {1, 0, 12, 2, 0, 0, 0, 1, 0, 0, 0, 35, 132, 0, 0},
		"field twice":             {2, 0, 1, 1, 0, 1, 1},
	} {
		body := append(slices.Clip(head), tail...)
		var malformed *protocol.MalformedError
		if out, changed, err := protocol.RewriteFetchEndpoints(nil, 16, body, shout); !errors.As(err, &malformed) || changed || len(out) > 0 {
			t.Errorf("%s: in memory %v, changed %v", name, err, changed)
		}
		if _, err := protocol.WalkFetchResponse(16, newWindowCursor(t, body), shout); !errors.As(err, &malformed) {
			t.Errorf("%s: streamed %v", name, err)
		}
	}
}

// FuzzEndpoints maps the endpoints of arbitrary tags both ways. A patched body
// keeps its size and still parses; in either none of the brokers' own hosts is
// left to read.
func FuzzEndpoints(f *testing.F) {
	for n := range 6 {
		f.Add(oneBroker("broker-1", n%3).AppendTo(nil), strings.Repeat("w", 3*n))
	}
	f.Fuzz(func(t *testing.T, body []byte, host string) {
		if len(body) > 4096 || len(host) > 255 {
			return
		}
		m := func(e protocol.Endpoint) (protocol.Endpoint, bool) {
			return protocol.Endpoint{Host: host, Port: 1}, host != ""
		}
		out, changed, err := protocol.RewriteFetchEndpoints(nil, 16, body, m)
		patch, patchErr := protocol.WalkFetchResponse(16, newWindowCursor(t, body), m)
		if err != nil || patchErr != nil {
			return
		}
		if changed != (len(patch.Replace) > 0) {
			t.Fatalf("changed in memory: %v, in the stream: % x", changed, patch.Replace)
		}
		if !changed {
			return
		}
		patched := applyPatch(t, 16, body, m)
		if len(patched) != len(body) {
			t.Fatalf("%d bytes became %d", len(body), len(patched))
		}
		for _, b := range [][]byte{out, patched} {
			if _, again, err := protocol.RewriteFetchEndpoints(nil, 16, b, m); again || err != nil {
				t.Fatalf("mapping it again changes %v, error %v: % x", again, err, b)
			}
		}
	})
}
