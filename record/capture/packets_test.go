package capture_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/protocol/wire"
	"warder/record"
	"warder/record/capture"
)

var epoch = time.Date(2026, 11, 23, 17, 20, 47, 0, time.UTC)

// packets is a feed of what is in memory.
type packets struct{ list []capture.Packet }

func (p *packets) Read() (capture.Packet, error) {
	if len(p.list) == 0 {
		return capture.Packet{}, io.EOF
	}
	one := p.list[0]
	p.list = p.list[1:]
	// Nobody may keep what belongs to the feed.
	lent := slices.Clone(one.Data)
	if len(p.list) > 0 {
		one.Data = lent
	}
	return one, nil
}

// line is a connection whose packets are made by hand.
type line struct {
	t        *testing.T
	now      *time.Time
	client   netip.AddrPort
	broker   netip.AddrPort
	up, down uint32 // next sequence numbers
	list     *[]capture.Packet
}

func newLine(t *testing.T, client, broker string) *line {
	t.Helper()
	now := epoch
	return &line{
		t: t, now: &now, client: netip.MustParseAddrPort(client), broker: netip.MustParseAddrPort(broker), up: 1000, down: 5000,
		list: &[]capture.Packet{},
	}
}

// again is another connection between the same machines, in the same capture.
func (l *line) again(client string, up, down uint32) *line {
	other := *l
	other.client, other.up, other.down = netip.MustParseAddrPort(client), up, down
	return &other
}

// send makes a packet of the connection and adds it.
func (l *line) send(fromClient bool, seq, ack uint32, flags string, data []byte) {
	l.t.Helper()
	src, dst := l.client, l.broker
	if !fromClient {
		src, dst = dst, src
	}
	*l.now = l.now.Add(time.Millisecond)
	raw := serialize(l.t, link(layers.EthernetTypeIPv4, src), network(src, dst), tcp(src, dst, seq, ack, flags), gopacket.Payload(data))
	*l.list = append(*l.list, capture.Packet{At: *l.now, Data: raw, Length: len(raw), Link: layers.LinkTypeEthernet})
}

func link(kind layers.EthernetType, src netip.AddrPort) gopacket.SerializableLayer {
	if src.Addr().Is6() {
		kind = layers.EthernetTypeIPv6
	}
	return &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: kind}
}

func network(src, dst netip.AddrPort) gopacket.SerializableLayer {
	if src.Addr().Is6() {
		return &layers.IPv6{Version: 6, NextHeader: layers.IPProtocolTCP, SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice()}
	}
	return &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice()}
}

func tcp(src, dst netip.AddrPort, seq, ack uint32, flags string) *layers.TCP {
	return &layers.TCP{
		SrcPort: layers.TCPPort(src.Port()), DstPort: layers.TCPPort(dst.Port()), Seq: seq, Ack: ack,
		SYN: strings.Contains(flags, "S"), FIN: strings.Contains(flags, "F"), RST: strings.Contains(flags, "R"), ACK: strings.Contains(flags, "A"),
		Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindNop}, {OptionType: layers.TCPOptionKindNop}},
	}
}

func serialize(t *testing.T, all ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, all...); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(b.Bytes())
}

// open is the handshake.
func (l *line) open() *line {
	l.send(true, l.up, 0, "S", nil)
	l.send(false, l.down, l.up+1, "SA", nil)
	l.up, l.down = l.up+1, l.down+1
	l.send(true, l.up, l.down, "A", nil)
	return l
}

// ask sends bytes of the client, in one segment.
func (l *line) ask(b ...[]byte) *line {
	data := slices.Concat(b...)
	l.send(true, l.up, l.down, "A", data)
	l.up += uint32(len(data))
	return l
}

// reply sends bytes of the broker, which has received all.
func (l *line) reply(b ...[]byte) *line {
	data := slices.Concat(b...)
	l.send(false, l.down, l.up, "A", data)
	l.down += uint32(len(data))
	return l
}

// lose takes the packet that was sent last out of the capture.
func (l *line) lose() *line { return l.drop(1) }

func (l *line) drop(n int) *line {
	*l.list = (*l.list)[:len(*l.list)-n]
	return l
}

// swap exchanges the last two packets, but not their times.
func (l *line) swap() *line {
	all := *l.list
	a, b := &all[len(all)-2], &all[len(all)-1]
	a.Data, b.Data, a.Length, b.Length = b.Data, a.Data, b.Length, a.Length
	return l
}

func (l *line) wait(d time.Duration) *line {
	*l.now = l.now.Add(d)
	return l
}

func (l *line) close() *line {
	l.send(true, l.up, l.down, "FA", nil)
	l.send(false, l.down, l.up+1, "FA", nil)
	l.send(true, l.up+1, l.down+1, "A", nil)
	return l
}

// heartbeat is a request, and answer what a broker says to one.
func heartbeat(id int32) []byte {
	r := kmsg.NewPtrHeartbeatRequest()
	r.Group, r.MemberID, r.Generation, r.Version = "shop", "member", id, 4
	return request(id, r)
}

func request(id int32, r kmsg.Request) []byte {
	b := protocol.AppendRequestHeader(make([]byte, 4), r.Key(), r.GetVersion(), id, "client")
	return framed(r.AppendTo(b))
}

func answer(id int32, body ...byte) []byte {
	return framed(append(wire.AppendInt32(make([]byte, 4), id), body...))
}

