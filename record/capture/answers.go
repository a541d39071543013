package capture

import (
	"encoding/binary"
	"slices"

	"warder/protocol"
	"warder/record"
)

// answer takes in the next bytes of the broker.
func (c *conversation) answer(b []byte) {
	for len(b) > 0 && !c.conn.dead {
		switch {
		case c.down.searching:
			if !c.beginsAnswer(b) {
				c.conn.source.counts.bytes(Unasked, len(b))
				return
			}
			c.down.searching = false
		case c.down.left > 0:
			b = c.pass(&c.down, record.Answer, b)
		default:
			b = c.beginAnswer(b)
		}
	}
}

// beginsAnswer says whether bytes are the beginning of an answer to a request that is
// open. Eight bytes tell that, which small numbers inside of an answer could be too: so
// they count only at the beginning of a segment, where answers to requests that wait for
// each other stand.
func (c *conversation) beginsAnswer(b []byte) bool {
	if len(b) < protocol.FrameLengthSize+protocol.MinResponseHeader {
		return false
	}
	if _, err := protocol.FrameSize(b, protocol.MinResponseHeader, maxAnswer); err != nil {
		return false
	}
	id := int32(binary.BigEndian.Uint32(b[protocol.FrameLengthSize:]))
	return slices.Contains(c.open, id) || c.answersMaybe(id)
}

// answersMaybe says whether an answer is one to the bytes that look like a request.
func (c *conversation) answersMaybe(id int32) bool {
	if c.maybe == nil {
		return false
	}
	h, err := protocol.ParseRequestHeader(c.maybe[protocol.FrameLengthSize:])
	return err == nil && h.CorrelationID == id && answered(&h, c.maybe)
}

// beginAnswer takes in bytes of an answer of which not enough has been seen yet to give
// it: all of a small one, the beginning of a large one.
func (c *conversation) beginAnswer(b []byte) (rest []byte) {
	frame, rest, size, enough := c.frame(&c.down, b)
	if !enough {
		return rest
	}
	c.taken(&c.down)
	id := int32(binary.BigEndian.Uint32(frame[protocol.FrameLengthSize:]))
	if c.answersMaybe(id) {
		c.believe()
		if c.conn.dead {
			return nil
		}
	}
	c.down.left, c.down.given = size-len(frame), false
	switch at := slices.Index(c.open, id); {
	case at < 0:
		c.conn.source.counts.bytes(Unasked, size)
	case at > 0: // brokers answer in order, so the answers to those before are lost
		c.lose()
		c.conn.source.counts.bytes(Unasked, size)
	default:
		c.open = slices.Delete(c.open, 0, 1)
		c.conn.source.counts.Answers++
		c.give(record.Answer, frame)
		c.down.given = true
	}
	return rest
}

// frame gives the bytes of the frame that begins in what f holds and b: whole if it is
// small, else as much as is held of one; and its size, with the length. What is all in b is
// not copied.
func (c *conversation) frame(f *flow, b []byte) (frame, rest []byte, size int, enough bool) {
	if len(f.buf) > 0 || len(b) < protocol.FrameLengthSize {
		if b, enough = c.collect(f, b, protocol.FrameLengthSize); !enough {
			return nil, b, 0, false
		}
	}
	head, least, limit := b, protocol.MinRequestHeader, protocol.DefaultMaxFrame
	if len(f.buf) > 0 {
		head = f.buf
	}
	if f == &c.down {
		least, limit = protocol.MinResponseHeader, maxAnswer
	}
	size, err := protocol.FrameSize(head, least, limit)
	if err != nil {
		c.noFrame(f, head, len(b))
		return nil, nil, 0, false
	}
	size += protocol.FrameLengthSize
	want := min(size, maxWhole)
	if len(f.buf) == 0 && len(b) >= want {
		return b[:want], b[want:], size, true
	}
	b, enough = c.collect(f, b, want)
	if !enough && c.conn.source.memory > maxMemory {
		c.lose()
		c.skip(f, 0)
	}
	return f.buf, b, size, enough
}

// noFrame is for bytes that begin no frame though one should begin there; n more come
// behind what f holds.
func (c *conversation) noFrame(f *flow, head []byte, n int) {
	n += len(f.buf)
	encrypted := c.first && protocol.LooksLikeTLS(head)
	c.taken(f)
	switch {
	case f == &c.down:
		c.conn.source.counts.bytes(Unasked, n)
		c.lose()
		f.searching = true
	case encrypted:
		c.stop(Encrypted, n)
	default:
		c.noRequest(n)
	}
}
