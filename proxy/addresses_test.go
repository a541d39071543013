package proxy

import (
	"fmt"
	"net"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/configs"
	"warder/protocol"
	"warder/test/fakebroker"
)

// address is what an answer says of a broker.
type address struct {
	Node int32
	Host string
	Port int32
}

// carriers makes an answer of each API that names brokers, and finds them in one.
var carriers = []struct {
	key  int16
	from int16 // first version that carries addresses
	make func(version int16, brokers []address) kmsg.Response
	find func(kmsg.Response) []address
}{
	{protocol.Metadata, 0, func(v int16, brokers []address) kmsg.Response {
		r := kmsg.NewPtrMetadataResponse()
		for _, b := range brokers {
			x := kmsg.NewMetadataResponseBroker()
			x.NodeID, x.Host, x.Port = b.Node, b.Host, b.Port
			r.Brokers = append(r.Brokers, x)
		}
		return r
	}, func(r kmsg.Response) (list []address) {
		for _, b := range r.(*kmsg.MetadataResponse).Brokers {
			list = append(list, address{b.NodeID, b.Host, b.Port})
		}
		return list
	}},
	{protocol.FindCoordinator, 0, func(v int16, brokers []address) kmsg.Response {
		r := kmsg.NewPtrFindCoordinatorResponse()
		if v < 4 {
			r.NodeID, r.Host, r.Port = brokers[0].Node, brokers[0].Host, brokers[0].Port
			return r
		}
		for _, b := range brokers {
			x := kmsg.NewFindCoordinatorResponseCoordinator()
			x.Key, x.NodeID, x.Host, x.Port = "g", b.Node, b.Host, b.Port
			r.Coordinators = append(r.Coordinators, x)
		}
		return r
	}, func(resp kmsg.Response) (list []address) {
		r := resp.(*kmsg.FindCoordinatorResponse)
		if r.Version < 4 {
			return []address{{r.NodeID, r.Host, r.Port}}
		}
		for _, b := range r.Coordinators {
			list = append(list, address{b.NodeID, b.Host, b.Port})
		}
		return list
	}},
	{protocol.DescribeCluster, 0, func(v int16, brokers []address) kmsg.Response {
		r := kmsg.NewPtrDescribeClusterResponse()
		for _, b := range brokers {
			x := kmsg.NewDescribeClusterResponseBroker()
			x.NodeID, x.Host, x.Port = b.Node, b.Host, b.Port
			r.Brokers = append(r.Brokers, x)
		}
		return r
	}, func(r kmsg.Response) (list []address) {
		for _, b := range r.(*kmsg.DescribeClusterResponse).Brokers {
			list = append(list, address{b.NodeID, b.Host, b.Port})
		}
		return list
	}},
	{protocol.Produce, produceEndpointsSince, func(v int16, brokers []address) kmsg.Response {
		r := kmsg.NewPtrProduceResponse()
		for _, b := range brokers {
			x := kmsg.NewProduceResponseBroker()
			x.NodeID, x.Host, x.Port = b.Node, b.Host, b.Port
			r.Brokers = append(r.Brokers, x)
		}
		return r
	}, func(r kmsg.Response) (list []address) {
		for _, b := range r.(*kmsg.ProduceResponse).Brokers {
			list = append(list, address{b.NodeID, b.Host, b.Port})
		}
		return list
	}},
	{protocol.Fetch, fetchEndpointsSince, func(v int16, brokers []address) kmsg.Response {
		r := kmsg.NewPtrFetchResponse()
		for _, b := range brokers {
			x := kmsg.NewFetchResponseBroker()
			x.NodeID, x.Host, x.Port = b.Node, b.Host, b.Port
			r.Brokers = append(r.Brokers, x)
		}
		return r
	}, func(r kmsg.Response) (list []address) {
		for _, b := range r.(*kmsg.FetchResponse).Brokers {
			list = append(list, address{b.NodeID, b.Host, b.Port})
		}
		return list
	}},
	{protocol.ShareFetch, 1, func(v int16, brokers []address) kmsg.Response {
		r := kmsg.NewPtrShareFetchResponse()
		for _, b := range brokers {
			x := kmsg.NewShareFetchResponseNodeEndpoint()
			x.NodeID, x.Host, x.Port = b.Node, b.Host, b.Port
			r.NodeEndpoints = append(r.NodeEndpoints, x)
		}
		return r
	}, func(r kmsg.Response) (list []address) {
		for _, b := range r.(*kmsg.ShareFetchResponse).NodeEndpoints {
			list = append(list, address{b.NodeID, b.Host, b.Port})
		}
		return list
	}},
	{protocol.ShareAcknowledge, 1, func(v int16, brokers []address) kmsg.Response {
		r := kmsg.NewPtrShareAcknowledgeResponse()
		for _, b := range brokers {
			x := kmsg.NewShareAcknowledgeResponseNodeEndpoint()
			x.NodeID, x.Host, x.Port = b.Node, b.Host, b.Port
			r.NodeEndpoints = append(r.NodeEndpoints, x)
		}
		return r
	}, func(r kmsg.Response) (list []address) {
		for _, b := range r.(*kmsg.ShareAcknowledgeResponse).NodeEndpoints {
			list = append(list, address{b.NodeID, b.Host, b.Port})
		}
		return list
	}},
}

