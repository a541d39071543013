package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"warder/configs"
	"warder/protocol"
	"warder/rules"
	"warder/test/fakebroker"
)

// FuzzClientBytes lets a client send anything: warder may refuse it, but
// neither break nor keep the connection.
func FuzzClientBytes(f *testing.F) {
	f.Add(opaqueRequest(1, 10))
	f.Add(append(opaqueRequest(1, 0), 0, 0, 0, 9, 0, 3, 0, 12, 0, 0, 0, 1, 0))
	f.Add([]byte{0x16, 3, 1, 0, 200, 1, 0, 0})
	name := "c"
	f.Add(fakebroker.AppendRequest(nil, protocol.Produce, 9, 1, &name, produce(9, -1, "t", []string{"forbidden"}).AppendTo(nil)))
	f.Add(fakebroker.AppendRequest(nil, protocol.SaslHandshake, 1, 1, &name, []byte{0, 5, 'P', 'L', 'A', 'I', 'N'}))
	f.Add(fakebroker.AppendRequest(nil, protocol.ApiVersions, 99, 1, nil, nil))
	for _, version := range fetchVersions {
		req := forgetting(fetchRequest(version, 5, 6, "orders/1@7", "users/2@8"), "orders/3@0")
		f.Add(fakebroker.AppendRequest(nil, protocol.Fetch, version, 1, &name, req.AppendTo(nil)))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		r := startRig(t, nil, indifferentBroker(t), curious(), blocking)
		c := r.dial()
		c.Write(sent)
		c.Conn().(*net.TCPConn).CloseWrite() //nolint:errcheck,forcetypeassert // a reset connection is fine too
		io.Copy(io.Discard, c.Conn())        //nolint:errcheck // until warder ends it
		c.Conn().Close()
		if n := testutil.ToFloat64(r.metrics.panics); n != 0 {
			t.Fatalf("%v panics", n)
		}
	})
}

// curious are rules that want to see everything.
func curious() []rules.Spec {
	return []rules.Spec{forbidden, (&reading{}).spec(sampling, watching...)}
}

// indifferentBroker answers every frame with its correlation id and nothing else.
func indifferentBroker(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for head := make([]byte, 12); ; {
					if _, err := io.ReadFull(conn, head); err != nil {
						return
					}
					size := int64(binary.BigEndian.Uint32(head))
					if _, err := io.CopyN(io.Discard, conn, size-8); err != nil {
						return
					}
					if _, err := conn.Write(append([]byte{0, 0, 0, 4}, head[8:]...)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return ln.Addr().String()
}

// FuzzBrokerBytes lets a broker answer anything.
func FuzzBrokerBytes(f *testing.F) {
	f.Add([]byte{0, 0, 0, 4, 0, 0, 0, 1}, protocol.Metadata, int16(12))
	f.Add([]byte{0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0}, protocol.Fetch, int16(17))
	f.Add([]byte{0, 0, 0, 6, 0, 0, 0, 1, 0, 35}, protocol.ApiVersions, int16(4))
	f.Add([]byte{0x15, 3, 3, 0, 2, 2, 80}, protocol.Produce, int16(9))
	for _, version := range fetchVersions {
		f.Add(fakebroker.AppendResponse(nil, protocol.Fetch, version, 1, passing(version, false).AppendTo(nil)), protocol.Fetch, version)
	}
	f.Add(fakebroker.AppendResponse(nil, protocol.Fetch, 12, 1, passing(12, true).AppendTo(nil)), protocol.Fetch, int16(12))
	f.Fuzz(func(t *testing.T, answer []byte, key, version int16) {
		api := protocol.LookupAPI(key)
		if api == nil || api.Treatment == protocol.TreatRefuse || !api.Decodes(version) {
			return
		}
		if key == protocol.SaslHandshake && version == 0 {
			return // no broker sees it
		}
		r := newRigWith(t, curious(), func(c *configs.Config) {
			blocking(c)
			c.Inspect.FetchRecords = "all"
		})
		r.broker.Script(fakebroker.Expect(key), fakebroker.Send(answer))
		r.broker.Handle(protocol.DescribeConfigs, func(*fakebroker.Frame) []byte { return []byte{} }) // of topics that the answer names
		name := "c"
		c := r.dial()
		c.Write(fakebroker.AppendRequest(nil, key, version, 1, &name, requestOf(key, version).AppendTo(nil)))
		io.Copy(io.Discard, c.Conn()) //nolint:errcheck // until warder ends it
		c.Conn().Close()
		if n := testutil.ToFloat64(r.metrics.panics); n != 0 {
			t.Fatalf("%v panics", n)
		}
	})
}

func TestBootstrapReachesAnyLiveBroker(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	broker := fakebroker.New(t)
	broker.Handle(opaque, echo)
	r := newRigAt(t, broker, broker.Addr(), func(c *configs.Config) {
		gone := configs.Address(dead.Addr().String())
		c.Upstream.Bootstrap = []configs.Address{gone, gone, configs.Address(broker.Addr())}
	})
	for range 3 { // each begins at another one
		c := r.dial()
		c.Write(opaqueRequest(1, 1))
		c.Next()
	}
}

// failing is a listener whose first Accepts fail, as with too many open files.
type failing struct {
	net.Listener
	left atomic.Int32
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left.Add(-1) >= 0 {
		return nil, errors.New("too many open files")
	}
	return f.Listener.Accept()
}

func TestAcceptErrorsPass(t *testing.T) {
	r := newRig(t, nil)
	r.broker.Handle(opaque, echo)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{Listener: ln}
	f.left.Store(3)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.listeners[0].acceptLoop(context.Background(), f, bootstrapNode)
	}()
	c := fakebroker.Dial(t, ln.Addr().String())
	c.Write(opaqueRequest(1, 1))
	c.Next()
	if n := testutil.ToFloat64(r.metrics.acceptErrors); n != 3 {
		t.Errorf("%v errors counted", n)
	}
	ln.Close()
	<-ended
}

// standsStill tells when what was counted has become no more between two looks.
func standsStill(count *atomic.Int64) func() bool {
	var before int64
	return func() bool {
		now := count.Load()
		still := now > 0 && now == before
		before = now
		time.Sleep(20 * time.Millisecond) //nolint:forbidigo // the pause between two looks
		return still
	}
}

// TestSlowClientHoldsTheBrokerBack: what a client does not read is not buffered
// beyond the sockets and one window.
func TestSlowClientHoldsTheBrokerBack(t *testing.T) {
	r := newRig(t, nil)
	big := make([]byte, 64<<20)
	var written atomic.Int64
	r.broker.Script(fakebroker.Expect(opaque), func(p *fakebroker.Play) error {
		head := append([]byte{0, 0, 0, 0, 0, 0, 0, 1}, big...)
		head[0], head[1] = byte((len(head)-4)>>24), byte((len(head)-4)>>16)
		head[2], head[3] = byte((len(head)-4)>>8), byte(len(head)-4)
		for len(head) > 0 {
			n := min(len(head), 1<<20)
			if err := p.Conn.Send(head[:n]); err != nil {
				return nil //nolint:nilerr // the test is over
			}
			written.Add(int64(n))
			head = head[n:]
		}
		return nil
	})
	c := r.dial()
	c.Write(opaqueRequest(1, 1))
	eventually(t, "the broker to be held back", standsStill(&written))
	if n := written.Load(); n >= int64(len(big)) {
		t.Errorf("all %d bytes were taken from the broker", n)
	}
	if got := c.Next(); len(got.Raw) != len(big)+8 {
		t.Errorf("%d bytes arrived", len(got.Raw))
	}
}
