package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"warder/test/e2e/kafka"
)

// lane is one client's load, direct or through warder, while something happens to the brokers or to warder.
type lane struct {
	*side
	topic  string
	reader *member
	load   gen
	err    error
	skip   string
}

// upheaval is what happens under the load of all clients at once.
type upheaval struct {
	name    string
	warder  func(ctx context.Context) (M, error)
	modes   []string
	seconds int
	happen  func(ctx context.Context, lanes []*lane) error
}

const loadRate = 200 // records a second and lane

// TestUpheavals kills and moves leaders, and kills warder, while every client produces with acks=all and reads in a group.
func TestUpheavals(t *testing.T) {
	both := []string{"direct", "warder"}
	if directOnly {
		both = both[:1]
	}
	upheave(t, upheaval{name: "leaders-moved", modes: both, warder: throughBare, seconds: 8, happen: moveLeaders})
	if !directOnly {
		upheave(t, upheaval{name: "warder-killed", modes: both[1:], warder: throughMortal, seconds: 6, happen: killWarder})
	}
	upheave(t, upheaval{name: "leader-killed", modes: both, warder: throughBare, seconds: 8, happen: killLeader})
}

func upheave(t *testing.T, u upheaval) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	var lanes []*lane
	for _, name := range clientNames() {
		for _, mode := range u.modes {
			s, err := scenario{name: u.name, warder: u.warder}.side(ctx, name, mode)
			if err != nil {
				t.Fatal(err)
			}
			lanes = append(lanes, &lane{side: s, load: gen{Count: u.seconds * loadRate, Size: 200, Partitions: 2, TS: day}})
		}
	}
	begin := time.Now()
	all(lanes, (*lane).open)
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		all(lanes, (*lane).run)
	}()
	happened := u.happen(ctx, lanes)
	<-loaded
	all(lanes, (*lane).check)
	for _, l := range lanes {
		w.sums.add(u.name+" "+l.mode, l.client, l.skip, l.err, l.notes, time.Since(begin))
		if l.err != nil {
			t.Errorf("%s, %s, %s: %v", u.name, l.client, l.mode, l.err)
		}
	}
	if happened != nil {
		t.Fatalf("%s: %v", u.name, happened)
	}
}

// all runs a step of every lane that has not failed, at once.
func all(lanes []*lane, step func(*lane)) {
	var wg sync.WaitGroup
	for _, l := range lanes {
		if l.err != nil || l.skip != "" {
			continue
		}
		wg.Go(func() {
			if skip, err := ends(func() { step(l) }); skip != "" || err != nil {
				l.skip, l.err = skip, err
			}
		})
	}
	wg.Wait()
}

// open makes the topic, with the leaders of all lanes on broker 2, and a group member.
func (l *lane) open() {
	l.topic = l.create(l.side.topic("t"), 2, 3, nil)
	for p := range 2 {
		l.until("broker 2 to lead", 30*time.Second, func() error { return lead(l.side, l.topic, p, 2) })
	}
	l.reader = l.member(l.side.topic("g"), l.topic, "classic")
	l.share([]int{2}, l.reader)
}

// run produces at an even rate.
func (l *lane) run() {
	p := l.producer(M{"acks": "all", "idempotent": true, "delivery_timeout_ms": 60000, "request_timeout_ms": 5000})
	l.generate(p, l.topic, l.load, M{"rate": loadRate})
	l.closeProducer(p)
}

// check wants every record stored once and in order, and delivered to the group member.
func (l *lane) check() {
	l.holds(l.topic, nil, l.load)
	l.until("the group member to have read everything", 60*time.Second, func() error {
		l.reader.take()
		seen := map[string]bool{}
		for _, v := range l.reader.values {
			seen[v] = true
		}
		if len(seen) != l.load.Count {
			return fmt.Errorf("it has %d of %d records", len(seen), l.load.Count)
		}
		return nil
	})
	if repeats := len(l.reader.values) - l.load.Count; repeats != 0 {
		l.note("%d records were delivered to the group twice", repeats)
	}
	l.reader.close()
	l.must("delete_topic", M{"name": l.topic}, nil)
}

// underLoad waits until every lane has n records in the log.
func underLoad(ctx context.Context, lanes []*lane, n int64) error {
	for _, l := range lanes {
		if l.err != nil || l.skip != "" {
			continue
		}
		for {
			var r struct{ Offsets map[string]int64 }
			if err := w.admin.Call(ctx, "list_offsets", M{"conn": threeDirect(), "topic": l.topic}, &r); err != nil {
				return err
			}
			if r.Offsets["0"]+r.Offsets["1"] >= n {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s has %v: %w", l.topic, r.Offsets, ctx.Err())
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

// moveLeaders moves every lane's leaders three times, all brokers staying up.
func moveLeaders(ctx context.Context, lanes []*lane) error {
	for step, broker := range []int{3, 1, 2} {
		if err := underLoad(ctx, lanes, int64((step+1)*300)); err != nil {
			return err
		}
		for _, l := range lanes {
			if l.err != nil || l.skip != "" {
				continue
			}
			_, err := ends(func() {
				for p := range 2 {
					l.until("another leader", 30*time.Second, func() error { return lead(l.side, l.topic, p, broker) })
				}
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// killLeader kills the broker that leads everything, and starts it again when another one has taken over.
func killLeader(ctx context.Context, lanes []*lane) error {
	if err := underLoad(ctx, lanes, 300); err != nil {
		return err
	}
	victim := w.three.Brokers[1]
	victim.Kill()
	if err := underLoad(ctx, lanes, 1000); err != nil {
		return err
	}
	if err := victim.Start(); err != nil {
		return err
	}
	return victim.WaitReady(ctx)
}

// throughMortal goes through a warder that only this test uses.
func throughMortal(ctx context.Context) (M, error) {
	p, err := startWarder(ctx, "mortal", proxySpec{cluster: w.three, upstream: kafka.Plaintext, listeners: []listenerSpec{{name: "plain"}}})
	if err != nil {
		return nil, err
	}
	return M{"bootstrap": p.addr["plain"]}, nil
}

// killWarder kills warder and starts it again, with nothing kept.
func killWarder(ctx context.Context, lanes []*lane) error {
	if err := underLoad(ctx, lanes, 300); err != nil {
		return err
	}
	p := warderNamed("mortal")
	p.kill()
	return p.start(ctx)
}
