package record

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/klauspost/compress/zstd"

	"warder/rules"
)

// An entry in a block is its kind (1 byte, with flags), the time since the entry before
// (uvarint, ns), the number of its connection (uvarint) and, of a Request or Answer, the
// number of the request within its connection; then a length (uvarint) and the data, or
// JSON. The content of a block begins with the time of its first entry (8 bytes).

// Flags of the kind.
const (
	kindMask      = 0x0f
	moreFlag      = 0x80 // Request, Answer: goes on with the frame that began before
	byBrokerFlag  = 0x40 // Closed: Entry.ByBroker
	contentsStart = 8
)

// place says where in its connection the data of a Request or Answer stands.
type place struct {
	request uint64 // of the connection, from 1: the one that this is, or that it answers
	more    bool   // the data goes on with a frame; else it begins one
}

// openedJSON is what Opened and Identified say.
type openedJSON struct {
	Remote   netip.AddrPort  `json:"remote,omitzero"`
	Broker   string          `json:"broker,omitempty"`
	Listener string          `json:"listener,omitempty"`
	Node     int32           `json:"node"`
	Identity *rules.Identity `json:"identity,omitempty"`
}

// packer collects entries and makes blocks of them.
type packer struct {
	zstd  *zstd.Encoder
	raw   []byte
	first time.Time // of the entries; zero when there are none
	last  time.Time
}

func newPacker() *packer {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(512<<10), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err) // the options are constants
	}
	return &packer{zstd: z}
}

// full says that the block should be sealed.
func (p *packer) full() bool { return len(p.raw) >= blockSize }

func (p *packer) empty() bool { return len(p.raw) == 0 }

// add appends an entry, whose data has at most maxEntry bytes. An entry that is older
// than the one before counts as having happened with it.
func (p *packer) add(e *Entry, at place) error {
	kind, body := byte(e.Kind), e.Data
	if at.more {
		kind |= moreFlag
	}
	if e.ByBroker {
		kind |= byBrokerFlag
	}
	said, err := toldInJSON(e)
	switch {
	case err != nil:
		return err
	case said != nil:
		body = said
	}
	if len(body) > maxEntry {
		return fmt.Errorf("an entry of %d bytes is too long for a recording", len(body))
	}
	p.tell(e.At, kind)
	p.raw = binary.AppendUvarint(p.raw, e.Conn)
	if e.Kind == Request || e.Kind == Answer {
		p.raw = binary.AppendUvarint(p.raw, at.request)
	}
	p.raw = binary.AppendUvarint(p.raw, uint64(len(body)))
	p.raw = append(p.raw, body...)
	return nil
}

// tell appends the kind and the time of an entry.
func (p *packer) tell(at time.Time, kind byte) {
	if p.empty() {
		p.first, p.last = at, at
		p.raw = binary.BigEndian.AppendUint64(p.raw, uint64(at.UnixNano()))
	}
	var since time.Duration
	if at.After(p.last) {
		since = at.Sub(p.last)
		p.last = at
	}
	p.raw = append(p.raw, kind)
	p.raw = binary.AppendUvarint(p.raw, uint64(since))
}

// toldInJSON gives what is not bytes of a connection; nil when there is nothing.
func toldInJSON(e *Entry) ([]byte, error) {
	switch e.Kind {
	case Opened:
		return json.Marshal(openedJSON{Remote: e.Remote, Broker: e.Broker, Listener: e.Listener, Node: e.Node, Identity: e.Identity})
	case Identified:
		return json.Marshal(openedJSON{Identity: e.Identity})
	case Learned:
		return json.Marshal(e.Topic)
	case Found:
		return json.Marshal(e.Finding)
	case Request, Answer, Lost, Closed, Passed:
	}
	return nil, nil
}

// seal gives the block of what was added, and begins another.
func (p *packer) seal(what byte) []byte {
	block := appendBlock(nil, what, p.zstd.EncodeAll(p.raw, nil))
	p.raw = p.raw[:0]
	return block
}
