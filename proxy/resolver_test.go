package proxy

import (
	"context"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"warder/test/fakebroker"
)

// names answers every question for an address with the one that it holds.
type names struct{ address atomic.Pointer[[4]byte] }

func (n *names) say(address ...byte) { n.address.Store((*[4]byte)(address)) }

// serve answers until conn is closed.
func (n *names) serve(t *testing.T, conn net.PacketConn) {
	t.Helper()
	for packet := make([]byte, 512); ; {
		size, from, err := conn.ReadFrom(packet)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(packet[:size]); err != nil {
			t.Error(err)
			return
		}
		m.Response, m.Additionals = true, nil
		if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 3600},
				Body:   &dnsmessage.AResource{A: *n.address.Load()},
			}}
		}
		answer, err := m.Pack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.WriteTo(answer, from) //nolint:errcheck // who asks will ask again
	}
}

// resolve has names resolved by n while the test runs.
func (n *names) resolve(t *testing.T) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); n.serve(t, conn) }()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
}

// A name that has come to mean another machine is followed by the next connection, to the
// bootstrap brokers as well as to a broker that the cluster named, with nothing reloaded.
func TestNamesAreResolvedAnew(t *testing.T) {
	first := fakebroker.New(t)
	_, port := first.HostPort()
	elsewhere := net.JoinHostPort("127.0.0.2", strconv.Itoa(int(port)))
	ln, err := net.Listen("tcp", elsewhere)
	if err != nil {
		t.Skip("127.0.0.2 is no address here: ", err)
	}
	ln.Close()
	second := fakebroker.NewAt(t, elsewhere)
	for broker, answer := range map[*fakebroker.Broker]string{first: "first", second: "second"} {
		broker.Handle(opaque, func(*fakebroker.Frame) []byte { return []byte(answer) })
	}
	dns := &names{}
	dns.say(127, 0, 0, 1)
	dns.resolve(t)
	const name = "kafka-1.warder.test."
	r := newRigAt(t, first, net.JoinHostPort(name, strconv.Itoa(int(port))), nil)
	r.topology.learn(1, name, port, time.Now())
	_, served, _ := r.listeners[0].advertised(1)
	at := []string{r.addr(), net.JoinHostPort("127.0.0.1", strconv.Itoa(int(served)))}
	ask := func(address, want string) *fakebroker.Client {
		t.Helper()
		c := fakebroker.Dial(t, address)
		c.Write(opaqueRequest(1, 0))
		if got := string(c.Next().Raw[8:]); got != want {
			t.Errorf("%s is answered by the %s broker, want the %s", address, got, want)
		}
		return c
	}
	for _, address := range at {
		ask(address, "first")
	}
	stays := ask(at[0], "first")
	dns.say(127, 0, 0, 2)
	for _, address := range at {
		ask(address, "second")
	}
	stays.Write(opaqueRequest(2, 0)) // a connection stays where it is
	if got := string(stays.Next().Raw[8:]); got != "first" {
		t.Errorf("an open connection went over to the %s broker", got)
	}
}
