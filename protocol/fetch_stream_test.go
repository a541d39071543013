package protocol_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
)

// windowCursor is a Cursor as a session has it: what Peek returns is good until
// the next call only, and what passes by is written out.
type windowCursor struct {
	t      *testing.T
	rest   []byte
	window []byte
	out    []byte
	peeked int   // the most that was asked for
	failAt int   // the call that fails, counting from 1; 0 for none
	calls  int   // so far
	err    error // of the call that fails
}

func newWindowCursor(t *testing.T, b []byte) *windowCursor {
	t.Helper()
	return &windowCursor{t: t, rest: b}
}

func (c *windowCursor) call() error {
	clear(c.window) // what was peeked before is gone
	c.calls++
	if c.calls == c.failAt {
		return c.err
	}
	return nil
}

func (c *windowCursor) Peek(n int) ([]byte, error) {
	if n < 0 || n > protocol.MaxPeek || n > len(c.rest) {
		c.t.Fatalf("Peek(%d) with %d bytes left", n, len(c.rest))
	}
	if err := c.call(); err != nil {
		return nil, err
	}
	c.peeked = max(c.peeked, n)
	c.window = append(c.window[:0], c.rest[:n]...)
	return c.window, nil
}

func (c *windowCursor) Advance(n int) error {
	if n < 0 || n > len(c.rest) {
		c.t.Fatalf("Advance(%d) with %d bytes left", n, len(c.rest))
	}
	if err := c.call(); err != nil {
		return err
	}
	c.out = append(c.out, c.rest[:n]...)
	c.rest = c.rest[n:]
	return nil
}

func (c *windowCursor) Remaining() int { return len(c.rest) }

func TestFetchStreamAgreesWithKmsg(t *testing.T) {
	var stream protocol.FetchResponseStream // one for all: Reset is part of the test
	forVersions(t, fetchMax, func(run versionCase) {
		t, version, g := run.T, run.version, run.generator
		resp := g.fetchResponse(version)
		body := resp.AppendTo(nil)
		c := newWindowCursor(t, body)
		if err := stream.Reset(version, c); err != nil {
			t.Fatal(err)
		}
		checkFetchPartitionsOf(t, &stream, resp, true)
		checkFetchHead(t, resp, stream.ThrottleMs, stream.ErrorCode, stream.SessionID)
		if stream.Err() != nil || !bytes.Equal(append(c.out, c.rest...), body) {
			t.Fatalf("error %v, or bytes were lost on the way", stream.Err())
		}
	})
}

// The caller may take the records, or a part of them, from the Cursor itself.
func TestFetchStreamLetsTheCallerTakeRecords(t *testing.T) {
	forVersions(t, fetchMax, func(run versionCase) {
		t, version, g := run.T, run.version, run.generator
		resp := g.fetchResponse(version)
		c := newWindowCursor(t, resp.AppendTo(nil))
		var stream protocol.FetchResponseStream
		if err := stream.Reset(version, c); err != nil {
			t.Fatal(err)
		}
		taking := takingStream{stream: &stream, c: c, g: g}
		checkFetchPartitionsOf(t, taking, resp, true)
	})
}

type takingStream struct {
	stream *protocol.FetchResponseStream
	c      protocol.Cursor
	g      generator
}

func (s takingStream) Next(out *protocol.FetchResponsePartition) bool {
	if !s.stream.Next(out) {
		return false
	}
	return s.c.Advance(s.g.IntN(out.RecordsSize+1)) == nil
}

func TestFetchStreamEveryPrefixIsMalformed(t *testing.T) {
	keep := func(e protocol.Endpoint) (protocol.Endpoint, bool) { return e, true }
	for v := range fetchMax + 1 {
		resp := newGenerator(uint64(v) + 70).fetchResponse(v)
		body := resp.AppendTo(nil)
		_, whole := protocol.WalkFetchResponse(v, newWindowCursor(t, body), keep)
		if whole != nil {
			t.Fatal(whole)
		}
		end := len(body)
		if v < 16 {
			end -= tailSize(t, v, body) // not looked at
		}
		checkPrefixes(t, body[:end], func(b []byte) error {
			_, err := protocol.WalkFetchResponse(v, newWindowCursor(t, b), keep)
			return err
		})
	}
}

// tailSize returns how many bytes the tags at the end take.
func tailSize(t *testing.T, version int16, body []byte) int {
	t.Helper()
	c := newWindowCursor(t, body)
	if _, err := protocol.WalkFetchResponse(version, c, shout); err != nil {
		t.Fatal(err)
	}
	return c.Remaining()
}

// What the Cursor says of the connection is no fault of the bytes.
func TestFetchStreamReturnsTheErrorOfTheCursor(t *testing.T) {
	broken := errors.New("connection reset")
	body := newGenerator(12).fetchResponse(17).AppendTo(nil)
	whole := newWindowCursor(t, body)
	if _, err := protocol.WalkFetchResponse(17, whole, shout); err != nil {
		t.Fatal(err)
	}
	for n := range whole.calls {
		c := newWindowCursor(t, body)
		c.failAt, c.err = n+1, broken
		if _, err := protocol.WalkFetchResponse(17, c, shout); !errors.Is(err, broken) {
			t.Fatalf("call %d failed: error %v, want that of the cursor", n+1, err)
		}
	}
}

func TestFetchStreamRefusesLongNames(t *testing.T) {
	resp := kmsg.NewPtrFetchResponse()
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic = string(bytes.Repeat([]byte("x"), 250))
	resp.Version, resp.Topics = 12, append(resp.Topics, topic)
	var malformed *protocol.MalformedError
	if _, err := protocol.WalkFetchResponse(12, newWindowCursor(t, resp.AppendTo(nil)), shout); !errors.As(err, &malformed) || !strings.Contains(err.Error(), "topic name of 250 bytes") {
		t.Errorf("error %v, want one that names the length", err)
	}
}

func TestFetchStreamHoldsNoRecords(t *testing.T) {
	resp := newGenerator(1).fetchResponse(17)
	topic, part := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
	part.RecordBatches = make([]byte, 10<<20)
	topic.Partitions = append(topic.Partitions, part)
	resp.Topics = append(resp.Topics, topic)
	c := newWindowCursor(t, resp.AppendTo(nil))
	if _, err := protocol.WalkFetchResponse(17, c, shout); err != nil || c.peeked > protocol.MaxPeek {
		t.Errorf("error %v, %d bytes held", err, c.peeked)
	}
}

func TestFetchStreamAllocatesNothing(t *testing.T) {
	for v := range fetchMax + 1 {
		g := newGenerator(5)
		resp := g.fetchResponse(v)
		resp.Brokers = nil
		body := resp.AppendTo(nil)
		var stream protocol.FetchResponseStream
		c := protocol.NewMemoryCursor(nil)
		if n := testing.AllocsPerRun(50, func() {
			*c = *protocol.NewMemoryCursor(body)
			if _, err := protocol.WalkFetchResponse(v, c, shout); err != nil {
				t.Fatal(err)
			}
			*c = *protocol.NewMemoryCursor(body)
			if err := stream.Reset(v, c); err != nil {
				t.Fatal(err)
			}
			for part := (protocol.FetchResponsePartition{}); stream.Next(&part); {
			}
		}); n != 0 {
			t.Errorf("v%d: %v allocations, want none", v, n)
		}
	}
}
