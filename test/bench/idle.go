package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// idleConnections is how many connections stay open at once.
const idleConnections = 5000

// quietFor is how long they have said nothing when their memory is asked for: warder's sessions rest then.
const quietFor = 35 * time.Second

// idleTargets are those whose memory is told.
var idleTargets = []string{relayTCP, haproxy, warderOff, warderAlert, haproxyTLS, warderTLS}

// idleSample is what open connections cost that have nothing to say.
type idleSample struct {
	Target      string
	Connections int
	RSS         float64 // bytes for each, of the process
	Descriptors float64 // for each
	CPU         float64 // ms a second, of the process
}

// runIdle gives each target, freshly started, many connections that have said something once.
func (b *bench) runIdle() error {
	count := idleConnections
	if b.short {
		count /= 10
	}
	small, err := smallScript()
	if err != nil {
		return err
	}
	chosen, err := b.chosen()
	if err != nil {
		return err
	}
	for _, t := range chosen {
		if !slices.Contains(idleTargets, t.name) {
			continue
		}
		s, err := b.idle(t, count, small)
		if err != nil {
			return fmt.Errorf("idle connections, %s: %w", t.name, err)
		}
		b.result.Idle = append(b.result.Idle, s)
		report("idle connections, %s", t.name)
	}
	return nil
}

func (b *bench) idle(t target, count int, small *script) (s idleSample, err error) {
	s.Target, s.Connections = t.name, count
	r, err := b.startTarget(t)
	if err != nil {
		return s, err
	}
	defer r.stop()
	// The first connections make what is there once.
	warm, err := b.open(r, 16, small)
	closeAll(warm)
	if err != nil {
		return s, err
	}
	before, files, err := b.settled(r)
	if err != nil {
		return s, err
	}
	open, err := b.open(r, count, small)
	defer closeAll(open)
	if err != nil {
		return s, err
	}
	if err != nil {
		return s, err
	}
	if err := pause(b.ctx, quietFor); err != nil {
		return s, err
	}
	after, filesAfter, err := b.settled(r)
	s.RSS, s.Descriptors = float64(after-before)/float64(count), float64(filesAfter-files)/float64(count)
	if err == nil {
		s.CPU, err = b.idleCPU(r)
	}
	return s, err
}

// idleCPU is what a target does while nobody asks it anything, in ms a second.
func (b *bench) idleCPU(r *running) (float64, error) {
	var nothing meter
	from, err := r.point(&nothing)
	if err != nil {
		return 0, err
	}
	if err := pause(b.ctx, 3*time.Second); err != nil {
		return 0, err
	}
	to, err := r.point(&nothing)
	return (to.cpu - from.cpu).Seconds() * 1e3 / to.at.Sub(from.at).Seconds(), err
}

// open makes connections, some at a time, each with one exchange of a few hundred bytes.
func (b *bench) open(r *running, count int, small *script) ([]*client, error) {
	all := make([]*client, count)
	errs := make(chan error, count)
	var dialling sync.WaitGroup
	next := make(chan int, count)
	for i := range count {
		next <- i
	}
	close(next)
	for range 2 * runtime.GOMAXPROCS(0) {
		dialling.Go(func() {
			frame := slices.Clone(small.bytes[:small.starts[1]])
			for i := range next {
				c, err := dial(b.ctx, r)
				if err == nil {
					all[i] = c
					if err = c.send(frame); err == nil {
						_, err = c.stored()
					}
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	dialling.Wait()
	close(errs)
	return all, <-errs
}

func closeAll(all []*client) {
	for _, c := range all {
		if c != nil {
			c.Close()
		}
	}
}

// settled waits until a target has collected its garbage and given back what it can, and tells what it holds.
func (b *bench) settled(r *running) (rss int64, files int, err error) {
	const patience, step = 20, 500 * time.Millisecond
	for range 2 { // what the first gives back to the system follows from how much there was before
		if err := b.collect(r); err != nil {
			return 0, 0, err
		}
	}
	for range patience {
		last := rss
		if err := pause(b.ctx, step); err != nil {
			return 0, 0, err
		}
		if rss, err = residentBytes(r.pid()); err != nil {
			return 0, 0, err
		}
		if last != 0 && last-rss < last/200 {
			break
		}
	}
	files, err = descriptors(r.pid())
	return rss, files, err
}

// collect asks for a collection of garbage where there is such a thing.
func (b *bench) collect(r *running) error {
	switch {
	case r.admin != "":
		_, err := b.get(r, "/debug/pprof/heap?gc=1")
		return err
	case r.name == relayTCP:
		return r.cmd.Process.Signal(syscall.SIGUSR1)
	}
	return nil
}
