package proxy

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"warder/configs"
	"warder/protocol"
	"warder/test/fakebroker"
)

// Who is connected where, and how near to its limits a listener is.
func TestListenersShowWhatIsUsed(t *testing.T) {
	r := newRig(t, func(c *configs.Config) {
		c.Listeners[0].Limits.Connections, c.Listeners[0].Limits.InFlight = 40, 7
		second := c.Listeners[0]
		second.Name, second.Advertise = "outside", "kafka.example.com"
		second.Map = map[int32]configs.Address{3: "b3.example.com:443"}
		c.Listeners = append(c.Listeners, second)
	})
	for _, node := range []int32{7, 3} {
		r.topology.learn(node, "127.0.0.1", int32(configs.Address(r.broker.Addr()).Port()), time.Now())
		for _, l := range r.listeners {
			if _, _, ok := l.advertised(node); !ok {
				t.Fatal("no port")
			}
		}
	}
	seen := make(chan struct{})
	r.broker.Script(fakebroker.Expect(protocol.Produce), fakebroker.Expect(protocol.Produce), fakebroker.Wait(seen))
	busy := r.dial()
	busy.Send(produce(9, -1, "orders", []string{"v"}))
	busy.Send(produce(9, -1, "orders", []string{"v"}))
	port := configs.Address(r.Brokers()[1].Advertised["default"]).Port()
	for range 2 {
		fakebroker.Dial(t, "127.0.0.1:"+strconv.Itoa(port))
	}
	eventually(t, "all to be connected and served", func() bool {
		used := r.Listeners()[0].Used
		return used.Connections == 3 && used.InFlight == 2
	})

	list := r.Listeners()
	limits := ListenerLimits{Connections: 40, ConnectionsPerIP: 1000, InFlight: 7, FrameBytes: 100 << 20, UnauthenticatedMs: 30_000}
	want := []ListenerView{
		{
			Name: "default", Advertise: "127.0.0.1", Ports: "0", Bootstrap: 1, Limits: limits, Address: r.Addresses()[0],
			Brokers: []ListenerBroker{{NodeID: 3}, {NodeID: 7, Connections: 2}},
			Used:    ListenerUsed{Connections: 3, ConnectionsPerIP: 3, InFlight: 2},
		},
		{
			Name: "outside", Advertise: "kafka.example.com", Ports: "0", Limits: limits, Address: r.Addresses()[1],
			Brokers: []ListenerBroker{{NodeID: 3}, {NodeID: 7}},
		},
	}
	if diff := cmp.Diff(want, list, cmpopts.IgnoreFields(ListenerBroker{}, "Advertised")); diff != "" {
		t.Error(diff)
	}
	brokers := r.Brokers()
	for i, b := range brokers {
		for _, l := range list {
			if l.Brokers[i].Advertised != b.Advertised[l.Name] || l.Brokers[i].Connections != b.Connections[l.Name] || len(b.Connections) != 2 {
				t.Errorf("listener %s says %+v of a broker, the broker %+v", l.Name, l.Brokers[i], b)
			}
		}
	}
	if got := brokers[0].Advertised["outside"]; got != "b3.example.com:443" {
		t.Errorf("broker 3 is at %s", got)
	}
	if n := r.Connections(); n != 3 {
		t.Errorf("%d connections", n)
	}
	close(seen) // the broker goes away
}

func TestListenersShowWhatIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := uint16(configs.Address(taken.Addr().String()).Port())
	a := newAuthority(t)
	r := newRig(t, func(c *configs.Config) {
		c.Listeners[0].TLS = a.server("listener", "require")
		c.Listeners[0].Ports = &configs.PortRange{First: port, Last: port}
	})
	r.topology.learn(1, "127.0.0.1", 1, time.Now())
	if b := r.Brokers(); len(b) != 1 || len(b[0].Advertised) != 0 {
		t.Errorf("%+v", b)
	}
	l := r.Listeners()[0]
	if len(l.Unmapped) != 1 || l.Unmapped[0] != 1 || len(l.Brokers) != 0 {
		t.Errorf("a broker without a port: %+v", l)
	}
	if !l.TLS || l.ClientAuth != "require" || !l.CertificateExpires.After(time.Now()) {
		t.Errorf("%+v", l)
	}
}
