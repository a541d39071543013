package pcapng

import (
	"encoding/binary"
	"hash/fnv"
	"net"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"warder/record"
)

// way is a direction.
type way int

const (
	toBroker way = iota
	toClient
)

// ends are the two addresses of a connection, which no other has at the same time.
type ends struct{ client, broker netip.AddrPort }

// conn is an open connection.
type conn struct {
	ends ends
	next [2]uint32 // sequence numbers, by way
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// endsOf gives a connection its addresses: the client's own, and the broker's where it
// is known by number and of the same family; else one made up of its name, from the
// range that RFC 2544 sets aside, or of IPv6 from a unique local one.
func (x *exporter) endsOf(e *record.Entry) ends {
	client := unmapped(e.Remote)
	if !client.IsValid() {
		client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 19, byte(e.Conn >> 8), byte(e.Conn)}), 50_000)
	}
	host, _, err := net.SplitHostPort(e.Broker)
	if err != nil {
		host = e.Broker
	}
	broker, err := netip.ParseAddr(host)
	broker = broker.Unmap()
	for again := byte(0); ; again++ {
		if err != nil || broker.Is4() != client.Addr().Is4() || again > 0 {
			broker = madeUp(e.Broker, again, client.Addr().Is4())
		}
		both := ends{client, netip.AddrPortFrom(broker.WithZone(""), brokerPort)}
		if !x.inUse[both] || again == 255 {
			return both
		}
	}
}

// madeUp gives the same address for the same name.
func madeUp(name string, again byte, v4 bool) netip.Addr {
	h := fnv.New64a()
	h.Write([]byte(name))
	h.Write([]byte{again})
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], h.Sum64())
	if v4 {
		return netip.AddrFrom4([4]byte{198, 18, sum[6], sum[7]})
	}
	a := [16]byte{0xfd}
	copy(a[8:], sum[:])
	return netip.AddrFrom16(a)
}

// packet is what a packet says.
type packet struct {
	syn, ack, fin, push bool
	data                []byte
	comment             string
}

// maxComment bounds a comment, in bytes: it may hold what clients chose.
const maxComment = 4 << 10

// addresses of Ethernet that nobody has (locally administered).
var macs = [2]net.HardwareAddr{{0x02, 0, 0, 0, 0, 1}, {0x02, 0, 0, 0, 0, 2}}

// packet writes a packet in one direction.
func (x *exporter) packet(c *conn, way way, at time.Time, p packet) error {
	from, to := c.ends.client, c.ends.broker
	if way == toClient {
		from, to = to, from
	}
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(from.Port()), DstPort: layers.TCPPort(to.Port()), Seq: c.next[way],
		SYN: p.syn, ACK: p.ack, FIN: p.fin, PSH: p.push, Window: 0xffff,
	}
	if p.ack {
		tcp.Ack = c.next[1-way]
	}
	c.next[way] += uint32(len(p.data))
	if p.syn || p.fin {
		c.next[way]++
	}
	ethernet := &layers.Ethernet{SrcMAC: macs[way], DstMAC: macs[1-way], EthernetType: layers.EthernetTypeIPv4}
	var network gopacket.SerializableLayer
	var checksummed gopacket.NetworkLayer
	if from.Addr().Is4() {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice()}
		network, checksummed = ip, ip
	} else {
		ethernet.EthernetType = layers.EthernetTypeIPv6
		ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice()}
		network, checksummed = ip, ip
	}
	if err := tcp.SetNetworkLayerForChecksum(checksummed); err != nil {
		return err
	}
	err := gopacket.SerializeLayers(x.buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ethernet, network, tcp, gopacket.Payload(p.data))
	if err != nil {
		return err
	}
	x.written.Packets++
	raw := x.buffer.Bytes()
	ci := gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(raw), Length: len(raw)}
	if p.comment == "" {
		return x.out.WritePacket(ci, raw)
	}
	comment := p.comment[:min(len(p.comment), maxComment)]
	return x.out.WritePacketWithOptions(ci, raw, pcapgo.NgPacketOptions{Comments: []string{comment}})
}