// framed writes the length at the beginning.
func framed(b []byte) []byte {
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// produce is a request with a value of a size.
func produce(id int32, acks int16, size int) []byte {
	r := kmsg.NewPtrProduceRequest()
	r.Version, r.Acks = 9, acks
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = make([]byte, size)
	for i := range p.Records {
		p.Records[i] = byte(i*7) | 1
	}
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.Partitions = "orders", []kmsg.ProduceRequestTopicPartition{p}
	r.Topics = []kmsg.ProduceRequestTopic{topic}
	return request(id, r)
}

// seen is what a source gave.
type seen struct {
	t        *testing.T
	log      []string // what happened, in order: open, ask, reply, lost, close with the number of the connection
	up, down map[uint64][]byte
	counts   *capture.Counts
	entries  int
}

// readAll reads a source to its end, and holds it to what record promises.
func readAll(t *testing.T, s *capture.Source) *seen {
	t.Helper()
	return readEach(t, s, newContract(t).take)
}

// readBytes reads a source of mere bytes to its end.
func readBytes(t *testing.T, s *capture.Source) *seen {
	t.Helper()
	return readEach(t, s, func(*record.Entry) {})
}

func readEach(t *testing.T, s *capture.Source, take func(*record.Entry)) *seen {
	t.Helper()
	got := &seen{t: t, up: map[uint64][]byte{}, down: map[uint64][]byte{}, counts: s.Counts()}
	for {
		e, err := s.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got.entries++
		take(e)
		switch e.Kind {
		case record.Request:
			got.up[e.Conn] = append(got.up[e.Conn], e.Data...)
		case record.Answer:
			got.down[e.Conn] = append(got.down[e.Conn], e.Data...)
		default:
		}
		got.note(e)
	}
}

var words = map[record.Kind]string{record.Opened: "open", record.Request: "ask", record.Answer: "reply", record.Lost: "lost", record.Closed: "close"}

func (s *seen) note(e *record.Entry) {
	word := words[e.Kind]
	if n := len(s.log); e.Conn == 1 && word != "" {
		if n > 0 && s.log[n-1] == word {
			return
		}
		s.log = append(s.log, word)
	}
}

func (s *seen) story(want string) *seen {
	s.t.Helper()
	if got := strings.Join(s.log, " "); got != want {
		s.t.Errorf("the first connection was seen as\n%s, want\n%s", got, want)
	}
	return s
}

func (s *seen) asked(want ...[]byte) *seen {
	s.t.Helper()
	same(s.t, "requests", s.up[1], slices.Concat(want...))
	return s
}

func (s *seen) replied(want ...[]byte) *seen {
	s.t.Helper()
	same(s.t, "answers", s.down[1], slices.Concat(want...))
	return s
}

func (s *seen) skipped(reason capture.Reason) capture.Unfollowed {
	var found capture.Unfollowed
	s.counts.Unfollowed(func(r capture.Reason, u capture.Unfollowed) {
		if r == reason {
			found = u
		}
	})
	return found
}

func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d bytes %.60x…, want %d bytes %.60x…", what, len(got), got, len(want), want)
	}
}

func (l *line) read(ports ...uint16) *seen {
	l.t.Helper()
	return readAll(l.t, capture.New(&packets{*l.list}, ports))
}

// contract checks entries against what record promises of them.
type contract struct {
	t     *testing.T
	at    time.Time
	conns map[uint64]*agreed
}

type agreed struct {
	closed   bool
	up, down []byte  // of the frame that has begun
	open     []int32 // requests without an answer
}

func newContract(t *testing.T) *contract {
	t.Helper()
	return &contract{t: t, conns: map[uint64]*agreed{}}
}

func (c *contract) take(e *record.Entry) {
	c.t.Helper()
	if e.At.Before(c.at) {
		c.t.Fatalf("time goes back from %s to %s", c.at, e.At)
	}
	c.at = e.At
	of := c.conns[e.Conn]
	switch {
	case e.Kind == record.Passed:
		return
	case e.Kind == record.Opened:
		if of != nil || e.Conn == 0 || !e.Remote.IsValid() || e.Broker == "" || e.Node != -1 {
			c.t.Fatalf("opened: %+v", e)
		}
		c.conns[e.Conn] = &agreed{}
		return
	case of == nil || of.closed:
		c.t.Fatalf("%s on a connection that is not open", words[e.Kind])
	}
	switch e.Kind {
	case record.Request:
		of.up = c.frames(append(of.up, e.Data...), func(f []byte) {
			h, err := protocol.ParseRequestHeader(f)
			if err != nil {
				c.t.Fatalf("a request with the header %.20x: %v", f, err)
			}
			if acks, err := protocol.PeekProduceAcks(h.Version, f[h.Size:]); h.Key == protocol.Produce && err == nil && acks == 0 {
				return
			}
			of.open = append(of.open, h.CorrelationID)
		})
	case record.Answer:
		of.down = c.frames(append(of.down, e.Data...), func(f []byte) {
			id := int32(binary.BigEndian.Uint32(f))
			if len(of.open) == 0 || of.open[0] != id {
				c.t.Fatalf("an answer to %d; open are %v", id, of.open)
			}
			of.open = of.open[1:]
		})
	case record.Lost:
		if len(of.up) > 0 || len(of.down) > 0 {
			c.t.Fatalf("lost in the middle of frames: %d bytes of a request, %d of an answer", len(of.up), len(of.down))
		}
		of.open = nil
	case record.Closed:
		of.closed = true
	default:
	}
}

// frames takes the whole frames out of b.
func (c *contract) frames(b []byte, each func([]byte)) (rest []byte) {
	for len(b) >= 4 {
		size := int(binary.BigEndian.Uint32(b))
		if len(b) < 4+size {
			break
		}
		each(b[4 : 4+size])
		b = b[4+size:]
	}
	return slices.Clone(b)
}

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func fetch(id int32, version int16, replica int32) []byte {
	r := kmsg.NewPtrFetchRequest()
	r.Version, r.ReplicaID, r.ReplicaState.ID = version, replica, replica
	return request(id, r)
}
