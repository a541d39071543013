package main

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"time"
)

// traffic is what one connection of a load does until its context ends; it returns the times of its answers, if it takes any.
type traffic interface {
	run(ctx context.Context, c *client, m *meter) ([]time.Duration, error)
}

// stream sends requests with several on their way.
type stream struct {
	script *script
	answer func(*client) (int, error) // reads one; nil: of a Produce
}

const (
	windowBytes  = 512 << 10 // on their way, about
	fewest, most = 5, 256    // requests on their way; 5 is what a Java producer has
	windowParts  = 4         // a write has this part of the window, when requests are small
)

func (s stream) window() int {
	return min(most, max(fewest, windowBytes*s.script.len()/len(s.script.bytes)))
}

func (s stream) run(ctx context.Context, c *client, m *meter) ([]time.Duration, error) {
	free := make(chan struct{}, most)
	for range s.window() {
		free <- struct{}{}
	}
	failed := make(chan error, 1)
	go func() {
		err := s.read(c, m, free)
		c.Close()
		failed <- err
	}()
	err := s.write(ctx, c, free)
	c.Close()
	if cause := <-failed; err == nil || ended(ctx, err) {
		err = cause
	}
	return nil, err
}

// write sends what the window allows, in writes of some requests.
func (s stream) write(ctx context.Context, c *client, free <-chan struct{}) error {
	part := max(1, s.window()/windowParts)
	for next := 0; ; {
		n := min(part, s.script.len()-next)
		for i := range n {
			select {
			case <-free:
			case <-ctx.Done():
				return ctx.Err()
			}
			c.number(s.script.bytes[s.script.starts[next+i]:])
		}
		if _, err := c.Write(s.script.bytes[s.script.starts[next]:s.script.starts[next+n]]); err != nil {
			return err
		}
		next = (next + n) % s.script.len()
	}
}

func (s stream) read(c *client, m *meter, free chan<- struct{}) error {
	answer := s.answer
	if answer == nil {
		answer = (*client).stored
	}
	for i := 0; ; i = (i + 1) % s.script.len() {
		size, err := answer(c)
		if err != nil {
			return err
		}
		m.add(1, s.script.records[i], int64(s.script.size(i)+size))
		free <- struct{}{}
	}
}

// pingPong sends the next request when the last one is answered.
type pingPong struct{ script *script }

func (p pingPong) run(ctx context.Context, c *client, m *meter) ([]time.Duration, error) {
	defer context.AfterFunc(ctx, func() { c.Close() })()
	var times []time.Duration
	frame := slices.Clone(p.script.bytes[:p.script.starts[1]])
	for {
		began := time.Now()
		if err := c.send(frame); err != nil {
			return times, err
		}
		size, err := c.stored()
		if err != nil {
			return times, err
		}
		if m.timing.Load() {
			times = append(times, time.Since(began))
		}
		m.add(1, p.script.records[0], int64(len(frame)+size))
	}
}

// pull sends small requests that have large answers, one at a time, as consumers do.
type pull struct {
	request []byte
	offsets []int // of the partitions, in the request
	answer  *fetchAnswer
}

func (p pull) run(ctx context.Context, c *client, m *meter) ([]time.Duration, error) {
	defer context.AfterFunc(ctx, func() { c.Close() })()
	request, space := slices.Clone(p.request), make([]byte, 256<<10)
	for {
		if err := c.send(request); err != nil {
			return nil, err
		}
		size, err := c.answered()
		if err != nil {
			return nil, err
		}
		if size < len(p.answer.body) {
			return nil, errors.New("an answer is smaller than what the sink sends")
		}
		for left := size; left > 0; {
			n, err := c.in.Read(space[:min(left, len(space))])
			if err != nil {
				return nil, err
			}
			left -= n
		}
		m.add(1, p.answer.records, int64(len(request)+size))
		for _, at := range p.offsets {
			binary.BigEndian.PutUint64(request[at:], binary.BigEndian.Uint64(request[at:])+uint64(p.answer.step))
		}
	}
}

// begun is a load that runs.
type begun struct {
	meter
	cancel  context.CancelFunc
	clients sync.WaitGroup
	mu      sync.Mutex
	times   []time.Duration
	err     error
}

// begin connects and starts the load.
func begin(ctx context.Context, t *running, connections int, what traffic) (*begun, error) {
	ctx, cancel := context.WithCancel(ctx)
	b := &begun{cancel: cancel}
	for range connections {
		c, err := dial(ctx, t)
		if err != nil {
			b.end() //nolint:errcheck // this one comes first
			return nil, err
		}
		b.clients.Go(func() {
			times, err := what.run(ctx, c, &b.meter)
			c.Close()
			b.mu.Lock()
			defer b.mu.Unlock()
			b.times = append(b.times, times...)
			if !ended(ctx, err) {
				b.err = err
			}
		})
	}
	return b, nil
}

// end stops the load and gives the times of its answers.
func (b *begun) end() ([]time.Duration, error) {
	b.cancel()
	b.clients.Wait()
	slices.Sort(b.times)
	return b.times, b.err
}
