package messages

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/fixture"
)

// testRanges knows even keys up to 60 from 1 to 5, refuses multiples of 20, and
// has odd keys unknown.
func testRanges(key int16) (lowest, highest int16, known bool) {
	switch {
	case key%2 != 0 || key > 60:
		return 0, 0, false
	case key%20 == 0 && key > 0:
		return 0, -1, true
	}
	return 1, 5, true
}

func offer(version int16, ranges ...APIRange) []byte {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.Version = version
	for _, r := range ranges {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = r.Key, r.Min, r.Max
		if version >= 3 {
			k.UnknownTags.Set(200, []byte{1, 2})
		}
		resp.ApiKeys = append(resp.ApiKeys, k)
	}
	if version >= 3 {
		resp.UnknownTags.Set(300, []byte("kept"))
		resp.FinalizedFeaturesEpoch = 7
		f := kmsg.NewApiVersionsResponseFinalizedFeature()
		f.Name, f.MaxVersionLevel, f.MinVersionLevel = "transaction.version", 2, 0
		resp.FinalizedFeatures = append(resp.FinalizedFeatures, f)
	}
	resp.ThrottleMillis = 123
	return resp.AppendTo(nil)
}

func TestClampApiVersions(t *testing.T) {
	broker := []APIRange{{0, 0, 13}, {2, 0, 3}, {3, 1, 4}, {4, 3, 9}, {6, 6, 7}, {8, 0, 0}, {10, 2, 5}, {20, 0, 3}, {10_000, 0, 1}}
	for version := range int16(6) {
		body := offer(version, broker...)
		want := []APIRange{{0, 0, 5}, {2, 1, 3}, {4, 3, 5}, {10, 2, 5}}
		out, effective, err := ClampApiVersions([]byte("dst"), version, body, testRanges, false)
		if err != nil || !slices.Equal(effective, want) {
			t.Fatalf("v%d: %v, %v", version, effective, err)
		}
		if out, _ = bytes.CutPrefix(out, []byte("dst")); !bytes.Equal(out, offer(version, want...)) {
			t.Errorf("v%d:\n%x\n%x", version, out, offer(version, want...))
		}
		out, effective, err = ClampApiVersions(nil, version, body, testRanges, true)
		want = slices.Insert(slices.Clone(want), 2, APIRange{3, 1, 4})
		want = append(want, APIRange{10_000, 0, 1})
		if err != nil || !slices.Equal(effective, want) || !bytes.Equal(out, offer(version, want...)) {
			t.Errorf("v%d, unknown passing: %v, %v", version, effective, err)
		}
	}
}

// TestProduceMinimumIsTheBrokers: librdkafka reads it (KAFKA-18659).
func TestProduceMinimumIsTheBrokers(t *testing.T) {
	rng := func(int16) (int16, int16, bool) { return 3, 9, true }
	for _, stated := range []int16{0, 3} {
		_, effective, err := ClampApiVersions(nil, 0, offer(0, APIRange{0, stated, 13}, APIRange{1, 0, 18}), rng, false)
		if want := []APIRange{{0, stated, 9}, {1, 3, 9}}; err != nil || !slices.Equal(effective, want) {
			t.Errorf("%v, %v", effective, err)
		}
	}
}

// TestUnsupportedAnswerIsVersion0: at any asked version a body with error 35 is
// read and left as version 0.
func TestUnsupportedAnswerIsVersion0(t *testing.T) {
	body := []byte{0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 5}
	rng := func(int16) (int16, int16, bool) { return 0, 4, true }
	for version := range int16(6) {
		out, effective, err := ClampApiVersions(nil, version, body, rng, false)
		if err != nil || hex.EncodeToString(out) != "0023"+"00000001"+"0012"+"0000"+"0004" || !slices.Equal(effective, []APIRange{{18, 0, 4}}) {
			t.Errorf("v%d: %x, %v, %v", version, out, effective, err)
		}
		empty := []byte{0, 35, 0, 0, 0, 0} // brokers before KIP-511
		if out, effective, err := ClampApiVersions(nil, version, empty, rng, false); err != nil || len(effective) > 0 || !bytes.Equal(out, empty) {
			t.Errorf("v%d: %x, %v", version, out, err)
		}
	}
	resp := kmsg.NewPtrApiVersionsResponse()
	if err := resp.ReadFrom(body); err != nil || resp.ErrorCode != 35 || len(resp.ApiKeys) != 1 {
		t.Error(err, resp)
	}
}

