package admin_test

import (
	"bufio"
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

func TestTapOfAGroup(t *testing.T) {
	var hub tap.Hub
	base := serve(t, admin.Options{Tap: &hub})
	_, r := open(t, base+"/api/v1/tap?group=bill*")
	for _, group := range []string{"audit", "billing"} {
		x := exchange(group)
		x.AddResource(tap.Resource{Type: tap.TypeGroup, Name: group})
		hub.Publish(x)
	}
	var got tap.Exchange
	if err := json.Unmarshal([]byte(line(t, r)), &got); err != nil || got.ClientID != "billing" {
		t.Errorf("%+v, %v", got, err)
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
	for _, q := range []string{"topic={", "client={", "group={", "tpoic=x"} {
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
	src := source() // holds one finding, last seen at noon, with count 2
	base := serve(t, admin.Options{Source: src, Now: func() time.Time { return noon }})
	resp, r := open(t, base+"/api/v1/findings/stream?since=1h&client_id=profile-svc&severity=warning&rule=tombstone")
	if ct := resp.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Errorf("content type %s", ct)
	}
	expect := func(count int) {
		t.Helper()
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
	expect(2) // what was known; from here on the stream is subscribed
	again, other, mild, grown := tombstone(), tombstone(), tombstone(), tombstone()
	other.Subject.ClientID, mild.Severity, grown.Count = "someone-else", rules.Info, 3
	for _, f := range []rules.Finding{again, other, mild, grown} {
		src.Findings.Put(&f)
	}
	expect(3)
}

func TestFindingsQuery(t *testing.T) {
	old, mild := tombstone(), tombstone()
	old.ID, old.LastTime = "01E", noon.Add(-20*time.Minute)
	mild.ID, mild.Severity, mild.LastTime = "01G", rules.Warning, noon.Add(time.Second)
	grouped := rules.Finding{ID: "01H", Rule: "rebalance-storm", Severity: rules.Info, LastTime: noon.Add(2 * time.Second), Subject: rules.Subject{Group: "billing"}}
	src := admin.Source{Findings: ring(old, tombstone(), mild, grouped)}
	base := serve(t, admin.Options{Source: src, Now: func() time.Time { return noon }}) + "/api/v1/findings"
	for q, want := range map[string]string{
		"":                            "01H 01G 01F 01E",
		"?rule=tombstone":             "01G 01F 01E",
		"?severity=critical":          "01F 01E",
		"?severity=warning":           "01G 01F 01E",
		"?topic=users":                "01G 01F 01E",
		"?group=billing":              "01H",
		"?client_id=profile-svc":      "01G 01F 01E",
		"?since=15m":                  "01H 01G 01F",
		"?since=7d":                   "01H 01G 01F 01E",
		"?since=2026-11-23T12:00:01Z": "01H 01G",
		"?limit=1":                    "01H",
		"?topic=users&limit=2":        "01G 01F",
		"?topic=nothing":              "",
	} {
		a := get(t, base+q)
		var got struct{ Findings []rules.Finding }
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Findings == nil {
			t.Fatalf("%s: %d %s %v", q, a.status, a.body, err)
		}
		var ids []string
		for _, f := range got.Findings {
			ids = append(ids, f.ID)
		}
		if strings.Join(ids, " ") != want {
			t.Errorf("%s: got %v, want %s", q, ids, want)
		}
	}
	for _, q := range []string{"severity=bad", "since=yesterday", "since=-5m", "limit=0", "limit=1001", "limit=x", "rul=x", "%zz"} {
		if a := get(t, base+"?"+q); a.status != 400 {
			t.Errorf("%s: %d %s", q, a.status, a.body)
		}
	}
}
