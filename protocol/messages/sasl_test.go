package messages

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// round is a token of the client and what the broker answers.
type round struct {
	client, server string
	code           int16
	lifetimeMs     int64
}

// play lets an observer of the mechanism see the rounds at a version of
// SaslAuthenticate. The buffers are overwritten after each call.
func play(mechanism string, version int16, rounds ...round) *SASLObserver {
	o := NewSASLObserver(mechanism)
	for _, r := range rounds {
		rq := kmsg.NewPtrSASLAuthenticateRequest()
		rq.Version, rq.SASLAuthBytes = version, []byte(r.client)
		see(o.Request, version, rq.AppendTo(nil))
		resp := kmsg.NewPtrSASLAuthenticateResponse()
		resp.Version, resp.SASLAuthBytes, resp.ErrorCode, resp.SessionLifetimeMillis = version, []byte(r.server), r.code, r.lifetimeMs
		see(o.Response, version, resp.AppendTo(nil))
	}
	return o
}

func see(by func(int16, []byte), version int16, body []byte) {
	by(version, body)
	for i := range body {
		body[i] = '!'
	}
}

func jwt(claims string) string {
	return "eyJhbGciOiJIUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2VjcmV0LXNpZ25hdHVyZQ"
}

func bearer(gs2, token string) string { return gs2 + "\x01auth=Bearer " + token + "\x01ext=1\x01\x01" }

func scram(first string) []round {
	return []round{{client: first, server: "r=nonce,s=salt,i=4096"}, {client: "c=biws,r=nonce,p=proof", server: "v=signature"}}
}

