package fakebroker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// Step is one act of a script. It returns an error when the peer did not do what the script expects.
// A plain function is a step too, where the ones below do not suffice.
type Step func(*Play) error

// Play is a running script: its connection and the requests it has taken that await an answer.
type Play struct {
	*Conn
	pending []*Frame
	closed  <-chan struct{}
}

func (b *Broker) runScript(c *Conn, steps []Step) {
	p := &Play{Conn: c, closed: b.closed}
	for i, step := range steps {
		if err := step(p); err != nil {
			b.fail("connection %d: script step %d: %v", c.ID, i, err)
			return
		}
	}
}

// Expect takes the next request and fails unless it has this key; any version will do.
func Expect(key int16) Step {
	return func(p *Play) error {
		f, err := p.Next()
		if err != nil {
			return fmt.Errorf("expected key %d: %w", key, err)
		}
		if f.Key != key {
			return fmt.Errorf("expected key %d, got key %d version %d", key, f.Key, f.Version)
		}
		p.pending = append(p.pending, f)
		return nil
	}
}

// ExpectRaw takes exactly these bytes off the connection and fails at the first one that differs.
// What it takes is not remembered as a request.
func ExpectRaw(want []byte) Step {
	return func(p *Play) error {
		got := make([]byte, len(want))
		n, err := io.ReadFull(p.Conn, got)
		if i := firstDifference(got[:n], want); i < n {
			return fmt.Errorf("byte %d is %#02x, expected %#02x", i, got[i], want[i])
		}
		if err != nil {
			return fmt.Errorf("after %d of %d expected bytes: %w", n, len(want), err)
		}
		return nil
	}
}

func firstDifference(a, b []byte) int {
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return len(a)
}

// Reply answers the oldest unanswered request.
func Reply(body []byte) Step {
	return func(p *Play) error { return p.reply(0, body, p.Send) }
}

// ReplyBytewise is [Reply] with one write per byte.
func ReplyBytewise(body []byte) Step {
	return func(p *Play) error { return p.reply(0, body, p.SendBytewise) }
}

// ReplyLast answers the newest unanswered request, thus out of order when more than one is open.
func ReplyLast(body []byte) Step {
	return func(p *Play) error { return p.reply(len(p.pending)-1, body, p.Send) }
}

// ReplyWith answers the oldest unanswered request with what a handler returns.
func ReplyWith(h Handler) Step {
	return func(p *Play) error {
		if len(p.pending) == 0 {
			return errors.New("nothing to answer")
		}
		return p.reply(0, h(p.pending[0]), p.Send)
	}
}

func (p *Play) reply(i int, body []byte, send func([]byte) error) error {
	if i < 0 || i >= len(p.pending) {
		return errors.New("nothing to answer")
	}
	f := p.pending[i]
	p.pending = append(p.pending[:i], p.pending[i+1:]...)
	return send(AppendResponse(nil, f.Key, f.Version, f.CorrelationID, body))
}

// Send writes raw bytes, whether somebody asked or not.
func Send(raw []byte) Step { return func(p *Play) error { return p.Conn.Send(raw) } }

// SendBytewise writes raw bytes, one write each.
func SendBytewise(raw []byte) Step { return func(p *Play) error { return p.Conn.SendBytewise(raw) } }

// Wait does nothing, neither reads nor writes, until the channel is closed. It is how a script stalls or takes turns.
func Wait(until <-chan struct{}) Step {
	return func(p *Play) error {
		select {
		case <-until:
			return nil
		case <-p.closed:
			return nil
		case <-time.After(Patience):
			return errors.New("waited in vain")
		}
	}
}

// Signal closes the channel, to tell the test how far the script has come.
func Signal(reached chan<- struct{}) Step {
	return func(*Play) error { close(reached); return nil }
}

// HalfClose ends the broker's sending side; the script may go on reading.
func HalfClose() Step { return func(p *Play) error { return p.Conn.HalfClose() } }

// Reset aborts the connection with a TCP reset.
func Reset() Step { return func(p *Play) error { return p.Conn.Reset() } }

// ExpectEnd fails unless the peer now ends its side in an orderly way, with no further byte.
func ExpectEnd() Step {
	return func(p *Play) error {
		var b [64]byte
		n, err := p.Read(b[:])
		if n > 0 {
			return fmt.Errorf("expected the end, got % x", bytes.TrimSpace(b[:n]))
		}
		if !errors.Is(err, io.EOF) {
			return fmt.Errorf("expected the end, got %w", err)
		}
		return nil
	}
}

// Serve goes on with the broker's handlers, in step, until the peer ends.
func Serve(b *Broker) Step {
	return func(p *Play) error {
		for {
			f, err := p.Next()
			if err != nil {
				if ended(err) {
					return nil
				}
				return err
			}
			if !b.answer(p.Conn, f) {
				return nil
			}
		}
	}
}
