package fakebroker_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"warder/test/fakebroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDefaultsAnswerEveryVersion(t *testing.T) {
	b := fakebroker.New(t, fakebroker.NodeID(7))
	c := fakebroker.Dial(t, b.Addr())
	for v := range kmsg.NewPtrApiVersionsRequest().MaxVersion() + 1 {
		req := kmsg.NewPtrApiVersionsRequest()
		req.Version = v
		resp := c.Do(req).(*kmsg.ApiVersionsResponse)
		if resp.ErrorCode != 0 || len(resp.ApiKeys) < 60 {
			t.Errorf("ApiVersions v%d: error %d, %d keys", v, resp.ErrorCode, len(resp.ApiKeys))
		}
	}
	host, port := b.HostPort()
	for v := range kmsg.NewPtrMetadataRequest().MaxVersion() + 1 {
		req := kmsg.NewPtrMetadataRequest()
		req.Version = v
		resp := c.Do(req).(*kmsg.MetadataResponse)
		if len(resp.Brokers) != 1 || resp.Brokers[0].NodeID != 7 || resp.Brokers[0].Host != host || resp.Brokers[0].Port != port {
			t.Errorf("Metadata v%d: %+v", v, resp.Brokers)
		}
	}
}

func TestUnsupportedApiVersionsIsAnsweredInV0(t *testing.T) {
	b := fakebroker.New(t)
	b.Handle(18, fakebroker.APIVersions([]fakebroker.VersionRange{{Key: 18, Max: 2}}))
	c := fakebroker.Dial(t, b.Addr())
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version = 4
	c.Send(req)
	r := c.Next()
	// correlation id 1, error 35, one row: key 18, 0 to 2
	want := []byte{0, 0, 0, 16, 0, 0, 0, 1, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 2}
	if !bytes.Equal(r.Raw, want) {
		t.Errorf("got % x, want % x", r.Raw, want)
	}
}

func TestHeldAnswersKeepOrderWhileRequestsAreRead(t *testing.T) {
	b := fakebroker.New(t)
	h, held := b.Hold(fakebroker.APIVersions(fakebroker.KnownVersions()))
	b.Handle(18, h)
	c := fakebroker.Dial(t, b.Addr())
	var sent []byte
	for range 3 {
		sent = append(sent, c.Send(kmsg.NewPtrApiVersionsRequest())...)
	}
	sent = append(sent, c.Send(kmsg.NewPtrMetadataRequest())...)
	if f := <-held.Arrived(); f.CorrelationID != 1 {
		t.Errorf("first held request has correlation id %d", f.CorrelationID)
	}
	frames := b.Conn(t, 0).WaitFrames(t, 4)
	if frames[3].Key != 3 {
		t.Errorf("fourth request has key %d", frames[3].Key)
	}
	if got := b.Conn(t, 0).Received(); !bytes.Equal(got, sent) {
		t.Errorf("the log differs from what was sent: % x, want % x", got, sent)
	}
	held.Release()
	for want := int32(1); want <= 4; want++ {
		if got := c.Next().CorrelationID; got != want {
			t.Errorf("answer %d arrived in place %d", got, want)
		}
	}
}

func TestNilBodyMeansNoAnswer(t *testing.T) {
	b := fakebroker.New(t)
	b.Handle(0, func(*fakebroker.Frame) []byte { return nil })
	c := fakebroker.Dial(t, b.Addr())
	c.Send(kmsg.NewPtrProduceRequest())
	c.Send(kmsg.NewPtrApiVersionsRequest())
	if got := c.Next().CorrelationID; got != 2 {
		t.Errorf("got an answer to request %d, want 2", got)
	}
}

func TestBrokerComesBackOnItsAddress(t *testing.T) {
	b := fakebroker.New(t)
	addr := b.Addr()
	c := fakebroker.Dial(t, addr)
	c.Do(kmsg.NewPtrApiVersionsRequest())
	b.Close()
	if err := c.End(); err == nil {
		t.Error("the connection outlived its broker")
	}
	fakebroker.NewAt(t, addr)
	fakebroker.Dial(t, addr).Do(kmsg.NewPtrApiVersionsRequest())
}

func TestWaitEndTellsHowThePeerLeft(t *testing.T) {
	b := fakebroker.New(t)
	c := fakebroker.Dial(t, b.Addr())
	c.Do(kmsg.NewPtrApiVersionsRequest())
	_ = c.Conn().Close()
	if err := b.Conn(t, 0).WaitEnd(t); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want EOF", err)
	}
}