// TestClampFixtures: against what kmsg makes of the same messages.
func TestClampFixtures(t *testing.T) {
	for _, f := range fixtures(t) {
		if f.Key != 18 || !f.Response {
			continue
		}
		decoded, err := decodeFixture(&f, f.Body)
		if err != nil {
			t.Fatal(err)
		}
		resp := decoded.(*kmsg.ApiVersionsResponse)
		out, same, err := ClampApiVersions(nil, f.Version, f.Body, func(int16) (int16, int16, bool) { return 0, 0, false }, true)
		if err != nil || len(same) != len(resp.ApiKeys) || len(out) > 0 && &out[0] != &f.Body[0] {
			t.Fatalf("%s: unchanged: %v", &f, err)
		}
		out, effective, err := ClampApiVersions(nil, f.Version, f.Body, testRanges, false)
		if err != nil {
			t.Fatalf("%s: %v", &f, err)
		}
		var kept []kmsg.ApiVersionsResponseApiKey
		for _, k := range resp.ApiKeys {
			if is, keep := clamp(APIRange{k.ApiKey, k.MinVersion, k.MaxVersion}, testRanges, false); keep {
				k.MinVersion, k.MaxVersion = is.Min, is.Max
				kept = append(kept, k)
			}
		}
		resp.ApiKeys = kept
		got, err := decodeFixture(&f, out)
		if err != nil || len(effective) != len(kept) || !bytes.Equal(got.AppendTo(nil), resp.AppendTo(nil)) {
			t.Errorf("%s: %v", &f, err)
		}
		if f.Kind != fixture.Default && !bytes.Equal(out, resp.AppendTo(nil)) {
			t.Errorf("%s: more than ranges changed", &f)
		}
		for n := range f.Body {
			if _, _, err := ClampApiVersions(nil, f.Version, f.Body[:n:n], testRanges, false); err == nil {
				t.Fatalf("%s cut to %d of %d: no error", &f, n, len(f.Body))
			}
		}
	}
	var version *VersionError
	if _, _, err := ClampApiVersions(nil, 6, nil, testRanges, false); !errors.As(err, &version) {
		t.Error(err)
	}
}

func TestParseApiVersionsRequest(t *testing.T) {
	body := func(version int16, name, software string, cluster *string, node int32) []byte {
		rq := kmsg.NewPtrApiVersionsRequest()
		rq.Version, rq.ClientSoftwareName, rq.ClientSoftwareVersion, rq.ClusterID, rq.NodeID = version, name, software, cluster, node
		return rq.AppendTo(nil)
	}
	id := "Some-cluster"
	for _, c := range []struct {
		version int16
		body    []byte
		want    ApiVersionsRequest
	}{
		{0, nil, ApiVersionsRequest{Valid: true, NodeID: -1}},
		{2, nil, ApiVersionsRequest{Valid: true, NodeID: -1}},
		{3, body(3, "apache-kafka-java", "4.4.0", nil, -1), ApiVersionsRequest{"apache-kafka-java", "4.4.0", true, "", -1}},
		{4, body(4, "librdkafka", "v2.16.1-rc.1", nil, -1), ApiVersionsRequest{"librdkafka", "v2.16.1-rc.1", true, "", -1}},
		{5, body(5, "kgo", "1", &id, 3), ApiVersionsRequest{"kgo", "1", true, id, 3}},
		{5, body(5, "kgo", "1", nil, -1), ApiVersionsRequest{"kgo", "1", true, "", -1}},
		{3, body(3, "", "1", nil, -1), ApiVersionsRequest{"", "1", false, "", -1}},
		{3, body(3, "a", "-1", nil, -1), ApiVersionsRequest{"a", "-1", false, "", -1}},
		{3, body(3, "a.", "1", nil, -1), ApiVersionsRequest{"a.", "1", false, "", -1}},
		{3, body(3, "my client", "1", nil, -1), ApiVersionsRequest{"my client", "1", false, "", -1}},
		{3, body(3, "naïve", "1", nil, -1), ApiVersionsRequest{"naïve", "1", false, "", -1}},
		{3, body(3, strings.Repeat("x", 40_000), "1", nil, -1), ApiVersionsRequest{strings.Repeat("x", 40_000), "1", false, "", -1}},
	} {
		if got, err := ParseApiVersionsRequest(c.version, c.body); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("v%d: %+v, %v; want %+v", c.version, got, err, c.want)
		}
		for n := range c.body {
			if _, err := ParseApiVersionsRequest(c.version, c.body[:n]); err == nil {
				t.Errorf("v%d cut to %d: no error", c.version, n)
			}
		}
	}
	if _, err := ParseApiVersionsRequest(6, nil); err == nil {
		t.Error("version 6 was read")
	}
}
