package main

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/configs"
	"warder/rules"
	"warder/rules/sink"
)

// answers counts the answers that the cluster gave to who reads a topic.
func (s *served) answers(t *testing.T) float64 {
	t.Helper()
	families, err := s.metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "warder_lookups_total" && labels["question"] == "WhoReads" && labels["outcome"] == "answered" {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestQuestionsOfRulesReachTheCluster(t *testing.T) {
	s := serve(t, "")
	if !s.asked.ask(rules.WhoReads{Topic: "users"}) {
		t.Fatal("the question was not taken")
	}
	waitFor(t, "the cluster to be asked", func() bool { return s.answers(t) > 0 })
	if s.asked.ask(rules.SubjectsOfSchema{ID: 7, Topic: "users"}) {
		t.Error("there is no registry to ask")
	}
}

// client is one of the shop's programs, through warder.
func (s *served) client(t *testing.T, id string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(s.proxy.Addresses()[0]), kgo.ClientID(id))...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestProducerAndConsumerTalkPastEachOther: all that is needed for the finding comes through warder, and the cluster is
// asked who reads past it.
func TestProducerAndConsumerTalkPastEachOther(t *testing.T) {
	s := serve(t, "rules: {wrong-topic: {unread_after: 1s}}\n")
	admin := s.client(t, "admin")
	defer admin.Close()
	if _, err := kadm.NewClient(admin).CreateTopics(t.Context(), 2, 1, nil, "orders", "orders-v2"); err != nil {
		t.Fatal(err)
	}
	billing := s.client(t, "billing", kgo.ConsumerGroup("billing"), kgo.ConsumeTopics("orders"))
	ctx, stop := context.WithCancel(t.Context())
	var polling sync.WaitGroup
	polling.Go(func() {
		for ctx.Err() == nil {
			billing.PollFetches(ctx)
		}
		billing.Close()
	})
	defer polling.Wait()
	defer stop()
	var found []rules.Finding
	waitFor(t, "the finding", func() bool {
		shop := s.client(t, "shop") // a program that is started again and again
		defer shop.Close()
		if err := shop.ProduceSync(t.Context(), &kgo.Record{Topic: "orders-v2", Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		found = s.engine.Findings().Query(sink.Query{Rule: "wrong-topic"})
		return len(found) > 0
	})
	f := found[0]
	if f.Severity != rules.Critical || f.Subject.Topic != "orders-v2" || f.Subject.ClientID != "shop" ||
		f.Evidence.Get("look_alike") != "orders" || f.Evidence.Get("cluster_asked") != true {
		t.Errorf("%+v", f)
	}
}

func TestQuestionsGoToWhoeverKnows(t *testing.T) {
	cfg := configs.Default()
	nobody := func(rules.Question) bool { return false }
	question := rules.SubjectsOfSchema{ID: 7, Topic: "orders"}
	if a, err := newAsker(cfg, nobody, nil, zerolog.Nop()); err != nil || a.ask(question) {
		t.Errorf("a question is taken without a registry, %v", err)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`[{"subject":"orders-value","version":1}]`))
	}))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	cfg.Upstream.SchemaRegistry = &configs.SchemaRegistry{URL: server.URL, TLS: &configs.ClientTLS{CA: configs.Path(ca)}}
	answers := make(chan rules.Event, 1)
	emit := func(ev rules.Event) { answers <- ev }
	if _, err := newAsker(cfg, nobody, emit, zerolog.Nop()); err == nil {
		t.Error("nothing is said of a file that is missing")
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := newAsker(cfg, nobody, emit, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.run(ctx)
	}()
	if a.ask(rules.WhoReads{Topic: "orders"}) || !a.ask(question) {
		t.Fatal("the wrong question is taken")
	}
	if s := (<-answers).(rules.SchemaSubjects); !s.Known || s.ID != 7 || s.Topic != "orders" || len(s.Subjects) != 1 {
		t.Errorf("%+v", s)
	}
	cancel()
	<-ended
}
