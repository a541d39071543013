package pcapng

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"warder/record"
	"warder/rules"
)

// source gives entries.
type source struct{ entries []record.Entry }

func (s *source) Next() (*record.Entry, error) {
	if len(s.entries) == 0 {
		return nil, io.EOF
	}
	e := &s.entries[0]
	s.entries = s.entries[1:]
	return e, nil
}

var begin = time.Date(2026, 11, 26, 3, 0, 0, 123456789, time.UTC)

// stream is one direction of a connection, as a reader of the capture sees it.
type stream struct {
	data     []byte
	next     uint32
	syn, fin int
	largest  int
}

// captured is what a capture holds.
type captured struct {
	streams  map[string]*stream // by source and destination
	comments []string
	times    []time.Time
}

// capture writes entries and reads the capture again: checksums must be right, and
// segments follow upon each other.
func capture(t *testing.T, entries ...record.Entry) (*captured, Written) {
	t.Helper()
	var b bytes.Buffer
	written, err := Write(&b, &source{entries}, "a test")
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewNgReader(&b, pcapgo.NgReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := &captured{streams: map[string]*stream{}}
	for {
		raw, ci, opts, err := r.ReadPacketDataWithOptions()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		c.comments = append(c.comments, opts.Comments...)
		c.times = append(c.times, ci.Timestamp.UTC())
		c.add(t, raw)
	}
	return c, written
}

func (c *captured) add(t *testing.T, raw []byte) {
	t.Helper()
	p := gopacket.NewPacket(raw, layers.LayerTypeEthernet, gopacket.Default)
	if err := p.ErrorLayer(); err != nil {
		t.Fatal(err.Error())
	}
	tcp, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
	if !ok {
		t.Fatalf("no TCP: %v", p)
	}
	if err := tcp.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
		t.Fatal(err)
	}
	if err, bad := p.VerifyChecksums(); err != nil || len(bad) > 0 {
		t.Fatalf("checksums: %v, %v", err, bad)
	}
	flow, ports := p.NetworkLayer().NetworkFlow(), tcp.TransportFlow()
	key := flow.Src().String() + ":" + ports.Src().String() + " " + flow.Dst().String() + ":" + ports.Dst().String()
	s := c.streams[key]
	if s == nil || tcp.SYN {
		s = &stream{next: tcp.Seq}
		c.streams[key] = s
	}
	if tcp.Seq != s.next {
		t.Fatalf("%s: sequence number %d, want %d", key, tcp.Seq, s.next)
	}
	back := c.streams[flow.Dst().String()+":"+ports.Dst().String()+" "+flow.Src().String()+":"+ports.Src().String()]
	if tcp.ACK && tcp.Ack != back.next {
		t.Fatalf("%s: acknowledges %d, want %d", key, tcp.Ack, back.next)
	}
	if tcp.SYN {
		s.syn++
		s.next++
	}
	if tcp.FIN {
		s.fin++
		s.next++
	}
	s.data = append(s.data, tcp.Payload...)
	s.next += uint32(len(tcp.Payload))
	s.largest = max(s.largest, len(tcp.Payload))
}

func opened(n uint64, remote, broker string) record.Entry {
	return record.Entry{At: begin, Kind: record.Opened, Conn: n, Remote: netip.MustParseAddrPort(remote), Broker: broker, Node: 3, Listener: "local"}
}

