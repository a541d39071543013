package proxy

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"warder/configs"
	"warder/test/fakebroker"
)

// wakes runs what wakes the sessions of a rig that rest.
func (r *rig) wakes() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var task sync.WaitGroup
	task.Go(func() { r.sleepers.run(ctx) })
	r.t.Cleanup(func() {
		r.drain()
		cancel()
		task.Wait()
	})
}

// rested waits until so many sessions rest with both loops.
func (r *rig) rested(n int) {
	r.t.Helper()
	eventually(r.t, "sessions to rest", func() bool {
		r.restQuiet()
		resting := 0
		for _, s := range r.open() {
			s.mu.Lock()
			if s.requestsRest && s.responsesRest {
				resting++
			}
			s.mu.Unlock()
		}
		return resting == n
	})
}

// restingRigs are rigs whose broker answers what a neighbour asks, without and with TLS on both sides.
var restingRigs = map[string]func(t *testing.T) (r *rig, dial func() *fakebroker.Client){"plain": plainRig, "tls": secureRig}

func plainRig(t *testing.T) (*rig, func() *fakebroker.Client) {
	t.Helper()
	r := hostileRig(t, nil)
	r.wakes()
	return r, r.dial
}

func secureRig(t *testing.T) (*rig, func() *fakebroker.Client) {
	t.Helper()
	a := newAuthority(t)
	broker := fakebroker.New(t, fakebroker.TLS(&tls.Config{Certificates: []tls.Certificate{a.issue("broker", time.Hour)}}))
	broker.Handle(opaque, echo)
	r := newRigAt(t, broker, broker.Addr(), func(c *configs.Config) {
		c.Listeners[0].TLS = a.server("listener", "none")
		c.Upstream.TLS = &configs.ClientTLS{CA: configs.Path(a.path("authority.pem"))}
	})
	r.wakes()
	return r, func() *fakebroker.Client {
		c, _, err := r.dialTLS(&tls.Config{RootCAs: a.pool})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

// loops counts the goroutines of sessions that are in a loop.
func loops() int {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Count(string(stacks), "proxy.(*session).serve")
}

// A quiet session has no goroutine, and is there when its client is.
func TestQuietSessionsRest(t *testing.T) {
	for name, rig := range restingRigs {
		t.Run(name, func(t *testing.T) {
			r, dial := rig(t)
			n := &neighbour{Client: dial()}
			n.works()
			for range 3 {
				r.rested(1)
				if left := loops(); left != 0 {
					t.Errorf("%d goroutines are left", left)
				}
				n.works()
				n.works()
			}
			n.Conn().Close()
			eventually(t, "the client to be missed", func() bool { return len(r.open()) == 0 })
		})
	}
}

// Who wakes it does not matter: the other loop goes on too, and the session ends as others do.
func TestSessionsEndWhileTheyRest(t *testing.T) {
	for what, end := range map[CloseReason]func(r *rig, n *neighbour){
		ReasonClientGone: func(_ *rig, n *neighbour) { n.Conn().Close() },
		ReasonBrokerGone: func(r *rig, n *neighbour) { r.broker.Conns()[0].Close(); ended(n.Client) }, //nolint:errcheck // the session says so
		ReasonShutdown: func(r *rig, n *neighbour) {
			r.open()[0].stop(time.Now().Add(patience))
			ended(n.Client)
		},
		ReasonDrainDeadline: func(r *rig, n *neighbour) {
			r.cut(errDrainDeadline)
			ended(n.Client)
		},
	} {
		t.Run(string(what), func(t *testing.T) {
			for name, rig := range restingRigs {
				t.Run(name, func(t *testing.T) {
					r, dial := rig(t)
					n := &neighbour{Client: dial()}
					n.works()
					r.rested(1)
					end(r, n)
					r.closedBy(what)
					eventually(t, "the session to be over", func() bool { return len(r.open()) == 0 })
					r.sleepers.mu.Lock()
					defer r.sleepers.mu.Unlock()
					if left := len(r.sleepers.asleep); left != 0 {
						t.Errorf("%d sockets are still watched", left)
					}
				})
			}
		})
	}
}

// Loops that are told to rest whenever they wait lose nothing, in requests and answers of all sizes.
func TestRestlessSessions(t *testing.T) {
	for name, rig := range restingRigs {
		t.Run(name, func(t *testing.T) {
			r, dial := rig(t)
			over := make(chan struct{})
			var nudges sync.WaitGroup
			defer nudges.Wait()
			defer close(over)
			nudges.Go(func() {
				for {
					select {
					case <-over:
						return
					default:
					}
					for _, s := range r.open() {
						s.letRest()
					}
					runtime.Gosched()
				}
			})
			var clients sync.WaitGroup
			for i := range 4 {
				c := dial()
				clients.Go(func() {
					for n := range int32(300) {
						c.Write(opaqueRequest(n, int(n)*int(n)*(1+i)%100_000))
						if n%3 == 0 {
							c.Write(opaqueRequest(n+1000, 10))
						}
						if got := int32(binary.BigEndian.Uint32(c.Next().Raw[4:])); got != n {
							t.Errorf("answer %d to request %d", got, n)
							return
						}
						if n%3 == 0 {
							c.Next()
						}
					}
				})
			}
			clients.Wait()
		})
	}
}
