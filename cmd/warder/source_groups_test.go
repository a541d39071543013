package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// While no shard has time for anybody, who asks about groups is told so, and does not wait for long.
func TestBusyShardsAreToldInTime(t *testing.T) {
	s := serve(t, "")
	client := &rules.Identity{ClientID: "billing"}
	release, inside := make(chan struct{}), make(chan struct{}, 100)
	var looking sync.WaitGroup
	for i := range 40 { // some for each shard
		group := fmt.Sprint("g", i)
		s.engine.Emit(rules.Committed{
			At: time.Now(), Client: client, Membership: rules.Membership{Group: group},
			Offsets: []rules.PartitionOffset{{TopicPartition: rules.TopicPartition{Topic: "users"}, Offset: 1}},
		})
		looking.Go(func() {
			s.engine.View(rules.ByGroup, group, func(rules.ModelState) {
				inside <- struct{}{}
				<-release
			})
		})
	}
	let := sync.OnceFunc(func() { close(release); looking.Wait() })
	defer let()
	for range 4 { // shards
		<-inside
	}
	looks := &http.Client{Timeout: 10 * time.Second}
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := looks.Get("http://" + s.admin.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if status, body := get("/api/v1/groups/g0"); status != http.StatusServiceUnavailable || !strings.Contains(body, "ask again") {
		t.Errorf("%d %s", status, body)
	}
	status, body := get("/api/v1/groups")
	var list state.GroupList
	if err := json.Unmarshal([]byte(body), &list); err != nil || status != http.StatusOK || !list.Partial || !strings.Contains(list.Note, "ask again") || len(list.Groups) != 0 {
		t.Errorf("%d %s %v", status, body, err)
	}
	if status, _ := get("/metrics"); status != http.StatusOK {
		t.Errorf("metrics: %d", status)
	}
	if status, _ := get("/healthz"); status != http.StatusOK {
		t.Errorf("healthz: %d", status)
	}
	let()
	if status, body := get("/api/v1/groups/g0"); status != http.StatusOK {
		t.Errorf("they have time again: %d %s", status, body)
	}
}
