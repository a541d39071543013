package messages

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"

	"warder/protocol/fixture"
)

// seed adds every n-th fixture that want accepts.
func seed(f *testing.F, n int, want func(*fixture.Message) bool, add func(*fixture.Message)) {
	f.Helper()
	for i, m := range fixtures(f) {
		if i%n == 0 && want(&m) {
			add(&m)
		}
	}
}

// FuzzDecode: never a panic; whatever check lets pass, kmsg can read, and what
// kmsg encodes from it means the same.
func FuzzDecode(f *testing.F) {
	seed(f, 23, func(*fixture.Message) bool { return true }, func(m *fixture.Message) { f.Add(m.Key, m.Version, m.Response, m.Body) })
	f.Fuzz(func(t *testing.T, key, version int16, response bool, body []byte) {
		m, err := decodeAny(key, version, response, body)
		if m == nil {
			if malformed := new(MalformedError); errors.As(err, &malformed) && malformed.Field == kmsgRefused && (key > 1 || version >= 16) {
				t.Fatalf("check let pass what kmsg refuses: %v", err)
			}
			return
		}
		encoded := m.AppendTo(nil)
		again, err := decodeAny(key, version, response, encoded)
		if err != nil || !bytes.Equal(again.AppendTo(nil), encoded) {
			t.Fatalf("%v\n%x\n%x", err, body, encoded)
		}
	})
}

// FuzzRewriteEndpoints: never a panic; the result is well-formed as far as the
// original was and has no other address than the mapped ones.
func FuzzRewriteEndpoints(f *testing.F) {
	keys := []int16{3, 10, 60, 78, 79}
	seed(f, 3, func(m *fixture.Message) bool { return m.Response && slices.Contains(keys, m.Key) },
		func(m *fixture.Message) { f.Add(m.Key, m.Version, m.Body) })
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		original := slices.Clone(body)
		out, changed, err := RewriteEndpoints(nil, key, version, body, proxied)
		if !bytes.Equal(body, original) {
			t.Fatal("the original was changed")
		}
		if err != nil {
			return
		}
		if !changed && !bytes.Equal(out, body) {
			t.Fatal("changed after all")
		}
		_, changed, err = RewriteEndpoints(nil, key, version, out, func(e testEndpoint) (testEndpoint, bool) {
			if e.Host != "warder.example" {
				t.Fatalf("left behind: %v", e)
			}
			return e, true
		})
		if err != nil || changed {
			t.Fatalf("the result: %v, %v", changed, err)
		}
		_, errBefore := decodeAny(key, version, true, body)
		if _, errAfter := decodeAny(key, version, true, out); errBefore == nil && errAfter != nil {
			t.Fatalf("was well-formed, is %v", errAfter)
		}
	})
}

// FuzzClampApiVersions: never a panic; the result says what effective says, and
// clamping it again changes nothing.
func FuzzClampApiVersions(f *testing.F) {
	seed(f, 1, func(m *fixture.Message) bool { return m.Response && m.Key == 18 },
		func(m *fixture.Message) { f.Add(m.Version, m.Body, false) })
	f.Add(int16(5), []byte{0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4}, true)
	f.Fuzz(func(t *testing.T, version int16, body []byte, passUnknown bool) {
		out, effective, err := ClampApiVersions(nil, version, body, testRanges, passUnknown)
		if err != nil {
			return
		}
		again, same, err := ClampApiVersions(nil, version, out, testRanges, passUnknown)
		if err != nil || !slices.Equal(same, effective) || !bytes.Equal(again, out) {
			t.Fatalf("%v\n%v\n%v", err, effective, same)
		}
		for _, r := range effective {
			lowest, highest, known := testRanges(r.Key)
			if known && (r.Min < lowest && r.Key != keyProduce || r.Max > highest || lowest > highest) || !known && !passUnknown {
				t.Fatalf("%v was let through", r)
			}
		}
	})
}

// FuzzSASL: never a panic; a principal only after success, never too long, and
// nothing else of a token in the observer.
func FuzzSASL(f *testing.F) {
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"} {
		for _, token := range []string{"\x00alice\x00secret", "n,,n=al=2Cice,r=abc", "n,a=x,n=x,r=abc,tokenauth=true", bearer("n,,", jwt(`{"sub":"svc"}`)), bearer("n,a=x,", "opaque")} {
			f.Add(mechanism, []byte(token), []byte("c=biws"), []byte("v=sig"))
			f.Add(mechanism, []byte(token), []byte(nil), []byte(nil))
		}
	}
	f.Fuzz(func(t *testing.T, mechanism string, first, second, answer []byte) {
		o := NewSASLObserver(mechanism)
		o.clientToken(first)
		if o.Principal() != "" {
			t.Fatal("a principal before any answer")
		}
		o.clientToken(second)
		body := append([]byte{0, 0, 0xff, 0xff, 0, 0, byte(len(answer) >> 8), byte(len(answer))}, answer...)
		o.Response(0, body)
		o.ClientMovedOn()
		principal := o.Principal()
		if len(principal) > MaxPrincipal || principal != "" && (!o.Finished() || !o.Succeeded()) {
			t.Fatalf("%q", principal)
		}
		for _, kept := range reachable(reflect.ValueOf(o), map[uintptr]bool{}) {
			if kept != "" && kept != o.claimed && kept != o.Mechanism() { // which is none of a token
				t.Fatalf("keeps %q", kept)
			}
		}
		// The requests and responses around the tokens.
		for version := range int16(3) {
			o.Request(version, first)
			o.Response(version, second)
		}
		ParseSaslHandshake(1, first)      //nolint:errcheck // must not panic
		SaslHandshakeError(1, first)      //nolint:errcheck // must not panic
		ParseApiVersionsRequest(5, first) //nolint:errcheck // must not panic
	})
}
