package capture

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"warder/protocol"
	"warder/record"
)

// request takes in the next bytes of the client.
func (c *conversation) request(b []byte) {
	if c.up.searching && c.number == 0 && encrypted(b) {
		c.stop(Encrypted, len(b))
		return
	}
	for len(b) > 0 && !c.conn.dead {
		switch {
		case c.up.searching:
			b = c.search(b)
		case c.up.left > 0:
			b = c.pass(&c.up, record.Request, b)
		default:
			b = c.beginRequest(b)
		}
	}
}

// encrypted says whether bytes in the middle of a connection are a TLS record (RFC 8446
// section 5.1). Read as the length of a request they would claim 335 MiB or more.
func encrypted(b []byte) bool {
	return len(b) >= 3 && b[0] >= 0x14 && b[0] <= 0x17 && b[1] == 3 && b[2] <= 4
}

// beginRequest takes in bytes of a request of which not enough has been seen yet to
// judge it: all of a small one, the beginning of a large one.
func (c *conversation) beginRequest(b []byte) (rest []byte) {
	frame, rest, size, enough := c.frame(&c.up, b)
	if !enough {
		return rest
	}
	// Of the frame nothing is kept here: what is given belongs to the entry.
	c.taken(&c.up)
	h, err := protocol.ParseRequestHeader(frame[protocol.FrameLengthSize:])
	if err != nil || (c.first || c.trust != sure) && !plausible(&h) {
		c.noRequest(len(frame))
		return rest
	}
	c.judge(&h, frame, size)
	return rest
}

// noRequest is for bytes that are no request though one should begin there.
func (c *conversation) noRequest(n int) {
	if c.first {
		why := NotKafka
		if s := c.conn.source; !s.ports[c.conn.broker.Port()] {
			why = Other // nobody said that it would be
		}
		c.stop(why, n)
		return
	}
	c.conn.source.counts.bytes(BeforeSync, n)
	if c.trust == sure {
		c.lose()
	}
	c.doubt()
	c.up.searching = true
}

// plausible says whether a header can be that of a request where that is not known:
// an API and version that exist, and a client id that is text. A client may ask for a
// version that is newer than this program; it learns from the broker by ApiVersions.
func plausible(h *protocol.RequestHeader) bool {
	if h.API == nil || h.Version < 0 || !utf8.Valid(h.ClientID) {
		return false
	}
	return h.Version <= h.API.Max+1 || h.Key == protocol.ApiVersions && h.Version < 16
}

// judge says what becomes of a request whose header is known.
func (c *conversation) judge(h *protocol.RequestHeader, frame []byte, size int) {
	c.first = false
	c.up.left, c.up.given = size-len(frame), false
	if c.trust == hopeful {
		c.trust = waiting
		if c.up.left > 0 { // too large to keep
			c.conn.source.counts.bytes(BeforeSync, size)
			return
		}
		c.maybe = slices.Clone(frame)
		c.conn.source.memory += cap(c.maybe)
		return
	}
	c.believe()
	if !c.conn.dead {
		c.up.given = c.found(h, frame)
	}
}

// unfit says why a connection with such a request is not followed.
func (c *conversation) unfit(h *protocol.RequestHeader, frame []byte) Reason {
	switch {
	case h.API != nil && h.API.Treatment == protocol.TreatRefuse:
		return BetweenBrokers
	case h.Key == protocol.SaslHandshake && h.Version == 0:
		return SaslV0
	case h.Key == protocol.Fetch && !c.asked:
		c.asked = true
		fetch, err := protocol.ParseFetchRequest(h.Version, frame[protocol.FrameLengthSize+h.Size:])
		if err == nil && fetch.ReplicaID >= 0 {
			return BetweenBrokers
		}
	}
	return Other
}

// believe is called when what looked like requests was seen to be that.
func (c *conversation) believe() {
	frame := c.maybe
	c.trust, c.maybe = sure, nil
	c.conn.source.memory -= cap(frame)
	if frame == nil {
		return
	}
	if h, err := protocol.ParseRequestHeader(frame[protocol.FrameLengthSize:]); err == nil {
		c.found(&h, frame)
	}
}

// doubt is called when it was not.
func (c *conversation) doubt() {
	c.conn.source.counts.bytes(BeforeSync, len(c.maybe))
	c.conn.source.memory -= cap(c.maybe)
	c.trust, c.maybe = sure, nil
}

// found gives a request, or the beginning of a large one, unless it tells that the
// connection is none to follow.
func (c *conversation) found(h *protocol.RequestHeader, frame []byte) bool {
	if why := c.unfit(h, frame); why != Other {
		c.stop(why, len(frame))
		return false
	}
	if len(c.open) >= maxOpen {
		c.lose()
	}
	c.conn.source.counts.Requests++
	c.give(record.Request, frame)
	if answered(h, frame) {
		c.open = append(c.open, h.CorrelationID)
	}
	return true
}

// answered says whether a request has an answer: all have, but Produce with acks=0.
func answered(h *protocol.RequestHeader, frame []byte) bool {
	if h.Key != protocol.Produce {
		return true
	}
	acks, err := protocol.PeekProduceAcks(h.Version, frame[protocol.FrameLengthSize+h.Size:])
	return err != nil || acks != 0
}

// search looks for a request in bytes of which that is not known. It may stand
// anywhere: behind the end of another one, in the middle of a segment.
func (c *conversation) search(b []byte) (rest []byte) {
	for at := 0; at+protocol.FrameLengthSize+protocol.MinRequestHeader < len(b); at++ {
		// Most places fall by their first bytes: lengths below 128 MiB, keys below 256.
		if b[at] >= 8 || b[at+4] != 0 || b[at+6] != 0 {
			continue
		}
		size := binary.BigEndian.Uint32(b[at:])
		if size < protocol.MinRequestHeader || size > protocol.DefaultMaxFrame {
			continue
		}
		head := b[at+protocol.FrameLengthSize:]
		h, err := protocol.ParseRequestHeader(head[:min(len(head), int(size))])
		if err == nil && plausible(&h) {
			c.conn.source.counts.bytes(BeforeSync, at)
			c.up.searching, c.trust = false, hopeful
			return b[at:]
		}
	}
	c.conn.source.counts.bytes(BeforeSync, len(b))
	return nil
}