// answerWith lets the broker answer an API with what make returns, at the version that was asked.
func (r *rig) answerWith(key int16, make func(version int16) kmsg.Response) {
	r.broker.Handle(key, func(f *fakebroker.Frame) []byte {
		resp := make(f.Version)
		resp.SetVersion(f.Version)
		return resp.AppendTo(nil)
	})
}

// requestOf is a small request of an API that kmsg fills with defaults.
func requestOf(key, version int16) kmsg.Request {
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	if p, ok := req.(*kmsg.ProduceRequest); ok {
		p.Acks = -1
	}
	return req
}

func TestEveryCarrierOfAddressesIsRewritten(t *testing.T) {
	for _, carrier := range carriers {
		api := protocol.LookupAPI(carrier.key)
		for version := max(carrier.from, api.Min); version <= api.Max; version++ {
			t.Run(fmt.Sprintf("%s v%d", api.Name, version), func(t *testing.T) {
				r := newRig(t, nil)
				// Neither broker was named before: a leader may move to a new one.
				brokers := []address{{5, "broker-5.internal", 9092}}
				if carrier.key != protocol.FindCoordinator || version >= 4 {
					brokers = append(brokers, address{2_000_001, "10.9.8.7", 19092})
				}
				r.answerWith(carrier.key, func(v int16) kmsg.Response { return carrier.make(v, brokers) })
				c := r.dial()
				got := carrier.find(c.Do(requestOf(carrier.key, version)))
				if len(got) != len(brokers) {
					t.Fatalf("%d brokers in the answer, want %d", len(got), len(brokers))
				}
				for i, b := range got {
					if b.Node != brokers[i].Node || b.Host != "127.0.0.1" || b.Port == brokers[i].Port {
						t.Errorf("client is sent to %+v for %+v", b, brokers[i])
					}
					conn, err := net.Dial("tcp", net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))))
					if err != nil {
						t.Fatalf("the port given for node %d is not served: %v", b.Node, err)
					}
					conn.Close()
				}
			})
		}
	}
}

func TestCoordinatorThatIsNotThereIsLeftAlone(t *testing.T) {
	r := newRig(t, nil)
	r.answerWith(protocol.FindCoordinator, func(int16) kmsg.Response {
		resp := kmsg.NewPtrFindCoordinatorResponse()
		resp.ErrorCode, resp.NodeID, resp.Host, resp.Port = 15, -1, "", -1
		return resp
	})
	c := r.dial()
	got, _ := c.Do(requestOf(protocol.FindCoordinator, 2)).(*kmsg.FindCoordinatorResponse)
	if got.ErrorCode != 15 || got.NodeID != -1 || got.Host != "" || got.Port != -1 {
		t.Errorf("changed to %+v", got)
	}
}

func TestPortsAreStable(t *testing.T) {
	free := freePorts(t, 4)
	first := free[0]
	r := newRig(t, func(c *configs.Config) {
		c.Listeners[0].Ports = &configs.PortRange{First: first, Last: first + 3}
		c.StateFile = configs.Path(t.TempDir() + "/state.json")
	})
	brokers := []address{{1, "b", 1}, {1001, "b", 2}, {2_000_001, "b", 3}}
	r.answerWith(protocol.Metadata, func(v int16) kmsg.Response { return carriers[0].make(v, brokers) })
	got := carriers[0].find(r.dial().Do(requestOf(protocol.Metadata, 9)))
	// First port plus id where that fits, else the next free one.
	want := []address{{1, "127.0.0.1", int32(first) + 1}, {1001, "127.0.0.1", int32(first)}, {2_000_001, "127.0.0.1", int32(first) + 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}

	// After a restart every port is served at once, by the state file.
	if err := r.save(); err != nil {
		t.Fatal(err)
	}
	path := r.stateFile.path
	r.drain()
	again := newRigAt(t, r.broker, r.broker.Addr(), func(c *configs.Config) {
		c.Listeners[0].Ports = &configs.PortRange{First: first, Last: first + 3}
		c.StateFile = configs.Path(path)
	})
	for _, b := range want {
		conn, err := net.Dial("tcp", net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))))
		if err != nil {
			t.Fatalf("node %d: %v", b.Node, err)
		}
		conn.Close()
	}
	// A broker that appears later cannot take the port of one that is away.
	brokers = []address{{0, "b", 4}}
	again.answerWith(protocol.Metadata, func(v int16) kmsg.Response { return carriers[0].make(v, brokers) })
	got = carriers[0].find(again.dial().Do(requestOf(protocol.Metadata, 9)))
	if want := (address{0, "127.0.0.1", int32(first) + 3}); len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestBrokerWithoutAPortIsLeftOut(t *testing.T) {
	first := freePorts(t, 1)[0]
	r := newRig(t, func(c *configs.Config) { c.Listeners[0].Ports = &configs.PortRange{First: first, Last: first} })
	brokers := []address{{1, "b", 1}, {2, "b", 2}}
	r.answerWith(protocol.Metadata, func(v int16) kmsg.Response { return carriers[0].make(v, brokers) })
	got := carriers[0].find(r.dial().Do(requestOf(protocol.Metadata, 12)))
	if len(got) != 1 || got[0].Node != 1 {
		t.Errorf("got %+v, want node 1 alone", got)
	}
	r.logged("widen listeners[].ports")
}