func TestPrincipals(t *testing.T) {
	long := strings.Repeat("x", MaxPrincipal+1)
	for _, c := range []struct {
		name, mechanism string
		rounds          []round
		want            string
	}{
		{"plain", "PLAIN", []round{{client: "\x00alice\x00alice-secret"}}, "alice"},
		{"plain, authorization id the same", "PLAIN", []round{{client: "alice\x00alice\x00alice-secret"}}, "alice"},
		{"plain, another authorization id", "PLAIN", []round{{client: "root\x00alice\x00alice-secret"}}, ""},
		{"plain, UTF-8", "PLAIN", []round{{client: "\x00jürgen\x00p"}}, "jürgen"},
		{"plain, four parts", "PLAIN", []round{{client: "\x00a\x00b\x00c"}}, ""},
		{"plain, one part", "PLAIN", []round{{client: "alice"}}, ""},
		{"plain, no token", "PLAIN", []round{{}}, ""},
		{"plain, name too long", "PLAIN", []round{{client: "\x00" + long + "\x00p"}}, ""},
		{"scram", "SCRAM-SHA-256", scram("n,,n=alice,r=abc"), "alice"},
		{"scram 512", "SCRAM-SHA-512", scram("n,,n=alice,r=abc"), "alice"},
		{"scram, escapes", "SCRAM-SHA-512", scram("n,,n=a=2Cb=3Dc=3D2C,r=abc"), "a,b=c=2C"},
		{"scram, bad escape", "SCRAM-SHA-512", scram("n,,n=a=2cb,r=abc"), ""},
		{"scram, escape cut short", "SCRAM-SHA-512", scram("n,,n=a=,r=abc"), ""},
		{"scram, authorization id the same", "SCRAM-SHA-512", scram("n,a=alice,n=alice,r=abc"), "alice"},
		{"scram, another authorization id", "SCRAM-SHA-512", scram("n,a=root,n=alice,r=abc"), ""},
		{"scram, mandatory extension", "SCRAM-SHA-512", scram("n,,m=x,n=alice,r=abc"), "alice"},
		{"scram, delegation token", "SCRAM-SHA-512", scram("n,,n=tokenid,r=abc,tokenauth=true"), ""},
		{"scram, no delegation token", "SCRAM-SHA-512", scram("n,,n=alice,r=abc,tokenauth=false"), "alice"},
		{"scram, binding unsupported by server", "SCRAM-SHA-512", scram("y,,n=alice,r=abc"), "alice"},
		{"scram, nonce missing", "SCRAM-SHA-512", scram("n,,n=alice"), ""},
		{"scram, only an extension", "SCRAM-SHA-512", scram("n,,m=x,n=alice"), ""},
		{"bearer", "OAUTHBEARER", []round{{client: bearer("n,,", jwt(`{"iss":"x","sub":"svc-1","SUB":"other"}`))}}, "svc-1"},
		{"bearer, padded", "OAUTHBEARER", []round{{client: bearer("n,,", "e30."+base64.URLEncoding.EncodeToString([]byte(`{"sub":"ab"}`))+".s")}}, "ab"},
		{"bearer, scheme in lower case", "OAUTHBEARER", []round{{client: "n,,\x01auth=bearer " + jwt(`{"sub":"svc"}`) + "\x01\x01"}}, "svc"},
		{"bearer, authorization id", "OAUTHBEARER", []round{{client: bearer("n,a=svc=2C2,", jwt(`{"name":"svc,2"}`))}}, "svc,2"},
		{"bearer, no sub", "OAUTHBEARER", []round{{client: bearer("n,,", jwt(`{"name":"svc"}`))}}, ""},
		{"bearer, sub is a number", "OAUTHBEARER", []round{{client: bearer("n,,", jwt(`{"sub":17}`))}}, ""},
		{"bearer, not JSON", "OAUTHBEARER", []round{{client: bearer("n,,", jwt(`sub`))}}, ""},
		{"bearer, opaque token", "OAUTHBEARER", []round{{client: bearer("n,,", "0123456789abcdef")}}, ""},
		{"bearer, not base64", "OAUTHBEARER", []round{{client: bearer("n,,", "a.%%%.c")}}, ""},
		{"bearer, claims too large", "OAUTHBEARER", []round{{client: bearer("n,,", jwt(`{"sub":"svc","x":"`+strings.Repeat("x", maxClaims)+`"}`))}}, ""},
		{"bearer, short header", "OAUTHBEARER", []round{{client: "n,\x01auth=Bearer " + jwt(`{"sub":"svc"}`) + "\x01\x01"}}, ""},
		{"gssapi", "GSSAPI", []round{{client: "\x60AP-REQ", server: "AP-REP"}, {client: "", server: "qop"}, {client: "qop"}}, ""},
		{"lower case is no mechanism of Kafka", "plain", []round{{client: "\x00alice\x00p"}}, ""},
	} {
		for version := range int16(3) {
			o := play(c.mechanism, version, c.rounds...)
			if !o.Finished() || !o.Succeeded() || o.Principal() != c.want {
				t.Errorf("%s v%d: %q, finished %v, succeeded %v; want %q", c.name, version, o.Principal(), o.Finished(), o.Succeeded(), c.want)
			}
		}
	}
}

