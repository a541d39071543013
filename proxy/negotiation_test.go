package proxy

import (
	"bytes"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/configs"
	"warder/protocol"
	"warder/test/fakebroker"
)

func TestApiVersionsIsClamped(t *testing.T) {
	offer := []fakebroker.VersionRange{
		{Key: protocol.Produce, Min: 0, Max: 99}, {Key: protocol.Metadata, Min: 0, Max: 12}, {Key: protocol.SaslHandshake, Min: 0, Max: 1},
		{Key: protocol.ApiVersions, Min: 0, Max: 4}, {Key: protocol.AddRaftVoter, Min: 0, Max: 0}, {Key: 10_000, Min: 0, Max: 3},
	}
	for _, pass := range []bool{false, true} {
		r := newRig(t, func(c *configs.Config) { c.PassUnknownAPIs = pass })
		r.broker.Handle(protocol.ApiVersions, fakebroker.APIVersions(offer))
		for version := range int16(5) {
			req := kmsg.NewPtrApiVersionsRequest()
			req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = version, "test", "1"
			resp, _ := r.dial().Do(req).(*kmsg.ApiVersionsResponse)
			got := make(map[int16][2]int16)
			for _, k := range resp.ApiKeys {
				got[k.ApiKey] = [2]int16{k.MinVersion, k.MaxVersion}
			}
			if want := [2]int16{0, protocol.LookupAPI(protocol.Produce).Max}; got[protocol.Produce] != want {
				t.Errorf("v%d: Produce %v, want %v", version, got[protocol.Produce], want)
			}
			if got[protocol.Metadata] != [2]int16{0, 12} {
				t.Errorf("v%d: Metadata %v", version, got[protocol.Metadata])
			}
			if got[protocol.SaslHandshake] != [2]int16{1, 1} {
				t.Errorf("v%d: SaslHandshake %v: version 0 leaves nothing to follow", version, got[protocol.SaslHandshake])
			}
			if _, ok := got[protocol.AddRaftVoter]; ok {
				t.Errorf("v%d: AddRaftVoter is offered", version)
			}
			if _, ok := got[10_000]; ok != pass {
				t.Errorf("v%d: the unknown API is offered: %t, want %t", version, ok, pass)
			}
		}
	}
}

func TestUnsupportedVersionOfTheBrokerPassesInVersion0(t *testing.T) {
	r := newRig(t, nil)
	r.broker.Handle(protocol.ApiVersions, fakebroker.APIVersions([]fakebroker.VersionRange{{Key: protocol.ApiVersions, Max: 2}}))
	c := r.dial()
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version = 4
	c.Send(req)
	want := []byte{0, 0, 0, 16, 0, 0, 0, 1, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 2}
	if got := c.Next(); !bytes.Equal(got.Raw, want) {
		t.Errorf("got % x, want % x", got.Raw, want)
	}
	req.Version = 2 // asks again on the same connection
	c.Do(req)
}

func TestUnknownAPIPassesWhenAllowed(t *testing.T) {
	r := newRig(t, func(c *configs.Config) { c.PassUnknownAPIs = true })
	name := "c"
	raw := fakebroker.AppendRequest(nil, opaque, 0, 3, &name, []byte("anything"))
	raw[4], raw[5] = 0x27, 0x10 // key 10000
	r.broker.Script(fakebroker.ExpectRaw(raw), fakebroker.Send([]byte{0, 0, 0, 6, 0, 0, 0, 3, 1, 2}), fakebroker.ExpectEnd())
	c := r.dial()
	c.Write(raw)
	if got := c.Next(); !bytes.Equal(got.Raw[8:], []byte{1, 2}) {
		t.Errorf("got % x", got.Raw)
	}
	c.Conn().Close()
}

// sasl answers handshake and authenticate as a broker that likes everyone but mallory.
func (r *rig) sasl() {
	r.broker.Handle(protocol.SaslHandshake, func(f *fakebroker.Frame) []byte {
		resp := kmsg.NewPtrSASLHandshakeResponse()
		resp.Version = f.Version
		return resp.AppendTo(nil)
	})
	r.broker.Handle(protocol.SaslAuthenticate, func(f *fakebroker.Frame) []byte {
		resp := kmsg.NewPtrSASLAuthenticateResponse()
		resp.Version = f.Version
		if bytes.Contains(f.Body, []byte("mallory")) {
			resp.ErrorCode = 58
		}
		return resp.AppendTo(nil)
	})
}

func authenticate(c *fakebroker.Client, user, password string) *kmsg.SASLAuthenticateResponse {
	h := kmsg.NewPtrSASLHandshakeRequest()
	h.Version, h.Mechanism = 1, "PLAIN"
	c.Do(h)
	a := kmsg.NewPtrSASLAuthenticateRequest()
	a.Version, a.SASLAuthBytes = 2, []byte("\x00"+user+"\x00"+password)
	resp, _ := c.Do(a).(*kmsg.SASLAuthenticateResponse)
	return resp
}

func TestPrincipalIsLearntAndNoSecretKept(t *testing.T) {
	r := newRig(t, nil)
	r.sasl()
	c := r.dial()
	if resp := authenticate(c, "mallory", "s3cr3t-1"); resp.ErrorCode != 58 {
		t.Errorf("the broker's refusal became %d", resp.ErrorCode)
	}
	if got := r.Clients()[0].Principal; got != "" {
		t.Errorf("principal %q though the broker refused", got)
	}
	authenticate(c, "alice", "s3cr3t-2")
	if got := r.Clients()[0].Principal; got != "User:alice" {
		t.Errorf("principal %q", got)
	}
	authenticate(c, "bob", "s3cr3t-3") // re-authentication may come at any time (KIP-368)
	if got := r.Clients()[0].Principal; got != "User:bob" {
		t.Errorf("principal %q after re-authentication", got)
	}
	if strings.Contains(r.log.String(), "s3cr3t") {
		t.Error("a secret is in the log")
	}
}

func TestSaslHandshakeV0IsRefused(t *testing.T) {
	r := newRig(t, nil)
	r.sasl()
	c := r.dial()
	h := kmsg.NewPtrSASLHandshakeRequest()
	h.Version, h.Mechanism = 0, "PLAIN"
	if resp, _ := c.Do(h).(*kmsg.SASLHandshakeResponse); resp.ErrorCode != 35 {
		t.Errorf("error %d, want UNSUPPORTED_VERSION", resp.ErrorCode)
	}
	ended(c)
	r.closedBy(ReasonSASLHandshakeV0)
}

func TestFramesAreSmallWhileAuthenticating(t *testing.T) {
	r := newRig(t, nil)
	r.sasl()
	c := r.dial()
	h := kmsg.NewPtrSASLHandshakeRequest()
	h.Version, h.Mechanism = 1, "PLAIN"
	c.Do(h)
	c.Write([]byte{0, 9, 0, 0}) // a frame of 589,824 bytes
	ended(c)
	r.closedBy(ReasonFrameLimit)
}