func TestCaptureIsTCP(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789"), 1000)
	remote := "10.0.0.7:40001"
	c, written := capture(t,
		opened(1, remote, "10.1.1.1:9093"),
		record.Entry{At: begin.Add(time.Millisecond), Kind: record.Request, Conn: 1, Data: large},
		record.Entry{At: begin.Add(2 * time.Millisecond), Kind: record.Answer, Conn: 1, Data: []byte("yes")},
		record.Entry{At: begin, Kind: record.Lost, Conn: 1},
		record.Entry{At: begin, Kind: record.Identified, Conn: 1, Identity: &rules.Identity{Principal: "User:a"}},
		record.Entry{At: begin, Kind: record.Found, Finding: &rules.Finding{Rule: "tombstone", Severity: rules.Critical, Action: rules.Block, Subject: rules.Subject{Remote: remote}, Summary: "a null value"}},
		record.Entry{At: begin, Kind: record.Found, Finding: &rules.Finding{Rule: "lag-skew", Severity: rules.Warning}},
		record.Entry{At: begin, Kind: record.Request, Conn: 1, Data: []byte("more")},
		record.Entry{At: begin.Add(time.Second), Kind: record.Closed, Conn: 1, ByBroker: true},
		record.Entry{At: begin.Add(time.Second), Kind: record.Request, Conn: 1, Data: []byte("late")},
	)
	up, down := c.streams[remote+" 10.1.1.1:9092"], c.streams["10.1.1.1:9092 "+remote]
	if up == nil || down == nil || len(c.streams) != 2 {
		t.Fatalf("streams: %v", c.streams)
	}
	if string(up.data) != string(large)+"more" || string(down.data) != "yes" {
		t.Errorf("%d bytes up, %d down", len(up.data), len(down.data))
	}
	if up.largest > maxSegment || up.syn != 1 || down.syn != 1 || up.fin != 1 || down.fin != 1 {
		t.Errorf("up %+v, down %+v", up, down)
	}
	want := []string{
		"warder: connection 1 to broker 10.1.1.1:9093 (node 3), listener local",
		"warder: bytes are missing here",
		"warder: critical tombstone (block): a null value",
	}
	if !slices.Equal(c.comments, want) {
		t.Errorf("comments: %q", c.comments)
	}
	if written.Connections != 1 || written.Packets != len(c.times) || !c.times[0].Equal(begin) || !c.times[len(c.times)-1].Equal(begin.Add(time.Second)) {
		t.Errorf("%+v, %v", written, c.times)
	}
}

// No two connections that are open at one time have the same addresses, whatever the
// brokers are called; each can be told by them.
func TestAddressesTellConnectionsApart(t *testing.T) {
	entries := []record.Entry{
		opened(1, "127.0.0.1:40001", "127.0.0.1:9093"),
		opened(2, "127.0.0.1:40001", "127.0.0.1:9094"),
		opened(3, "127.0.0.1:40001", "kafka-1.internal:9092"),
		opened(4, "[::1]:40001", "kafka-1.internal:9092"),
		opened(5, "[::1]:40001", "127.0.0.1:9093"),
		opened(6, "127.0.0.1:40001", "[2001:db8::1]:9092"),
		{At: begin, Kind: record.Opened, Conn: 7, Broker: "kafka-1:9092", Node: -1},
	}
	for n := range uint64(7) {
		entries = append(entries, record.Entry{At: begin, Kind: record.Request, Conn: n + 1, Data: []byte{byte('a' + n)}})
	}
	c, _ := capture(t, entries...)
	var seen []string
	for key, s := range c.streams {
		if strings.HasSuffix(key, ":9092") {
			seen = append(seen, string(s.data))
		}
	}
	slices.Sort(seen)
	if got := strings.Join(seen, ""); got != "abcdefg" {
		t.Errorf("connections: %q", seen)
	}
}

// A client that comes back from the same port is a new connection.
func TestPortThatIsUsedAgain(t *testing.T) {
	c, written := capture(t,
		opened(1, "10.0.0.7:40001", "10.1.1.1:9092"), record.Entry{At: begin, Kind: record.Closed, Conn: 1},
		opened(2, "10.0.0.7:40001", "10.1.1.1:9092"), record.Entry{At: begin, Kind: record.Request, Conn: 2, Data: []byte("x")},
	)
	if written.Connections != 2 || len(c.streams) != 2 || string(c.streams["10.0.0.7:40001 10.1.1.1:9092"].data) != "x" {
		t.Errorf("%+v, %v", written, c.streams)
	}
}

type failing struct{}

func (failing) Next() (*record.Entry, error) { return nil, io.ErrClosedPipe }

func TestErrorOfTheSourceIsGiven(t *testing.T) {
	if _, err := Write(io.Discard, failing{}, ""); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}
