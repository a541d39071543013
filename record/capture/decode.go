package capture

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopacket/gopacket/layers"
)

// Flags of a TCP header (RFC 9293 section 3.1).
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	_
	flagACK
)

// segment is a TCP segment. data aliases the packet.
type segment struct {
	src, dst netip.AddrPort
	seq, ack uint32
	flags    uint8
	data     []byte // the payload, as far as it was captured
	missing  int    // bytes at the end of the payload that were not
}

func (s *segment) has(flag uint8) bool { return s.flags&flag != 0 }

// size is the length of the payload as it was sent.
func (s *segment) size() int { return len(s.data) + s.missing }

// Numbers of protocols.
const (
	etherIPv4   = 0x0800
	etherIPv6   = 0x86dd
	etherVLAN   = 0x8100 // IEEE 802.1Q
	etherQinQ   = 0x88a8 // IEEE 802.1ad
	etherOldQ   = 0x9100 // as switches tagged twice before 802.1ad
	protoTCP    = 6
	protoHop    = 0
	protoRoute  = 43
	protoFrag   = 44
	protoAuth   = 51
	protoDest   = 60
	protoMob    = 135
	tcpHeader   = 20
	ipv4Header  = 20
	ipv6Header  = 40
	arpHeadWifi = 803 // ARPHRD_IEEE80211_RADIOTAP: what follows is no IP packet
)

// parse finds the TCP segment in a packet of the link type. length is what the
// packet was when it was sent; p may be shorter. ok is false where there is no
// segment; then why says what could not be followed, or is Other.
func parse(link layers.LinkType, p []byte, length int) (s segment, why Reason, ok bool) {
	proto, head, why := linkLayer(link, p)
	if why != Other {
		return s, why, false
	}
	p, length = p[head:], length-head
	switch proto {
	case etherIPv4:
		return parseIPv4(p, length)
	case etherIPv6:
		return parseIPv6(p, length)
	}
	return s, Other, false
}

// linkLayer gives the EtherType of what follows the header of the link layer, and
// where it begins. Where that is none, proto is 0.
func linkLayer(link layers.LinkType, p []byte) (proto uint16, head int, why Reason) {
	var at int // where the EtherType stands
	switch link {
	case layers.LinkTypeEthernet:
		at, head = 12, 14
	case layers.LinkTypeLinuxSLL:
		at, head = 14, 16
	case layers.LinkTypeLinuxSLL2:
		at, head = 0, 20
	case layers.LinkTypeRaw, layers.LinkTypeIPv4, layers.LinkTypeIPv6, 12, 14: // 12, 14: raw IP as BSDs number it
		return ipVersion(p), 0, Other
	case layers.LinkTypeNull, layers.LinkTypeLoop:
		// Four bytes name the address family, by numbers that differ between
		// systems, in the order of bytes of the machine (Null). The packet says it too.
		if len(p) < 4 {
			return 0, 0, Truncated
		}
		return ipVersion(p[4:]), 4, Other
	default:
		return 0, 0, UnsupportedLink
	}
	if len(p) < head {
		return 0, 0, Truncated
	}
	if link == layers.LinkTypeLinuxSLL2 && binary.BigEndian.Uint16(p[8:]) == arpHeadWifi {
		return 0, 0, UnsupportedLink
	}
	proto = binary.BigEndian.Uint16(p[at:])
	for proto == etherVLAN || proto == etherQinQ || proto == etherOldQ {
		if len(p) < head+4 {
			return 0, 0, Truncated
		}
		proto = binary.BigEndian.Uint16(p[head+2:])
		head += 4
	}
	return proto, head, Other
}

func ipVersion(p []byte) uint16 {
	switch {
	case len(p) > 0 && p[0]>>4 == 4:
		return etherIPv4
	case len(p) > 0 && p[0]>>4 == 6:
		return etherIPv6
	}
	return 0
}

func parseIPv4(p []byte, length int) (s segment, why Reason, ok bool) {
	if len(p) < ipv4Header {
		return s, Truncated, false
	}
	head, total := int(p[0]&0x0f)*4, int(binary.BigEndian.Uint16(p[2:]))
	if total == 0 { // the card cuts it into packets, or joined them, and one of more than 64 KiB has no length
		total = length
	}
	switch {
	case p[9] != protoTCP:
		return s, Other, false
	case head < ipv4Header || total < head || p[0]>>4 != 4:
		return s, Malformed, false
	case binary.BigEndian.Uint16(p[6:])&0x3fff != 0: // more fragments, or an offset
		return s, Fragment, false
	case len(p) < head:
		return s, Truncated, false
	}
	src, _ := netip.AddrFromSlice(p[12:16])
	dst, _ := netip.AddrFromSlice(p[16:20])
	return parseTCP(src, dst, p[head:], total-head)
}

func parseIPv6(p []byte, length int) (s segment, why Reason, ok bool) {
	if len(p) < ipv6Header {
		return s, Truncated, false
	}
	left := int(binary.BigEndian.Uint16(p[4:]))
	if left == 0 { // a jumbogram (RFC 2675), which Linux also makes of what the card joined
		left = length - ipv6Header
	}
	src, _ := netip.AddrFromSlice(p[8:24])
	dst, _ := netip.AddrFromSlice(p[24:40])
	next := p[6]
	for p = p[ipv6Header:]; next != protoTCP; {
		size := 0
		switch next {
		case protoFrag:
			return s, Fragment, false
		case protoHop, protoRoute, protoDest, protoMob:
			if len(p) >= 2 {
				size = int(p[1])*8 + 8
			}
		case protoAuth:
			if len(p) >= 2 {
				size = int(p[1])*4 + 8
			}
		default:
			return s, Other, false
		}
		if size == 0 || len(p) < size {
			return s, Truncated, false
		}
		next, p, left = p[0], p[size:], left-size
	}
	return parseTCP(src, dst, p, left)
}

// parseTCP reads a segment that is length bytes long with its header.
func parseTCP(src, dst netip.Addr, p []byte, length int) (s segment, why Reason, ok bool) {
	if len(p) < tcpHeader {
		return s, Truncated, false
	}
	head := int(p[12]>>4) * 4
	if head < tcpHeader || length < head {
		return s, Malformed, false
	}
	s = segment{
		src: netip.AddrPortFrom(src, binary.BigEndian.Uint16(p)), dst: netip.AddrPortFrom(dst, binary.BigEndian.Uint16(p[2:])),
		seq: binary.BigEndian.Uint32(p[4:]), ack: binary.BigEndian.Uint32(p[8:]), flags: p[13],
	}
	size := length - head
	s.data = p[min(head, len(p)):]
	s.data = s.data[:min(size, len(s.data))] // short packets are padded
	s.missing = size - len(s.data)
	return s, Other, true
}
