package sink_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"warder/rules"
	"warder/rules/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)

func finding(i int, change func(*rules.Finding)) *rules.Finding {
	f := &rules.Finding{
		ID: fmt.Sprint("id-", i), Rule: "tombstone", Severity: rules.Warning, Count: 1, Summary: "s",
		LastTime: epoch.Add(time.Duration(i) * time.Second), Evidence: rules.Evidence{},
	}
	if change != nil {
		change(f)
	}
	return f
}

func ids(fs []rules.Finding) (out []string) {
	for _, f := range fs {
		out = append(out, f.ID)
	}
	return out
}

func TestRingKeepsTheLast(t *testing.T) {
	r := sink.NewRing(3)
	for i := range 5 {
		r.Put(finding(i, nil))
	}
	if got := fmt.Sprint(ids(r.Query(sink.Query{}))); got != "[id-4 id-3 id-2]" || r.Len() != 3 {
		t.Error(got)
	}
	if _, ok := r.Get("id-1"); ok {
		t.Error("an old one is still found")
	}
	r.Put(finding(3, func(f *rules.Finding) { f.Count = 9; f.LastTime = epoch.Add(time.Hour) }))
	if got := fmt.Sprint(ids(r.Query(sink.Query{}))); got != "[id-3 id-4 id-2]" {
		t.Error(got)
	}
	if f, ok := r.Get("id-3"); !ok || f.Count != 9 {
		t.Errorf("%+v", f)
	}
}

func TestQuery(t *testing.T) {
	r := sink.NewRing(0)
	r.Put(finding(1, func(f *rules.Finding) { f.Subject.Topic = "users"; f.Severity = rules.Critical }))
	r.Put(finding(2, func(f *rules.Finding) { f.Subject.ClientID = "shop"; f.Rule = "key-drift" }))
	r.Put(finding(3, func(f *rules.Finding) { f.Subject.Group = "g"; f.Severity = rules.Info }))
	for _, c := range []struct {
		q    sink.Query
		want string
	}{
		{sink.Query{}, "[id-3 id-2 id-1]"},
		{sink.Query{Limit: 2}, "[id-3 id-2]"},
		{sink.Query{Rule: "key-drift"}, "[id-2]"},
		{sink.Query{Severity: rules.Warning}, "[id-2 id-1]"},
		{sink.Query{Topic: "users"}, "[id-1]"},
		{sink.Query{Group: "g"}, "[id-3]"},
		{sink.Query{ClientID: "shop"}, "[id-2]"},
		{sink.Query{Since: epoch.Add(2 * time.Second)}, "[id-3 id-2]"},
		{sink.Query{Rule: "key-drift", Topic: "users"}, "[]"},
	} {
		if got := fmt.Sprint(ids(r.Query(c.q))); got != c.want {
			t.Errorf("%+v: %s, want %s", c.q, got, c.want)
		}
	}
}

func TestSubscribersSeeWhatComesAndNobodyWaitsForThem(t *testing.T) {
	r := sink.NewRing(0)
	r.Put(finding(0, nil))
	ctx, cancel := context.WithCancel(t.Context())
	s := r.Subscribe(ctx)
	for i := 1; i <= 300; i++ {
		r.Put(finding(i, nil))
	}
	if f := <-s.Findings(); f.ID != "id-1" {
		t.Errorf("the first is %s", f.ID)
	}
	if s.Lost() != 300-256 {
		t.Errorf("%d lost", s.Lost())
	}
	cancel()
	n := 1
	for range s.Findings() {
		n++
	}
	if n != 256 {
		t.Errorf("%d seen", n)
	}
	r.Put(finding(301, nil)) // to nobody
}
