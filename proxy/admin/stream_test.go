package admin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"warder/proxy/admin"
	"warder/proxy/tap"
	"warder/rules"
)

// open begins a stream and returns its lines; the response body closes with the test.
func open(t *testing.T, url string) (*http.Response, *bufio.Reader) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp, bufio.NewReader(resp.Body)
}

func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	s, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("after %q: %v", s, err)
	}
	return strings.TrimSuffix(s, "\n")
}

func exchange(client string) *tap.Exchange {
	return &tap.Exchange{API: "Produce", ClientID: client, Outcome: tap.OutcomeOK, Partitions: []tap.Partition{{Topic: "users"}}}
}

func TestTapStream(t *testing.T) {
	var hub tap.Hub
	base := serve(t, admin.Options{Tap: &hub})
	if hub.Enabled() {
		t.Error("enabled before anyone listens")
	}
	resp, r := open(t, base+"/api/v1/tap?api=Produce,Fetch&client=%3F&client=!a&topic=%7Busers,orders%7D")
	if ct := resp.Header.Get("Content-Type"); ct != "application/x-ndjson" {
		t.Errorf("content type %s", ct)
	}
	hub.Publish(exchange("a"))
	hub.Publish(exchange("b"))
	var got tap.Exchange
	if err := json.Unmarshal([]byte(line(t, r)), &got); err != nil || got.ClientID != "b" {
		t.Errorf("%+v, %v", got, err)
	}
	hub.Close()
	if rest, err := io.ReadAll(r); err != nil || len(rest) != 0 {
		t.Errorf("after the hub closed: %q, %v", rest, err)
	}
}

func TestTapTellsWhatItDropped(t *testing.T) {
	var hub tap.Hub
	base := serve(t, admin.Options{Tap: &hub})
	_, r := open(t, base+"/api/v1/tap")
	// The reader takes nothing until far more has passed than the queue and the sockets' buffers hold.
	const sent = 200_000
	x := exchange(strings.Repeat("x", 1000))
	for range sent {
		hub.Publish(x)
	}
	hub.Close()
	var got, dropped int
	for {
		text, err := r.ReadString('\n')
		if err != nil {
			break
		}
		var l struct {
			Dropped int
			API     string
		}
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if l.API != "" {
			got++
		}
		dropped += l.Dropped
	}
	if dropped == 0 || got == 0 || got+dropped > sent {
		t.Errorf("%d delivered and %d dropped of %d", got, dropped, sent)
	}
}

func TestTapRefusesBadFilters(t *testing.T) {
	var hub tap.Hub
	base := serve(t, admin.Options{Tap: &hub})
	for _, q := range []string{"topic={", "client={", "tpoic=x"} {
		if a := get(t, base+"/api/v1/tap?"+q); a.status != 400 {
			t.Errorf("%s: %d %s", q, a.status, a.body)
		}
	}
}

func TestStreamsAreBounded(t *testing.T) {
	var hub tap.Hub
	base := serve(t, admin.Options{Tap: &hub})
	for range admin.MaxStreams {
		open(t, base+"/api/v1/tap")
	}
	if a := get(t, base+"/api/v1/tap"); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := get(t, base+"/healthz"); a.status != 200 {
		t.Errorf("other paths: %d", a.status)
	}
}

func TestStopEndsStreams(t *testing.T) {
	var hub tap.Hub
	base, stop := serveUntil(t, admin.Options{Tap: &hub})
	_, r := open(t, base+"/api/v1/tap")
	stop() // returns only when the stream's handler has ended
	if hub.Enabled() {
		t.Error("the stream outlived the interface")
	}
	if _, err := io.ReadAll(r); err != nil {
		t.Errorf("the stream did not end in an orderly way: %v", err)
	}
}

func TestFindingsStream(t *testing.T) {
	live := make(chan rules.Finding, 4)
	src := source()
	src.Subscribe = func(context.Context) <-chan rules.Finding { return live }
	base := serve(t, admin.Options{Source: src, Now: func() time.Time { return noon }})

	again, other, grown := tombstone(), tombstone(), tombstone()
	other.Subject.ClientID = "someone-else"
	grown.Count = 3
	live <- again // in the backlog already: not sent twice
	live <- other // filtered
	live <- grown
	resp, r := open(t, base+"/api/v1/findings/stream?since=1h&client_id=profile-svc&severity=info,critical&rule=tombstone")
	if ct := resp.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Errorf("content type %s", ct)
	}
	for _, count := range []int{2, 3} {
		if id, event := line(t, r), line(t, r); id != "id: 01F" || event != "event: finding" {
			t.Errorf("%q %q", id, event)
		}
		var f rules.Finding
		if err := json.Unmarshal([]byte(strings.TrimPrefix(line(t, r), "data: ")), &f); err != nil {
			t.Fatal(err)
		}
		if f.Count != count || f.Subject.ClientID != "profile-svc" || line(t, r) != "" {
			t.Errorf("got %+v, want count %d", f, count)
		}
	}
	close(live)
	if rest, err := io.ReadAll(r); err != nil || len(rest) != 0 {
		t.Errorf("after the source ended: %q, %v", rest, err)
	}
}

func TestFindingsQuery(t *testing.T) {
	var asked admin.FindingQuery
	src := source()
	src.Findings = func(q admin.FindingQuery) []rules.Finding { asked = q; return nil }
	base := serve(t, admin.Options{Source: src, Now: func() time.Time { return noon }}) + "/api/v1/findings"

	a := get(t, base+"?rule=tombstone,empty-value&rule=key-drift&severity=critical&topic=users&group=g&client_id=c&since=15m&limit=7")
	if a.status != 200 || compact(t, a.body) != `{"findings":[]}` {
		t.Errorf("%d %s", a.status, a.body)
	}
	if len(asked.Rules) != 3 || asked.Rules[1] != "empty-value" || asked.Severities[0] != rules.Critical || asked.Topic != "users" ||
		asked.Group != "g" || asked.ClientID != "c" || !asked.Since.Equal(noon.Add(-15*time.Minute)) || asked.Limit != 7 {
		t.Errorf("asked for %+v", asked)
	}
	if get(t, base+"?since=2026-11-23T10:00:00Z"); !asked.Since.Equal(noon.Add(-2*time.Hour)) || asked.Limit != 100 {
		t.Errorf("asked for %+v", asked)
	}
	for _, q := range []string{"severity=bad", "since=yesterday", "since=-5m", "limit=0", "limit=1001", "limit=x", "rul=x", "%zz"} {
		if a := get(t, base+"?"+q); a.status != 400 {
			t.Errorf("%s: %d %s", q, a.status, a.body)
		}
	}
}