func TestExplicitMapIsAdvertised(t *testing.T) {
	r := newRig(t, func(c *configs.Config) {
		c.Listeners[0].Map = map[int32]configs.Address{7: "broker-7.example:9097"}
	})
	r.answerWith(protocol.Metadata, func(v int16) kmsg.Response { return carriers[0].make(v, []address{{7, "b", 1}}) })
	got := carriers[0].find(r.dial().Do(requestOf(protocol.Metadata, 12)))
	if want := (address{7, "broker-7.example", 9097}); len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestBrokerPortReachesThatBrokerAndFollowsItsMoves(t *testing.T) {
	r := newRig(t, nil)
	five := fakebroker.New(t, fakebroker.NodeID(5))
	five.Handle(opaque, echo)
	host, port := five.HostPort()
	r.answerWith(protocol.Metadata, func(v int16) kmsg.Response { return carriers[0].make(v, []address{{5, host, port}}) })
	boot := r.dial()
	got := carriers[0].find(boot.Do(requestOf(protocol.Metadata, 12)))
	addr := net.JoinHostPort(got[0].Host, strconv.Itoa(int(got[0].Port)))
	c := fakebroker.Dial(t, addr)
	c.Write(opaqueRequest(1, 3))
	c.Next()

	moved := fakebroker.New(t, fakebroker.NodeID(5))
	moved.Handle(opaque, echo)
	host, port = moved.HostPort()
	if again := carriers[0].find(boot.Do(requestOf(protocol.Metadata, 12))); again[0] != got[0] {
		t.Errorf("clients are given %+v after the move, %+v before", again[0], got[0])
	}
	five.Close()
	c = fakebroker.Dial(t, addr)
	c.Write(opaqueRequest(2, 3))
	c.Next()
	if n := len(moved.Conns()); n != 1 {
		t.Errorf("%d connections at the broker's new address", n)
	}
}

func TestLargeFetchAnswerIsRewrittenAtEqualLength(t *testing.T) {
	for _, host := range []string{"broker-5.with-a-long-name.example.internal", "b"} {
		t.Run(host, func(t *testing.T) {
			r := newRig(t, nil)
			records := make([]byte, 5*windowSize+123)
			for i := range records {
				records[i] = byte(i * 7)
			}
			r.answerWith(protocol.Fetch, func(v int16) kmsg.Response {
				resp, _ := carriers[4].make(v, []address{{5, host, 9092}}).(*kmsg.FetchResponse)
				for range 2 {
					topic := kmsg.NewFetchResponseTopic()
					p := kmsg.NewFetchResponseTopicPartition()
					p.RecordBatches = records
					topic.Partitions = append(topic.Partitions, p)
					resp.Topics = append(resp.Topics, topic)
				}
				return resp
			})
			c := r.dial()
			req := requestOf(protocol.Fetch, 17)
			got, _ := c.Do(req).(*kmsg.FetchResponse)
			if len(got.Topics) != 2 || string(got.Topics[1].Partitions[0].RecordBatches) != string(records) {
				t.Fatal("the records differ")
			}
			for _, b := range got.Brokers {
				if b.Host != "127.0.0.1" {
					t.Errorf("client is sent to %s", b.Host)
				}
			}
			if len(host) > 20 && len(got.Brokers) != 1 {
				t.Errorf("%d brokers though there was room", len(got.Brokers))
			}
			c.Do(req) // the stream goes on
		})
	}
}

// freePorts returns n consecutive ports that are free now, the first of them first.
func freePorts(t *testing.T, n int) []uint16 {
	t.Helper()
	for first := 20_000 + (len(t.Name())*131)%9_000; first < 32_000; first += n + 1 {
		var list []uint16
		for port := first; port < first+n; port++ {
			ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if err != nil {
				break
			}
			defer ln.Close()
			list = append(list, uint16(port))
		}
		if len(list) == n {
			return list
		}
	}
	t.Fatal("no free ports")
	return nil
}