// TestPrincipalOnlyAfterSuccess: what a client claims counts when the broker has
// said its last word, and not before.
func TestPrincipalOnlyAfterSuccess(t *testing.T) {
	for _, c := range []struct {
		name, mechanism  string
		rounds           []round
		finished, failed bool
	}{
		{"plain refused", "PLAIN", []round{{client: "\x00alice\x00x", code: 58}}, true, true},
		{"scram after the first round", "SCRAM-SHA-256", scram("n,,n=alice,r=abc")[:1], false, false},
		{"scram, server signs too early", "SCRAM-SHA-256", []round{{client: "n,,n=alice,r=abc", server: "v=signature"}}, false, false},
		{"scram, server error", "SCRAM-SHA-256", []round{scram("n,,n=alice,r=abc")[0], {client: "c=biws", server: "e=other-error"}}, false, false},
		{"scram refused", "SCRAM-SHA-256", []round{scram("n,,n=alice,r=abc")[0], {client: "c=biws", code: 58}}, true, true},
		{"bearer, bad news without error code", "OAUTHBEARER", []round{{client: bearer("n,,", jwt(`{"sub":"svc"}`)), server: `{"status":"invalid_token"}`}}, false, false},
		{"bearer, bad news and error", "OAUTHBEARER", []round{{client: bearer("n,,", jwt(`{"sub":"svc"}`)), server: `{"status":"invalid_token"}`}, {client: "\x01", code: 58}}, true, true},
		{"gssapi, in between", "GSSAPI", []round{{client: "\x60AP-REQ", server: "AP-REP"}}, false, false},
		{"nothing yet", "PLAIN", nil, false, false},
	} {
		o := play(c.mechanism, 1, c.rounds...)
		if o.Finished() != c.finished || o.Succeeded() || o.Principal() != "" {
			t.Errorf("%s: %q, finished %v, succeeded %v", c.name, o.Principal(), o.Finished(), o.Succeeded())
		}
		if c.failed { // a success that comes later does not count
			o.Response(0, []byte{0, 0, 0xff, 0xff, 0, 0, 0, 0})
			if o.Succeeded() || o.Principal() != "" {
				t.Errorf("%s: succeeded after failure", c.name)
			}
		}
	}
}

func TestUnreadableSASL(t *testing.T) {
	o := NewSASLObserver("PLAIN")
	o.Response(0, []byte{0, 0, 0xff, 0xff, 0, 0, 0, 0})
	if o.Finished() {
		t.Error("finished before any token")
	}
	o.Request(0, []byte{0, 0, 0, 9, 'x'})
	o.Response(0, []byte{0, 0, 0xff, 0xff, 0, 0, 0, 0})
	if !o.Succeeded() || o.Principal() != "" {
		t.Error("an unreadable request must not hide the broker's word")
	}
	o = play("PLAIN", 1)
	o.Request(1, []byte{0, 0, 0, 4, 0, 'a', 0, 'b'})
	o.Response(1, []byte{0})
	if !o.Finished() || o.Succeeded() {
		t.Error("an unreadable response is a failure")
	}
	o = NewSASLObserver("PLAIN")
	o.Request(3, nil)
	o.Response(3, nil)
	if o.Succeeded() {
		t.Error("version 3 was read")
	}
}

// TestClientMovedOn settles what only the client knows.
func TestClientMovedOn(t *testing.T) {
	o := play("AWS_MSK_IAM", 1, round{client: `{"action":"kafka-cluster:Connect"}`, server: `{"version":"2020_10_22"}`})
	if o.Finished() {
		t.Error("the answer could have been a challenge")
	}
	if o.ClientMovedOn(); !o.Finished() || !o.Succeeded() || o.Principal() != "" {
		t.Error("the client moved on")
	}
	if o = play("AWS_MSK_IAM", 1, round{client: "x", server: "y", lifetimeMs: 9}); !o.Succeeded() {
		t.Error("a lifetime comes with the last answer only")
	}
	o = play("SCRAM-SHA-256", 1, scram("n,,n=alice,r=abc")[:1]...)
	if o.ClientMovedOn(); o.Finished() {
		t.Error("SCRAM is not complete")
	}
	o = NewSASLObserver("GSSAPI")
	if o.ClientMovedOn(); o.Finished() {
		t.Error("no token was sent")
	}
}

func TestSessionLifetime(t *testing.T) {
	for _, c := range []struct {
		version int16
		ms      int64
		want    time.Duration
	}{{0, 5000, 0}, {1, 5000, 5 * time.Second}, {2, 5000, 5 * time.Second}, {1, 0, 0}, {1, -1, 0}, {1, 1<<63 - 1, 9223372036*time.Second + 854*time.Millisecond}} {
		if got := play("PLAIN", c.version, round{client: "\x00a\x00b", lifetimeMs: c.ms}).SessionLifetime(); got != c.want {
			t.Errorf("v%d %d ms: %v", c.version, c.ms, got)
		}
	}
}

