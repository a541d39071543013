package main

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/embedded"
)

func sceneHeartbeatGap() demoScene {
	return demoScene{
		rule: "heartbeat-gap", config: "{action: alert}",
		topics: []embedded.Topic{{Name: "positions", Partitions: 3}, {Name: "schedules", Partitions: 3}},
		acts: []demoAct{
			{
				client: "fleet-planner", group: "fleet-planner", does: "stands still beyond its session timeout",
				because: "A long garbage collection: the process does nothing at all, so its heartbeats stop too (session.timeout.ms is 3 s here, 45 s by default).",
				found:   true, once: true, play: playFrozen,
			},
			{
				client: "eta-board", group: "eta-board", does: "is restarted, with a group.instance.id",
				because: "It is gone for a second and does not leave the group. A static member's partitions wait for it: no gap worth a word, and no rebalance.",
				once:    true, play: playStaticRestart,
			},
		},
	}
}

// pausable holds back all that a client sends and receives while it is paused, as if its process stood still.
type pausable struct{ going sync.RWMutex }

func (p *pausable) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	return &pausableConn{Conn: conn, process: p}, err
}

func (p *pausable) wait() {
	p.going.RLock()
	defer p.going.RUnlock()
}

type pausableConn struct {
	net.Conn
	process *pausable
}

func (c *pausableConn) Write(b []byte) (int, error) {
	c.process.wait()
	return c.Conn.Write(b)
}

func (c *pausableConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.process.wait()
	return n, err
}

// groupError hands on why a member had to begin anew.
type groupError chan error

// OnGroupManageError is called by franz-go.
func (g groupError) OnGroupManageError(err error) {
	select {
	case g <- err:
	default:
	}
}

const frozenSession = 3 * time.Second // session.timeout.ms

// playFrozen lets a member stand still until its coordinator has removed it, and go on then.
func playFrozen(ctx context.Context, st *demoStage) (bool, error) {
	var process pausable
	thrown := make(groupError, 1)
	cl, err := st.reader("fleet-planner", "positions", kgo.SessionTimeout(frozenSession), kgo.Dialer(process.dial), kgo.WithHooks(thrown))
	if err != nil {
		return false, err
	}
	defer cl.Close()
	return false, besides(ctx, st.drips("gps-gateway", "positions", 50*time.Millisecond), func(ctx context.Context) error {
		if err := takes(ctx, cl, 30); err != nil {
			return err
		}
		process.going.Lock()
		began := time.Now()
		err := st.warned(ctx, "silent_ms", nil)
		pause(ctx, time.Until(began.Add(frozenSession*3/2)))
		process.going.Unlock()
		if err != nil {
			return err
		}
		select {
		case err := <-thrown:
			st.print.field("developer", "The process goes on, and the first thing that it hears is "+err.Error()+" Its partitions are gone, and it joins anew.")
		case <-ctx.Done():
			return ctx.Err()
		}
		_, err = st.told(ctx, "kind", "removed")
		return err
	})
}

// playStaticRestart ends a static member without leaving, and starts it again.
func playStaticRestart(ctx context.Context, st *demoStage) (bool, error) {
	const half = 10
	if err := st.prepare(ctx, "timetable", recordsOf("schedules", 2*half, sensorJSON)); err != nil {
		return false, err
	}
	for restarted := range 2 {
		cl, err := st.reader("eta-board", "schedules", kgo.SessionTimeout(15*time.Second), kgo.InstanceID("eta-board-0"))
		if err != nil {
			return false, err
		}
		err = takes(ctx, cl, half)
		if restarted == 1 {
			st.shop.keep(cl)
		} else {
			cl.Close() // franz-go does not leave the group where it is a static member
			pause(ctx, time.Second)
		}
		if err != nil {
			return false, err
		}
	}
	st.print.field("developer", "It goes on where it was.")
	return false, ctx.Err()
}
