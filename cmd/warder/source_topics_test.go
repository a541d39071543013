package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"warder/rules/state"
)

// get asks the admin interface of this warder.
func (s *served) get(t *testing.T, path string, into any) {
	t.Helper()
	body, err := (&adminClient{address: s.admin.Addr(), http: http.DefaultClient}).get(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// What is written to a topic shows in its list, and of one topic by partition.
func TestTopicsShowTheirTraffic(t *testing.T) {
	s := serve(t, "rules: {hot-partition: {action: \"off\"}}\n")
	client, err := kgo.NewClient(kgo.SeedBrokers(s.proxy.Addresses()[0]), kgo.ClientID("profile-svc"), kgo.DefaultProduceTopic("users"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range 5 {
		record := &kgo.Record{Key: fmt.Appendf(nil, "u-%d", i), Value: []byte(`{"name":"Ada","country":"GB"}`)}
		if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	var list state.TopicList
	s.get(t, "/api/v1/topics", &list)
	if len(list.Topics) != 1 {
		t.Fatalf("%+v", list)
	}
	users := list.Topics[0]
	if users.Name != "users" || users.Cleanup.String() != "compact" || users.Written == nil || users.Written.RecordsPerSecond <= 0 || users.Written.BytesPerSecond <= 0 {
		t.Errorf("%+v, written %+v", users, users.Written)
	}
	if users.Formats == nil || users.Formats.Values.Usual != "json" || users.Formats.Values.Samples != 5 || users.Formats.Clients[0].Client != "profile-svc" {
		t.Errorf("formats: %+v", users.Formats)
	}
	if users.Tombstones == nil || users.Tombstones.PerMinute != 0 || users.Log == nil || users.Log.Known != 1 {
		t.Errorf("tombstones %+v, log %+v", users.Tombstones, users.Log)
	}
	var one state.TopicView
	s.get(t, "/api/v1/topics/users", &one)
	if len(one.Logs) != 1 || one.Logs[0].End != 5 || one.Name != "users" {
		t.Errorf("%+v", one)
	}
	if len(one.Untold) != 1 || len(list.Untold) != 1 || one.Untold[0].What != "hot_partitions" || one.Untold[0].Rule != "hot-partition" {
		t.Errorf("what nobody tells: %+v", one.Untold)
	}
}
