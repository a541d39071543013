package capture

import (
	"net"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

var payload = gopacket.Payload("payload of the segment")

func packet(t *testing.T, all ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, append(all, payload)...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func someTCP() *layers.TCP {
	return &layers.TCP{SrcPort: 40000, DstPort: 9092, Seq: 7, Ack: 9, ACK: true, FIN: true, Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindNop}}}
}

func someIPv4() *layers.IPv4 {
	return &layers.IPv4{Version: 4, Protocol: layers.IPProtocolTCP, SrcIP: net.IPv4(10, 0, 0, 5).To4(), DstIP: net.IPv4(10, 0, 0, 9).To4()}
}

func someIPv6() *layers.IPv6 {
	return &layers.IPv6{Version: 6, NextHeader: layers.IPProtocolTCP, SrcIP: net.ParseIP("fd00::5"), DstIP: net.ParseIP("fd00::9")}
}

func ether(kind layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: kind}
}

// Each kind of packet was built by gopacket, whose own reading is not used.
func TestLinkTypes(t *testing.T) {
	ipv4, ipv6 := packet(t, someIPv4(), someTCP()), packet(t, someIPv6(), someTCP())
	extended := someIPv6()
	extended.NextHeader = layers.IPProtocolIPv6HopByHop
	hops := gopacket.Payload{60, 0, 1, 4, 0, 0, 0, 0, 6, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} // and options for the destination
	cooked2 := append([]byte{0x08, 0x00, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6}, make([]byte, 8)...)
	vlan := func(next layers.EthernetType) *layers.Dot1Q { return &layers.Dot1Q{VLANIdentifier: 7, Type: next} }
	for name, c := range map[string]struct {
		link layers.LinkType
		raw  []byte
		six  bool
	}{
		"ethernet":           {layers.LinkTypeEthernet, packet(t, ether(layers.EthernetTypeIPv4), someIPv4(), someTCP()), false},
		"ethernet, IPv6":     {layers.LinkTypeEthernet, packet(t, ether(layers.EthernetTypeIPv6), someIPv6(), someTCP()), true},
		"VLAN":               {layers.LinkTypeEthernet, packet(t, ether(layers.EthernetTypeDot1Q), vlan(layers.EthernetTypeIPv4), someIPv4(), someTCP()), false},
		"VLAN in VLAN":       {layers.LinkTypeEthernet, packet(t, ether(layers.EthernetTypeQinQ), vlan(layers.EthernetTypeDot1Q), vlan(layers.EthernetTypeIPv4), someIPv4(), someTCP()), false},
		"cooked":             {layers.LinkTypeLinuxSLL, append([]byte{0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00}, ipv4...), false},
		"cooked, version 2":  {layers.LinkTypeLinuxSLL2, append(cooked2, ipv4...), false},
		"raw":                {layers.LinkTypeRaw, ipv4, false},
		"raw, IPv6":          {layers.LinkTypeRaw, ipv6, true},
		"raw, said IPv6":     {layers.LinkTypeIPv6, ipv6, true},
		"loopback":           {layers.LinkTypeNull, append([]byte{2, 0, 0, 0}, ipv4...), false},
		"loopback, IPv6":     {layers.LinkTypeNull, append([]byte{30, 0, 0, 0}, ipv6...), true},
		"loopback of BSD":    {layers.LinkTypeLoop, append([]byte{0, 0, 0, 2}, ipv4...), false},
		"extension headers":  {layers.LinkTypeRaw, packet(t, extended, hops, someTCP()), true},
		"padded":             {layers.LinkTypeEthernet, append(packet(t, ether(layers.EthernetTypeIPv4), someIPv4(), someTCP()), make([]byte, 20)...), false},
		"length left to us":  {layers.LinkTypeRaw, lengthless(ipv4, 2), false},
		"the same with IPv6": {layers.LinkTypeRaw, lengthless(ipv6, 4), true},
	} {
		s, why, ok := parse(c.link, c.raw, len(c.raw))
		if !ok {
			t.Errorf("%s: %s", name, why)
			continue
		}
		if string(s.data) != string(payload) || s.missing != 0 || s.seq != 7 || s.ack != 9 || !s.has(flagACK) || !s.has(flagFIN) || s.has(flagSYN|flagRST) {
			t.Errorf("%s: %+v", name, s)
		}
		from, to := "10.0.0.5:40000", "10.0.0.9:9092"
		if c.six {
			from, to = "[fd00::5]:40000", "[fd00::9]:9092"
		}
		if s.src.String() != from || s.dst.String() != to {
			t.Errorf("%s: from %s to %s", name, s.src, s.dst)
		}
	}
}

// lengthless is a packet as segmentation offload leaves it.
func lengthless(p []byte, at int) []byte {
	p = append([]byte{}, p...)
	p[at], p[at+1] = 0, 0
	return p
}

func TestUnparsedPackets(t *testing.T) {
	whole := packet(t, ether(layers.EthernetTypeIPv4), someIPv4(), someTCP())
	fragment, later := someIPv4(), someIPv4()
	fragment.Flags, later.FragOffset = layers.IPv4MoreFragments, 100
	udp := someIPv4()
	udp.Protocol = layers.IPProtocolUDP
	six := someIPv6()
	six.NextHeader = layers.IPProtocolIPv6Fragment
	bent := packet(t, someIPv4(), someTCP())
	bent[0] = 0x41
	for name, c := range map[string]struct {
		link layers.LinkType
		raw  []byte
		why  Reason
	}{
		"first fragment":       {layers.LinkTypeRaw, packet(t, fragment, someTCP()), Fragment},
		"later fragment":       {layers.LinkTypeRaw, packet(t, later, someTCP()), Fragment},
		"fragment of IPv6":     {layers.LinkTypeRaw, packet(t, six, someTCP()), Fragment},
		"UDP":                  {layers.LinkTypeRaw, packet(t, udp), Other},
		"ARP":                  {layers.LinkTypeEthernet, packet(t, ether(layers.EthernetTypeARP)), Other},
		"cut in the TCP head":  {layers.LinkTypeEthernet, whole[:14+20+19], Truncated},
		"cut in the IP head":   {layers.LinkTypeEthernet, whole[:14+19], Truncated},
		"cut in the link head": {layers.LinkTypeEthernet, whole[:13], Truncated},
		"wireless":             {layers.LinkTypeIEEE802_11, whole, UnsupportedLink},
		"header too short":     {layers.LinkTypeRaw, bent, Malformed},
	} {
		if _, why, ok := parse(c.link, c.raw, len(c.raw)); ok || why != c.why {
			t.Errorf("%s: %v %s, want %s", name, ok, why, c.why)
		}
	}
}

func TestSnappedPayload(t *testing.T) {
	whole := packet(t, ether(layers.EthernetTypeIPv4), someIPv4(), someTCP())
	for cut := range len(payload) + 1 {
		s, _, ok := parse(layers.LinkTypeEthernet, whole[:len(whole)-cut], len(whole))
		if !ok || s.missing != cut || string(s.data) != string(payload[:len(payload)-cut]) {
			t.Errorf("%d bytes cut: %v, %d missing, %q", cut, ok, s.missing, s.data)
		}
	}
	// Options are cut too: nothing is known of the payload but its length.
	if s, _, ok := parse(layers.LinkTypeEthernet, whole[:14+20+20], len(whole)); !ok || s.missing != len(payload) || len(s.data) != 0 {
		t.Errorf("%v %+v", ok, s)
	}
}
