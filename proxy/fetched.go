package proxy

import (
	"time"

	"warder/protocol"
	"warder/protocol/records"
	"warder/rules/engine"
)

// What rules are shown of the records that consumers fetch. The bytes go out
// first: a batch is looked into when it has been passed on, from the window while
// it is still there or from a copy that was made while it passed. An answer costs
// no more memory than its largest batch that is looked into, see
// engine.FetchGate, and the client never waits for a rule.

// fetching is what a session needs once it has Fetch answers that are more than
// relayed. It belongs to the response loop.
type fetching struct {
	gate        *engine.FetchGate // nil until a rule wants what is fetched
	mapEndpoint protocol.MapEndpoint
	namesAt     time.Time // when names of topics were asked for

	// of the answer at hand
	cursor frameCursor
	stream protocol.FetchResponseStream
	part   protocol.FetchResponsePartition
}

func (s *session) fetchingOf() *fetching {
	if s.fetching == nil {
		s.fetching = &fetching{mapEndpoint: s.mapEndpoint}
	}
	return s.fetching
}

func (f *fetching) close() {
	if f != nil && f.gate != nil {
		f.gate.Close()
	}
}

// looksIntoFetched says whether rules will be shown anything of the answer that
// begins now.
func (s *session) looksIntoFetched() bool {
	if !s.srv.engine.WantsFetched() {
		return false
	}
	f := s.fetchingOf()
	if f.gate == nil {
		f.gate = s.srv.engine.FetchGate()
	}
	return f.gate.Begin(s.identity.Load(), s.out.readAt)
}

// lookIntoWindow shows rules an answer that has been passed on and whose bytes
// still stand in the window: neither passing nor writing moves them.
func (s *session) lookIntoWindow(resp *protocol.FetchResponse) error {
	if err := s.out.push(); err != nil {
		return s.deliveryError(err)
	}
	it := resp.Partitions()
	for p := (protocol.FetchResponsePartition{}); it.Next(&p); {
		s.fetching.gate.Inspect(p.Topic, p.TopicID, p.Partition, p.Records)
	}
	s.nameFetched()
	return nil
}

// lookWhilePassing shows rules what they want of the partition whose records are
// next, and passes these on. What nobody wants is left to the walk. The error is that
// of reading or of writing.
func (f *fetching) lookWhilePassing() error {
	p, c := &f.part, &f.cursor
	if !f.gate.Partition(p.Topic, p.TopicID, p.Partition, p.RecordsSize) {
		return nil
	}
	behind := c.left - p.RecordsSize
	for {
		left := c.left - behind
		head, err := c.Peek(min(left, records.PeekSize))
		if err != nil {
			return err
		}
		size, look := f.gate.Next(head, left)
		switch {
		case size == 0:
			return nil
		case look:
			err = f.lookAtBatch(size)
		default:
			err = c.Advance(size)
		}
		if err != nil {
			return err
		}
	}
}

// writtenFirst is the size from which on a batch in the window is written out
// before it is looked into: up to there looking takes no longer than the write.
const writtenFirst = 4 << 10

// lookAtBatch passes the next size bytes, a batch, and shows them to rules.
func (f *fetching) lookAtBatch(size int) error {
	c := &f.cursor
	if size <= c.w.buffered() {
		batch, err := c.passBuffered(size)
		if err == nil && size >= writtenFirst {
			err = c.w.push()
		}
		if err == nil {
			f.gate.Look(batch)
		}
		return err
	}
	frame := protocol.NewFrame(size)
	defer frame.Release()
	if err := c.copyWhilePassing(frame.Bytes()); err != nil {
		return err
	}
	if err := c.w.push(); err != nil {
		return err
	}
	f.gate.Look(frame.Bytes())
	return nil
}

// fetchedNamesEvery is how often a session asks for the names of topics that it
// fetches from.
const fetchedNamesEvery = time.Second

// nameFetched asks for the names of topics that could not be looked into for want
// of one.
func (s *session) nameFetched() {
	f := s.fetching
	if ids := f.gate.Unnamed(); len(ids) > 0 && s.out.readAt.Sub(f.namesAt) >= fetchedNamesEvery {
		f.namesAt = s.out.readAt
		s.srv.lookups.wantNames(s, ids)
	}
}