// TestNoSecretIsKept: nothing that the observer reaches holds a byte of a token
// but the name; that of the mechanism comes from the handshake.
func TestNoSecretIsKept(t *testing.T) {
	for _, c := range []struct {
		mechanism string
		rounds    []round
		name      string
	}{
		{"PLAIN", []round{{client: "\x00alice\x00hunter2-secret"}}, "alice"},
		{"SCRAM-SHA-256", scram("n,,n=alice,r=secret-nonce"), "alice"},
		{"OAUTHBEARER", []round{{client: bearer("n,,", jwt(`{"sub":"alice","secret":"claim"}`))}}, "alice"},
		{"GSSAPI", []round{{client: "secret ticket", server: "secret"}, {client: "secret"}}, ""},
	} {
		for n := range len(c.rounds) + 1 {
			o := play(c.mechanism, 1, c.rounds[:n]...)
			kept := reachable(reflect.ValueOf(o), map[uintptr]bool{})
			if n > 0 && !slices.Contains(kept, c.name) {
				t.Fatalf("%s: the walk does not see the name", c.mechanism)
			}
			for _, s := range kept {
				if s != "" && s != c.name && s != c.mechanism {
					t.Errorf("%s after %d rounds keeps %q", c.mechanism, n, s)
				}
			}
		}
	}
}

// reachable returns all strings and byte slices that v leads to, up to their
// capacity where they have one.
func reachable(v reflect.Value, seen map[uintptr]bool) (found []string) {
	switch v.Kind() { //nolint:exhaustive // the others hold no bytes of a token
	case reflect.Pointer, reflect.Interface:
		if v.Kind() == reflect.Pointer {
			if v.IsNil() || seen[v.Pointer()] {
				return nil
			}
			seen[v.Pointer()] = true
		}
		return reachable(v.Elem(), seen)
	case reflect.Struct:
		for _, f := range v.Fields() {
			found = append(found, reachable(f, seen)...)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return append(found, string(v.Slice(0, v.Cap()).Bytes()))
		}
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			found = append(found, reachable(v.Index(i), seen)...)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			found = append(found, reachable(it.Key(), seen)...)
			found = append(found, reachable(it.Value(), seen)...)
		}
	case reflect.String:
		return append(found, v.String())
	case reflect.Func, reflect.Chan:
		found = append(found, fmt.Sprintf("a %v, which may hold anything", v.Kind()))
	}
	return found
}

func TestSaslHandshake(t *testing.T) {
	for version := range int16(2) {
		rq := kmsg.NewPtrSASLHandshakeRequest()
		rq.Version, rq.Mechanism = version, "SCRAM-SHA-512"
		if got, err := ParseSaslHandshake(version, rq.AppendTo(nil)); err != nil || got != "SCRAM-SHA-512" {
			t.Error(got, err)
		}
		resp := kmsg.NewPtrSASLHandshakeResponse()
		resp.Version, resp.ErrorCode, resp.SupportedMechanisms = version, 33, []string{"PLAIN", "GSSAPI"}
		body := resp.AppendTo(nil)
		if got, err := SaslHandshakeError(version, body); err != nil || got != 33 {
			t.Error(got, err)
		}
		for n := range body {
			if _, err := SaslHandshakeError(version, body[:n]); err == nil {
				t.Errorf("cut to %d: no error", n)
			}
		}
		answer := AppendUnsupportedSaslHandshake(nil, 77)
		if got, err := SaslHandshakeError(version, answer[4:]); err != nil || got != 35 || len(answer) != 10 || answer[3] != 77 {
			t.Error(got, err)
		}
		if HeaderlessTokens(version) != (version == 0) {
			t.Error(version)
		}
	}
	if _, err := ParseSaslHandshake(2, nil); err == nil {
		t.Error("version 2 was read")
	}
	if _, err := ParseSaslHandshake(1, []byte{0, 5, 'P'}); err == nil {
		t.Error("a short mechanism was read")
	}
}
