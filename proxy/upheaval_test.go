package proxy

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"warder/configs"
	"warder/test/fakebroker"
)

// endless is a client that writes numbered requests, a few of which are always open, until
// its connection ends.
type endless struct {
	conn   net.Conn
	got    atomic.Int32 // whole answers, in order
	failed error        // how reading ended; set when run returns
}

// run reads answers while another goroutine writes.
func (e *endless) run(size int) {
	var writing sync.WaitGroup
	room := make(chan struct{}, 16)
	stop := make(chan struct{})
	writing.Go(func() {
		for id := int32(1); ; id++ {
			select {
			case room <- struct{}{}:
			case <-stop:
				return
			}
			if _, err := e.conn.Write(opaqueRequest(id, size)); err != nil {
				return
			}
		}
	})
	e.failed = e.read(size, room)
	close(stop)
	e.conn.Close()
	writing.Wait()
}

func (e *endless) read(size int, room chan struct{}) error {
	for answer := make([]byte, 8+size); ; {
		if _, err := io.ReadFull(e.conn, answer); err != nil {
			return err
		}
		if id := binary.BigEndian.Uint32(answer[4:]); id != uint32(e.got.Load()+1) {
			return errors.New("an answer is missing")
		}
		e.got.Add(1)
		<-room
	}
}

// A drain under load: whatever a broker was asked it answers, and whoever asked has the
// answer, in order and whole, before the connection ends; and no request reaches a broker in part.
func TestDrainUnderLoad(t *testing.T) {
	r := hostileRig(t, nil)
	var clients []*endless
	var running sync.WaitGroup
	for range 20 {
		conn, err := net.Dial("tcp", r.addr())
		if err != nil {
			t.Fatal(err)
		}
		e := &endless{conn: conn}
		clients = append(clients, e)
		running.Go(func() { e.run(3000) })
	}
	eventually(t, "all to be served", func() bool {
		for _, e := range clients {
			if e.got.Load() < 20 {
				return false
			}
		}
		return true
	})
	r.drain()
	running.Wait()
	asked, answered := 0, 0
	for i := range clients {
		conn := r.broker.Conn(t, i)
		frames := conn.Frames()
		whole := 0
		for _, f := range frames {
			whole += len(f.Raw)
		}
		if rest := len(conn.Received()) - whole; rest != 0 {
			t.Errorf("a broker got %d bytes of a request that does not end", rest)
		}
		asked += len(frames)
	}
	for _, e := range clients {
		if e.failed != io.EOF { //nolint:errorlint // between two answers, and not inside one
			t.Errorf("a connection ended with %v", e.failed)
		}
		answered += int(e.got.Load())
	}
	if asked != answered {
		t.Errorf("brokers were asked %d times, clients have %d answers", asked, answered)
	}
	if n := testutil.ToFloat64(r.metrics.closedBy.WithLabelValues(string(ReasonShutdown))); n != float64(len(clients)) {
		t.Errorf("%v of %d ended as %s", n, len(clients), ReasonShutdown)
	}
}

// Certificates that are exchanged while clients come and go: each connection gets one or the
// other, none is refused, and none that is open ends. Files that do not belong together yet
// change nothing.
func TestCertificatesRotateUnderLoad(t *testing.T) {
	a := newAuthority(t)
	r := newRig(t, func(c *configs.Config) { c.Listeners[0].TLS = a.server("listener", "require") })
	r.broker.Handle(opaque, echo)
	config := &tls.Config{RootCAs: a.pool, Certificates: []tls.Certificate{a.issue("app", time.Hour)}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	var opened atomic.Int64
	serials := sync.Map{}
	for range 4 {
		running.Go(func() {
			for ctx.Err() == nil {
				conn, err := tls.Dial("tcp", r.addr(), config)
				if err != nil {
					t.Error(err)
					return
				}
				serials.Store(conn.ConnectionState().PeerCertificates[0].SerialNumber.String(), true)
				for i := range int32(3) {
					askedOver(t, conn, i)
				}
				conn.Close()
				opened.Add(1)
			}
		})
	}
	stays, _, err := r.dialTLS(config)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int32(10) {
		before := opened.Load()
		eventually(t, "connections to be opened", func() bool { return opened.Load() > before })
		a.issue("other", time.Hour)
		a.move("other-key.pem", "listener-key.pem")
		if err := r.ReloadCertificates(); err == nil {
			t.Error("a key was taken that is not the certificate's")
		}
		a.move("other.pem", "listener.pem")
		if err := r.ReloadCertificates(); err != nil {
			t.Fatal(err)
		}
		stays.Write(opaqueRequest(i, 100))
		stays.Next()
	}
	before := opened.Load()
	eventually(t, "connections with the last one", func() bool { return opened.Load() > before+4 })
	stop()
	running.Wait()
	different := 0
	serials.Range(func(any, any) bool { different++; return true })
	if different < 5 {
		t.Errorf("%d certificates were served", different)
	}
}

// askedOver wants the answer to a request over a connection.
func askedOver(t *testing.T, conn net.Conn, id int32) {
	t.Helper()
	if _, err := conn.Write(opaqueRequest(id, 100)); err != nil {
		t.Error(err)
		return
	}
	if _, err := io.ReadFull(conn, make([]byte, 108)); err != nil {
		t.Error(err)
	}
}

// A certificate that has ended refuses new connections, by its reason, until there is
// another; connections that are open go on.
func TestExpiredCertificates(t *testing.T) {
	a := newAuthority(t)
	trusted := &configs.ClientTLS{CA: configs.Path(a.path("authority.pem"))}
	t.Run("of a client", func(t *testing.T) {
		r := newRig(t, func(c *configs.Config) { c.Listeners[0].TLS = a.server("listener", "require") })
		r.broker.Handle(opaque, echo)
		if c, _, err := r.dialTLS(&tls.Config{RootCAs: a.pool, Certificates: []tls.Certificate{a.issue("app", -time.Second)}}); err == nil {
			ended(c) // in TLS 1.3 the client learns of it with its first read
		}
		r.closedBy(ReasonClientTLS)
		r.logged("expired")
		c, _, err := r.dialTLS(&tls.Config{RootCAs: a.pool, Certificates: []tls.Certificate{a.issue("app", time.Hour)}})
		if err != nil {
			t.Fatal(err)
		}
		c.Write(opaqueRequest(1, 1))
		c.Next()
	})
	t.Run("of a broker", func(t *testing.T) {
		var current atomic.Pointer[tls.Certificate]
		set := func(valid time.Duration) {
			pair := a.issue("broker", valid)
			current.Store(&pair)
		}
		set(time.Hour)
		broker := fakebroker.New(t, fakebroker.TLS(&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil }}))
		broker.Handle(opaque, echo)
		r := newRigAt(t, broker, broker.Addr(), func(c *configs.Config) { c.Upstream.TLS = trusted })
		n := r.neighbour()
		set(-time.Second)
		c := r.dial()
		c.Write(opaqueRequest(1, 1))
		ended(c)
		r.closedBy(ReasonBrokerTLS)
		r.logged("expired")
		n.works()
		set(time.Hour)
		r.neighbour()
	})
}
