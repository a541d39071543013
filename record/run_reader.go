package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

type segmentFile struct {
	path   string
	header Header
}

// runReader gives the segments of one run as one row of entries.
type runReader struct {
	files   []segmentFile // in order
	done    int           // of them, that were opened
	numbers *uint64       // of connections, of all runs

	head    *Entry // the entry at hand; nil before the first and after the last
	entry   Entry
	at      time.Time
	waiting []due // go before anything else is read
	blocks  *unpacker
	file    *segmentReader
	last    *Header // of the segment that was read last; nil when a part of it is missing
	conns   map[uint64]*readConn
	// while the snapshot of a segment is read that does not follow upon the last:
	// what it tells of; nil otherwise
	snapshot map[uint64]bool
	skipping bool // the snapshot says nothing new
	left     []Left
}

// due is an entry that was not read but follows from what was.
type due struct {
	entry Entry
	zeros int64 // how much data it has left, all zeros
}

// maxConns bounds the connections that are open at one time in one run; a file that
// has more is not one of ours.
const maxConns = 1 << 20

// readConn is an open connection.
type readConn struct {
	number uint64
	first  uint64   // the first request since it was opened or lost; 0 before
	rest   [2]int64 // of the frames under way: of the request, of the answer
}

var zeros [maxEntry]byte

func newRunReader(numbers *uint64) *runReader {
	return &runReader{numbers: numbers, conns: map[uint64]*readConn{}}
}

func (r *runReader) begins() time.Time { return r.files[0].header.Begins }

// advance makes head the next entry.
func (r *runReader) advance() error {
	for {
		if r.due() {
			return nil
		}
		if r.file == nil {
			if err := r.nextFile(); err != nil {
				return err
			}
			continue
		}
		at, left, err := r.file.next(&r.entry)
		if left != nil {
			r.left, r.last = append(r.left, *left), nil
		}
		switch {
		case errors.Is(err, io.EOF):
			err = r.file.close()
			r.file = nil
			r.endSnapshot()
			if err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		r.at = r.entry.At
		take, err := r.take(at)
		if err != nil {
			return err
		}
		if take {
			r.waiting = append(r.waiting, due{entry: r.entry})
		}
	}
}

// due makes head what is waiting.
func (r *runReader) due() bool {
	if len(r.waiting) == 0 {
		return false
	}
	next := &r.waiting[0]
	r.entry = next.entry
	r.head = &r.entry
	if next.zeros > 0 {
		n := min(next.zeros, maxEntry)
		r.entry.Data = zeros[:n:n]
		if next.zeros -= n; next.zeros > 0 {
			return true
		}
	}
	if r.waiting = r.waiting[1:]; len(r.waiting) == 0 {
		r.waiting = nil
	}
	return true
}

// nextFile opens the next segment. Behind the last one all connections end.
func (r *runReader) nextFile() error {
	if r.done == len(r.files) {
		if len(r.conns) == 0 {
			return io.EOF
		}
		for _, conn := range slices.Sorted(maps.Keys(r.conns)) {
			r.lose(conn)
		}
		return nil
	}
	if r.blocks == nil {
		r.blocks = newUnpacker()
	}
	file, err := openSegment(r.files[r.done].path, r.blocks)
	if err != nil {
		return err
	}
	r.done++
	h := &file.header
	r.skipping = h.Continues && r.last != nil && h.Segment == r.last.Segment+1
	if !r.skipping {
		r.snapshot = map[uint64]bool{}
	}
	r.file, r.last = file, h
	return nil
}

// take looks at the entry at hand and reports whether it is to be given as it is.
func (r *runReader) take(at place) (bool, error) {
	e := &r.entry
	if r.file.what == snapshotBlock {
		return r.takeSnapshot()
	}
	r.endSnapshot()
	if e.Kind == Learned || e.Kind == Found {
		return true, nil
	}
	c := r.conns[e.Conn]
	switch {
	case e.Kind == Opened && c == nil:
		return r.open()
	case c == nil, e.Kind == Opened:
		return false, nil
	}
	conn := e.Conn
	e.Conn = c.number
	switch e.Kind {
	case Request:
		return r.takeData(c, 0, at), nil
	case Answer:
		return r.takeData(c, 1, at), nil
	case Lost:
		r.fill(c)
		c.first = 0
	case Closed:
		r.fill(c)
		delete(r.conns, conn)
	case Identified, Opened, Learned, Found, Passed:
	}
	return true, nil
}

func (r *runReader) open() (bool, error) {
	if len(r.conns) >= maxConns {
		return false, fmt.Errorf("%s: more than %d connections are open", r.file.path, maxConns)
	}
	*r.numbers++
	r.conns[r.entry.Conn] = &readConn{number: *r.numbers}
	r.entry.Conn = *r.numbers
	return true, nil
}

// takeData follows the frames of a connection. What cannot be understood without what
// came before is left out.
func (r *runReader) takeData(c *readConn, way int, at place) bool {
	e := &r.entry
	n := int64(len(e.Data))
	if at.more {
		if n > c.rest[way] {
			return false
		}
		c.rest[way] -= n
		return true
	}
	if n < 4 || c.rest[way] > 0 {
		return false
	}
	if e.Kind == Request && c.first == 0 {
		c.first = max(at.request, 1)
	}
	size := 4 + int64(int32(binary.BigEndian.Uint32(e.Data)))
	if n > size || e.Kind == Answer && (c.first == 0 || at.request < c.first) {
		return false
	}
	c.rest[way] = size - n
	return true
}

// fill fills up the frames that are under way.
func (r *runReader) fill(c *readConn) {
	for way, kind := range [2]Kind{Request, Answer} {
		if rest := c.rest[way]; rest > 0 {
			r.waiting = append(r.waiting, due{Entry{At: r.at, Kind: kind, Conn: c.number}, rest})
			c.rest[way] = 0
		}
	}
}

// takeSnapshot is take for what was before the segment.
func (r *runReader) takeSnapshot() (bool, error) {
	e := &r.entry
	if r.skipping {
		return false, nil
	}
	if e.Kind != Opened {
		return e.Kind == Learned, nil
	}
	if r.snapshot == nil { // entries came before it
		return false, nil
	}
	r.snapshot[e.Conn] = true
	c := r.conns[e.Conn]
	if c == nil {
		return r.open()
	}
	r.fill(c)
	c.first = 0
	r.waiting = append(r.waiting, due{entry: Entry{At: r.at, Kind: Lost, Conn: c.number}})
	e.Kind, e.Conn = Identified, c.number
	return e.Identity != nil, nil
}

// endSnapshot ends the connections that it does not tell of.
func (r *runReader) endSnapshot() {
	if r.snapshot == nil {
		return
	}
	known := r.snapshot
	r.snapshot = nil
	for _, conn := range slices.Sorted(maps.Keys(r.conns)) {
		if !known[conn] {
			r.lose(conn)
		}
	}
}

// lose ends a connection whose end is not told.
func (r *runReader) lose(conn uint64) {
	c := r.conns[conn]
	delete(r.conns, conn)
	r.fill(c)
	r.waiting = append(r.waiting, due{entry: Entry{At: r.at, Kind: Closed, Conn: c.number, ByBroker: true}})
}

func (r *runReader) close() error {
	if r.blocks != nil {
		r.blocks.close()
	}
	if r.file == nil {
		return nil
	}
	err := r.file.close()
	r.file = nil
	return err
}
