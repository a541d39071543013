package record

import (
	"maps"
	"slices"
	"time"

	"warder/rules"
)

// maxTopics bounds the topics that a snapshot tells of: as many as warder knows at most.
const maxTopics = 100_000

// known is what a segment must begin with to be read alone: the connections that are
// open, and what the cluster said of topics.
type known struct {
	conns  map[uint64]Entry // as they were opened, with the newest identity
	topics map[string]*rules.Topic
}

func newKnown() *known {
	return &known{conns: map[uint64]Entry{}, topics: map[string]*rules.Topic{}}
}

// apply takes in the entries of a block that change it.
func (k *known) apply(changes []Entry) {
	for i := range changes {
		e := &changes[i]
		switch e.Kind {
		case Opened:
			k.conns[e.Conn] = *e
		case Identified:
			if c, ok := k.conns[e.Conn]; ok {
				c.Identity = e.Identity
				k.conns[e.Conn] = c
			}
		case Closed:
			delete(k.conns, e.Conn)
		case Learned:
			if k.topics[e.Topic.Name] != nil || len(k.topics) < maxTopics {
				k.topics[e.Topic.Name] = e.Topic
			}
		case Request, Answer, Lost, Found, Passed:
		}
	}
}

// changes says whether an entry belongs to those that apply takes in.
func changes(kind Kind) bool {
	return kind == Opened || kind == Identified || kind == Closed || kind == Learned
}

// snapshot gives it as blocks, of a time.
func (k *known) snapshot(at time.Time) (blocks [][]byte, err error) {
	p := newPacker()
	add := func(e Entry) {
		e.At = at
		if err == nil {
			err = p.add(&e, place{})
		}
		if p.full() {
			blocks = append(blocks, p.seal(snapshotBlock))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(k.topics)) {
		add(Entry{Kind: Learned, Topic: k.topics[name]})
	}
	for _, conn := range slices.Sorted(maps.Keys(k.conns)) {
		add(k.conns[conn])
	}
	if !p.empty() {
		blocks = append(blocks, p.seal(snapshotBlock))
	}
	return blocks, err
}

// sealed is a block that is not written yet.
type sealed struct {
	block   []byte
	first   time.Time // of its entries
	changes []Entry   // what it adds to what is known
}

// cost is what it takes in memory, about.
func (s *sealed) cost() int { return len(s.block) + 256*len(s.changes) }

// ring keeps the newest blocks, of at most max bytes.
type ring struct {
	max, size int
	blocks    []sealed
}

// push adds a block, and hands those that have no room to evicted, oldest first.
func (r *ring) push(b sealed, evicted func(*sealed)) {
	r.blocks = append(r.blocks, b)
	r.size += b.cost()
	n := 0
	for ; r.size > r.max && n < len(r.blocks); n++ {
		r.size -= r.blocks[n].cost()
		evicted(&r.blocks[n])
	}
	r.blocks = slices.Delete(r.blocks, 0, n)
}

// take hands over all blocks, oldest first, and empties the ring.
func (r *ring) take() []sealed {
	blocks := r.blocks
	r.blocks, r.size = nil, 0
	return blocks
}
