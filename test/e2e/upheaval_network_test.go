package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"warder/test/e2e/kafka"
	"warder/test/e2e/link"
)

// network is what lies between the brokers' Link listeners and those that connect to them, warder or clients.
type network []*link.Link // by broker

// layNetwork opens a link to each of the three brokers, at the address where they advertise the listener.
func layNetwork(t *testing.T) network {
	t.Helper()
	var n network
	t.Cleanup(func() {
		for _, l := range n {
			l.Close()
		}
	})
	for _, b := range w.three.Brokers {
		l, err := link.Open(b.Addr(kafka.Link), b.Bound(kafka.Link))
		if err != nil {
			t.Fatal(err)
		}
		n = append(n, l)
	}
	return n
}

// direct is a connection that crosses the network without warder.
func (n network) direct() M { return M{"bootstrap": w.three.Bootstrap(kafka.Link)} }

// throughFar goes through a warder that the network lies behind.
func throughFar(ctx context.Context) (M, error) { return throughOwn(ctx, "far", kafka.Link, "") }

func (n network) heal() {
	for _, l := range n {
		l.Heal()
	}
}

// blackHole swallows everything for longer than producers wait for an answer.
func (n network) blackHole(ctx context.Context, lanes []*lane) error {
	if err := underLoad(ctx, lanes, 300); err != nil {
		return err
	}
	defer n.heal()
	for _, l := range n {
		l.Swallow()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(6 * time.Second):
		return nil
	}
}

// slow has brokers answer later than usual, for half of the load.
func (n network) slow(ctx context.Context, lanes []*lane) error {
	if err := underLoad(ctx, lanes, 300); err != nil {
		return err
	}
	defer n.heal()
	for _, l := range n {
		l.Delay(200 * time.Millisecond)
	}
	return underLoad(ctx, lanes, 900)
}

// cuts resets all connections in the middle of a frame, four times, of requests and of answers in turn: what is sent again after the one
// was not stored, and after the other it was. Each lane has two connections at least to the broker that leads, which are never at rest.
func (n network) cuts(ctx context.Context, lanes []*lane) error {
	defer n.heal()
	leader := n[1]
	for step := range 4 {
		if err := underLoad(ctx, lanes, int64(300+150*step)); err != nil {
			return err
		}
		_, before := leader.Counts()
		for _, l := range n {
			l.Cut([]link.Direction{link.Requests, link.Answers}[step%2])
		}
		err := eventually(ctx, "every lane's connections to be cut", func() error {
			if _, cut := leader.Counts(); cut < before+2*len(lanes) {
				return fmt.Errorf("%d of %d lanes", cut-before, len(lanes))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// moveBroker kills the broker that leads and coordinates everything and starts it at another address, where it is to lead everything again. Nobody listens at the old one.
func (n network) moveBroker(ctx context.Context, lanes []*lane) error {
	if err := coordinatedBy(ctx, 2); err != nil {
		return err
	}
	if err := underLoad(ctx, lanes, 300); err != nil {
		return err
	}
	b := w.three.Brokers[1]
	b.Kill()
	n[1].Close()
	if err := b.Move(); err != nil {
		return err
	}
	moved, err := link.Open(b.Addr(kafka.Link), b.Bound(kafka.Link))
	if err != nil {
		return err
	}
	n[1] = moved
	if err := b.Start(); err != nil {
		return err
	}
	if err := b.WaitReady(ctx); err != nil {
		return err
	}
	if err := ledBy(lanes, b.ID); err != nil {
		return err
	}
	// A leader that was just elected may not know yet where its log ends (OFFSET_NOT_AVAILABLE), and not all libraries ask again.
	if err := underLoad(ctx, lanes, 300); err != nil {
		return err
	}
	if directOnly {
		return nil
	}
	return knows(ctx, warderNamed("far"), b)
}

// knows waits until a warder connects clients to a broker where it is now.
func knows(ctx context.Context, p *proxy, b *kafka.Broker) error {
	return eventually(ctx, "warder to have followed the broker to "+b.Addr(kafka.Link), func() error {
		text, err := p.tells(ctx, "/api/v1/brokers")
		if err != nil {
			return err
		}
		var known struct {
			Brokers []struct {
				ID          int `json:"node_id"`
				Address     string
				Connections map[string]int
			}
		}
		if err := json.Unmarshal(text, &known); err != nil {
			return err
		}
		for _, k := range known.Brokers {
			if k.ID == b.ID && k.Address == b.Addr(kafka.Link) && k.Connections["plain"] > 0 {
				return nil
			}
		}
		return fmt.Errorf("it says %s", text)
	})
}
