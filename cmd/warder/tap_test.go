package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"warder/proxy/tap"
)

const exchangeLine = `{"time":"2026-11-23T17:20:47.123456Z","session":7,"remote":"10.1.2.3:51514","client_id":"profile-svc","node_id":1,"api":"Produce","key":0,"version":9,"correlation_id":4,"request_bytes":180,"response_bytes":60,"latency_ns":1500000,"acks":-1,"partitions":[{"topic":"users","partition":3,"records":2,"bytes":120}],"outcome":"ok"}`

func TestTapShowsALineForEachExchange(t *testing.T) {
	var out, people bytes.Buffer
	a := &app{stdout: &out, stderr: &people}
	stream := exchangeLine + "\n\n{\"dropped\":12}\n" + exchangeLine + "\n"
	if err := a.showTap(strings.NewReader(stream), "text"); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "profile-svc"); n != 2 || strings.Count(out.String(), "\n") != 2 {
		t.Errorf("want two lines: %q", out.String())
	}
	if people.String() != "(12 exchanges left out: this reader was too slow)\n" {
		t.Errorf("told: %q", people.String())
	}
	out.Reset()
	if err := a.showTap(strings.NewReader(exchangeLine+"\n\n"), "json"); err != nil || out.String() != exchangeLine+"\n" {
		t.Errorf("json: %v, %q", err, out.String())
	}
	if err := a.showTap(strings.NewReader("<html>\n"), "text"); err == nil {
		t.Error("something else than a tap was shown")
	}
}

// `run --tap` prints what the hub publishes until it is stopped.
func TestRunTapPrints(t *testing.T) {
	var out lines
	var hub tap.Hub
	defer hub.Close()
	stop, err := (&app{stdout: &out, stderr: &bytes.Buffer{}}).printTap(&hub)
	if err != nil {
		t.Fatal(err)
	}
	hub.Publish(&tap.Exchange{Time: time.Now(), ClientID: "billing", API: "Fetch", Outcome: tap.OutcomeOK})
	waitFor(t, "the line", func() bool { return strings.Contains(out.String(), "billing") })
	stop()
	hub.Publish(&tap.Exchange{ClientID: "late"})
	if strings.Contains(out.String(), "late") {
		t.Error("printed after stop")
	}
}
