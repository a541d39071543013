package fakebroker_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/test/fakebroker"
)

func versionsBody(v int16) []byte {
	return fakebroker.APIVersions(fakebroker.KnownVersions())(&fakebroker.Frame{Key: 18, Version: v})
}

func TestScriptAnswersOutOfOrderAndBytewise(t *testing.T) {
	b := fakebroker.New(t)
	b.Script(
		fakebroker.Expect(18), fakebroker.Expect(18),
		fakebroker.ReplyLast(versionsBody(0)),
		fakebroker.ReplyBytewise(versionsBody(0)),
		fakebroker.Send([]byte{0, 0, 0, 4, 0, 0, 0, 99}),
		fakebroker.ExpectEnd(),
	)
	c := fakebroker.Dial(t, b.Addr())
	c.Send(kmsg.NewPtrApiVersionsRequest())
	c.Send(kmsg.NewPtrApiVersionsRequest())
	for _, want := range []int32{2, 1, 99} {
		if got := c.Next().CorrelationID; got != want {
			t.Errorf("got answer %d, want %d", got, want)
		}
	}
	if err := c.Conn().(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := c.End(); !errors.Is(err, io.EOF) {
		t.Errorf("the end of the script is not an orderly close: %v", err)
	}
}

func TestScriptTakesTurns(t *testing.T) {
	b := fakebroker.New(t)
	goOn, reached := make(chan struct{}), make(chan struct{})
	raw := []byte("no kafka at all")
	b.Script(fakebroker.ExpectRaw(raw), fakebroker.Signal(reached), fakebroker.Wait(goOn), fakebroker.HalfClose(), fakebroker.ExpectRaw(raw), fakebroker.ExpectEnd())
	c := fakebroker.Dial(t, b.Addr())
	c.Write(raw)
	<-reached
	close(goOn)
	if err := c.End(); !errors.Is(err, io.EOF) {
		t.Errorf("half-close: %v", err)
	}
	c.Write(raw) // the other direction is still open
	if got := b.Conn(t, 0).WaitReceived(t, 2*len(raw)); !bytes.Equal(got, append(raw, raw...)) {
		t.Errorf("logged %q", got)
	}
	if err := c.Conn().Close(); err != nil {
		t.Fatal(err)
	}
}

func TestScriptResets(t *testing.T) {
	b := fakebroker.New(t)
	b.Script(fakebroker.Expect(18), fakebroker.Reset())
	c := fakebroker.Dial(t, b.Addr())
	c.Send(kmsg.NewPtrApiVersionsRequest())
	if err := c.End(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
}

func TestScriptThenServe(t *testing.T) {
	b := fakebroker.New(t)
	b.Script(fakebroker.Expect(18), fakebroker.ReplyWith(fakebroker.APIVersions(nil)), fakebroker.Serve(b))
	c := fakebroker.Dial(t, b.Addr())
	if n := len(c.Do(kmsg.NewPtrApiVersionsRequest()).(*kmsg.ApiVersionsResponse).ApiKeys); n != 0 {
		t.Errorf("the scripted answer names %d keys", n)
	}
	if n := len(c.Do(kmsg.NewPtrApiVersionsRequest()).(*kmsg.ApiVersionsResponse).ApiKeys); n < 60 {
		t.Errorf("the served answer names %d keys", n)
	}
}

// A script whose expectation is not met must fail its test: shown with a test double of testing.TB.
func TestUnmetExpectationFailsTheTest(t *testing.T) {
	for name, tc := range map[string]struct {
		step fakebroker.Step
		send []byte
	}{
		"wrong key":       {fakebroker.Expect(3), fakebroker.AppendRequest(nil, 18, 0, 1, nil, nil)},
		"wrong bytes":     {fakebroker.ExpectRaw([]byte("abc")), []byte("abd")},
		"no end":          {fakebroker.ExpectEnd(), []byte("x")},
		"nothing to say":  {fakebroker.Reply(nil), nil},
		"malformed frame": {fakebroker.Expect(18), []byte{0, 0, 0, 2, 0, 18}},
	} {
		t.Run(name, func(t *testing.T) {
			rec := &recorder{TB: t, failed: make(chan struct{})}
			b := fakebroker.New(rec)
			b.Script(tc.step)
			c := fakebroker.Dial(t, b.Addr())
			c.Write(tc.send)
			<-rec.failed
		})
	}
}

// recorder notes failures instead of failing.
type recorder struct {
	testing.TB
	failed chan struct{}
}

func (r *recorder) Errorf(string, ...any) { close(r.failed) }
