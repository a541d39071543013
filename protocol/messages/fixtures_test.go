package messages

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/fixture"
)

var loadFixtures = sync.OnceValues(func() ([]fixture.Message, error) { return fixture.Load("../testdata/fixtures") })

func fixtures(tb testing.TB) []fixture.Message {
	tb.Helper()
	all, err := loadFixtures()
	if err != nil {
		tb.Fatal(err)
	}
	if len(all) < 3000 {
		tb.Fatalf("only %d fixtures", len(all))
	}
	return slices.DeleteFunc(slices.Clone(all), func(f fixture.Message) bool {
		return f.Key == keyStopReplica && !f.Response // see define
	})
}

type anyMessage interface {
	AppendTo([]byte) []byte
	GetVersion() int16
}

func decodeAny(key, version int16, response bool, body []byte) (anyMessage, error) {
	if response {
		m, err := DecodeResponse(key, version, body, Limits{})
		if m == nil {
			return nil, err
		}
		return m, err
	}
	m, err := DecodeRequest(key, version, body, Limits{})
	if m == nil {
		return nil, err
	}
	return m, err
}

func decodeFixture(f *fixture.Message, body []byte) (anyMessage, error) {
	return decodeAny(f.Key, f.Version, f.Response, body)
}

// TestEveryVersionRoundTrips: what Kafka's definitions encode, kmsg decodes and
// encodes to the same bytes. The exceptions are tagged fields that are sent with
// their default, which no client does and kmsg drops.
func TestEveryVersionRoundTrips(t *testing.T) {
	for _, f := range fixtures(t) {
		m, err := decodeFixture(&f, f.Body)
		if err != nil {
			t.Errorf("%s: %v\n%x", &f, err, f.Body)
			continue
		}
		again := m.AppendTo(nil)
		if bytes.Equal(again, f.Body) {
			continue
		}
		if f.Kind != fixture.Default {
			t.Errorf("%s: encoded as\n%x, was\n%x", &f, again, f.Body)
			continue
		}
		if m2, err := decodeFixture(&f, again); err != nil || !reflect.DeepEqual(m, m2) {
			t.Errorf("%s: lost more than defaults: %v\n%x\n%x", &f, err, f.Body, again)
		}
	}
}

// TestTrailingBytesAreDetected: kmsg alone would lose them silently.
func TestTrailingBytesAreDetected(t *testing.T) {
	for _, f := range fixtures(t) {
		m, err := decodeFixture(&f, append(slices.Clip(f.Body), 0, 1))
		var trailing *TrailingError
		if !errors.As(err, &trailing) || trailing.Offset != len(f.Body) || trailing.Trailing != 2 {
			t.Fatalf("%s: %v", &f, err)
		}
		if m == nil {
			t.Fatalf("%s: not returned", &f)
		}
	}
}

// TestStrictPrefixesFail: a message that ends early never passes for a whole one.
func TestStrictPrefixesFail(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 7
	}
	for _, f := range fixtures(t) {
		for n := 0; n < len(f.Body); n += step {
			m, err := decodeFixture(&f, f.Body[:n:n])
			var malformed *MalformedError
			if !errors.As(err, &malformed) || m != nil {
				t.Fatalf("%s cut to %d of %d: %v", &f, n, len(f.Body), err)
			}
			if malformed.Field == "" && malformed.Offset < n {
				t.Fatalf("%s cut to %d: no field in %v", &f, n, err)
			}
			if malformed.Offset > n {
				t.Fatalf("%s cut to %d: offset %d", &f, n, malformed.Offset)
			}
		}
	}
}

// TestSchemaCoversKmsg: every version up to kmsg's highest is defined, but for
// those that Kafka never made stable, and StopReplica requests.
func TestSchemaCoversKmsg(t *testing.T) {
	neverStable := map[int16]bool{76: true, 77: true, 78: true, 79: true} // version 0 of the share APIs
	covered := map[message]bool{}
	for _, f := range fixtures(t) {
		covered[message{f.Key, f.Version, f.Response}] = true
	}
	for key := range int16(100) {
		rq := kmsg.RequestForKey(key)
		if rq == nil {
			continue
		}
		for version := range rq.MaxVersion() + 1 {
			for _, m := range []message{{key, version, false}, {key, version, true}} {
				known := layoutOf(m) != nil
				if known != covered[m] {
					t.Errorf("%s v%d: in schema %v, in fixtures %v", kmsg.NameForKey(key), version, known, covered[m])
				}
				if !known && !(version == 0 && neverStable[key]) && m.key != keyStopReplica {
					t.Errorf("%s v%d (response %v) is not defined", kmsg.NameForKey(key), version, m.response)
				}
			}
		}
	}
}

func TestUnknownVersions(t *testing.T) {
	for _, m := range []message{{3, 14, false}, {3, -1, false}, {3, 14, true}, {500, 0, false}, {-1, 0, true}, {78, 0, true}, {22, 6, false}} {
		_, err := decodeAny(m.key, m.version, m.response, nil)
		var version *VersionError
		if !errors.As(err, &version) || version.Key != m.key || version.Version != m.version {
			t.Errorf("%v: %v", m, err)
		}
	}
}
