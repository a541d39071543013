package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/embedded"
)

// shopTopics are what the shop works with.
var shopTopics = []embedded.Topic{{Name: "orders", Partitions: 6}, {Name: "payments", Partitions: 3}, compactedTopic("users")}

// demoUsers are written once at the start; demoBusyUsers of them are written again and again by the shop's normal work,
// the others belong to the acts of the demo.
var demoUsers = []string{"Ada", "Barbara", "Claude", "Donald", "Edsger", "Frances", "Grace", "Hedy", "Ivan"}

const demoBusyUsers = 6

// demoShop is a small shop whose programs do nothing wrong: checkout writes orders, billing reads them as a consumer
// group and writes payments, signup keeps users up to date. All go through warder.
type demoShop struct {
	bootstrap string // warder's address

	orders, payments, users atomic.Int64 // records stored

	mu     sync.Mutex // guards the following
	errs   int
	sample error         // the first of errs
	kept   []*kgo.Client // see keep
}

// keep lets a client of an act live until the demo ends, so that its group has members until then.
func (s *demoShop) keep(cl *kgo.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, cl)
}

func (s *demoShop) closeKept() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cl := range s.kept {
		cl.Close()
	}
}

// client makes a client of the shop; it must be closed.
func (s *demoShop) client(id string, opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(strings.Split(s.bootstrap, ",")...),
		kgo.ClientID(id),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerLinger(0),
		kgo.RecordDeliveryTimeout(demoPatience),
		kgo.FetchMaxWait(500 * time.Millisecond), // warder answers what a leaving client still has open, so this bounds the end
	}, opts...)...)
}

// open writes every user once.
func (s *demoShop) open(ctx context.Context) error {
	cl, err := s.client("signup")
	if err != nil {
		return err
	}
	defer cl.Close()
	for i := range demoUsers {
		if err := cl.ProduceSync(ctx, demoUser(i, 0)).FirstErr(); err != nil {
			return fmt.Errorf("write the users of the shop: %w", err)
		}
		s.users.Add(1)
	}
	return nil
}

// demoUser is the record of user number i (u-1 is the first) at its n-th change.
func demoUser(i, n int) *kgo.Record {
	return &kgo.Record{
		Topic: "users", Key: fmt.Appendf(nil, "u-%d", i+1),
		Value: fmt.Appendf(nil, `{"name":%q,"changes":%d}`, demoUsers[i], n),
	}
}

// work runs the shop until ctx ends, then lets billing catch up, and returns when all programs have ended.
func (s *demoShop) work(ctx context.Context) {
	var producers, all sync.WaitGroup
	billing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	producers.Go(func() { s.note(s.checkout(ctx)) })
	producers.Go(func() { s.note(s.signup(ctx)) })
	all.Go(func() { s.note(s.billing(billing)) })
	producers.Wait()
	caughtUp := waitUntil(billing, demoPatience, func() bool { return s.payments.Load() >= s.orders.Load() })
	if !caughtUp {
		s.note(errors.New("billing did not catch up with the orders"))
	}
	stop()
	all.Wait()
}

func (s *demoShop) checkout(ctx context.Context) error {
	cl, err := s.client("checkout")
	if err != nil {
		return err
	}
	defer cl.Close()
	for n := 0; n == 0 || pause(ctx, 40*time.Millisecond); n++ { // one at least, however short the demo
		r := &kgo.Record{Topic: "orders", Key: fmt.Appendf(nil, "customer-%d", n%17), Value: fmt.Appendf(nil, `{"order":%d,"cents":%d}`, n, 500+n%4000)}
		s.store(ctx, cl, r, &s.orders)
	}
	return nil
}

func (s *demoShop) signup(ctx context.Context) error {
	cl, err := s.client("signup")
	if err != nil {
		return err
	}
	defer cl.Close()
	for n := 1; pause(ctx, 150*time.Millisecond); n++ {
		s.store(ctx, cl, demoUser(n%demoBusyUsers, n), &s.users)
	}
	return nil
}

// billing takes orders as group "billing" and writes one payment for each.
func (s *demoShop) billing(ctx context.Context) error {
	cl, err := s.client("billing", kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer cl.Close()
	for {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			s.note(fmt.Errorf("fetch %s/%d: %w", topic, partition, err))
		})
		fetches.EachRecord(func(o *kgo.Record) {
			if o.Value == nil {
				return // nothing was ordered
			}
			s.store(ctx, cl, &kgo.Record{Topic: "payments", Key: o.Key, Value: o.Value}, &s.payments)
		})
	}
}

// store writes one record and counts it. The write is finished even when ctx ends meanwhile.
func (s *demoShop) store(ctx context.Context, cl *kgo.Client, r *kgo.Record, count *atomic.Int64) {
	if err := cl.ProduceSync(context.WithoutCancel(ctx), r).FirstErr(); err != nil {
		s.note(fmt.Errorf("write to %s: %w", r.Topic, err))
		return
	}
	count.Add(1)
}

// note keeps an error for the table at the end; nil is none.
func (s *demoShop) note(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs++
	if s.sample == nil {
		s.sample = err
	}
}

// problem is what went wrong in the shop's normal work, nil when nothing did.
func (s *demoShop) problem() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.errs > 0:
		return fmt.Errorf("%d errors, the first: %w", s.errs, s.sample)
	case s.payments.Load() != s.orders.Load() || s.orders.Load() == 0:
		return fmt.Errorf("%d orders but %d payments", s.orders.Load(), s.payments.Load())
	}
	return nil
}

// pause waits and reports whether ctx still goes on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// waitUntil asks cond again and again until it holds, ctx ends or the limit passes; it reports whether cond held.
func waitUntil(ctx context.Context, limit time.Duration, cond func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !cond() {
		if !pause(ctx, 10*time.Millisecond) {
			return cond()
		}
	}
	return true
}
