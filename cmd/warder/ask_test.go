package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/rs/zerolog"

	"warder/configs"
	"warder/rules"
)

func TestQuestionsGoToWhoeverKnows(t *testing.T) {
	cfg := configs.Default()
	question := rules.SubjectsOfSchema{ID: 7, Topic: "orders"}
	if newAsker(cfg, nil, zerolog.Nop()).ask(question) {
		t.Error("a question is taken without a registry")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`[{"subject":"orders-value","version":1}]`))
	}))
	defer server.Close()
	cfg.Upstream.SchemaRegistry = &configs.SchemaRegistry{URL: server.URL}
	answers := make(chan rules.Event, 1)
	a := newAsker(cfg, func(ev rules.Event) { answers <- ev }, zerolog.Nop())
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
