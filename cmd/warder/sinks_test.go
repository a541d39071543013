package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/rules"
)

func TestFindingsGoToATopic(t *testing.T) {
	s := serve(t, "sinks: {kafka: {topic: warder-findings}}\n")
	reader := s.client(t, "reader", kgo.ConsumeTopics("warder-findings"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer reader.Close()
	if _, err := kadm.NewClient(reader).CreateTopic(t.Context(), 1, 1, nil, "warder-findings"); err != nil {
		t.Fatal(err)
	}
	if err := s.erase(t); err != nil {
		t.Fatal(err)
	}
	r := reader.PollRecords(t.Context(), 1).Records()[0]
	var f rules.Finding
	if err := json.Unmarshal(r.Value, &f); err != nil {
		t.Fatal(err)
	}
	if f.Rule != "tombstone" || string(r.Key) != f.Fingerprint || f.Subject.ClientID != "profile-svc" {
		t.Errorf("%s: %s", r.Key, r.Value)
	}
}

// A topic that nobody has made is told of once, and nothing else suffers.
func TestFindingsWithoutTheirTopic(t *testing.T) {
	s := serve(t, "sinks: {kafka: {topic: nowhere}}\n")
	if err := s.erase(t); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the log to say so", func() bool { return strings.Contains(s.log.String(), "topic nowhere: UNKNOWN_TOPIC_OR_PARTITION") })
	if got := s.ask(t, "findings"); !strings.Contains(got.stdout, "tombstone") {
		t.Errorf("%+v", got)
	}
}

// An endpoint that is down is tried again and again; neither a reload nor the end of
// warder waits for it.
func TestDeadWebhookHoldsUpNothing(t *testing.T) {
	asked := make(chan struct{}, 100)
	dead := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		asked <- struct{}{}
	}))
	s := serve(t, "sinks: {webhook: {url: '"+dead.URL+"', retry_for: 1h}}\n")
	t.Cleanup(dead.Close)
	if err := s.erase(t); err != nil {
		t.Fatal(err)
	}
	<-asked
	s.change(t, "retry_for: 1h", "retry_for: 59m")
	if status, body := s.post(t); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	if err := s.erase(t); err != nil {
		t.Fatal(err)
	}
}
