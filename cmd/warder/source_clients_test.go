package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/admin"
	"warder/rules"
	"warder/rules/sink"
)

// A connection shows what is found about its client, while it is found.
func TestClientsShowWhatIsFoundAboutThem(t *testing.T) {
	s := serve(t, "")
	client, err := kgo.NewClient(kgo.SeedBrokers(s.proxy.Addresses()[0]), kgo.ClientID("profile-svc"), kgo.DefaultProduceTopic("users"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), &kgo.Record{Key: []byte("u-7")}).FirstErr(); err != nil { // a tombstone
		t.Fatal(err)
	}
	waitFor(t, "the finding", func() bool { return s.engine.Findings().Len() > 0 })
	var list struct{ Clients []admin.Client }
	s.get(t, "/api/v1/clients", &list)
	produces := 0
	for _, c := range list.Clients {
		if c.ClientID != "profile-svc" || len(c.APIVersions) == 0 || c.SoftwareName != "kgo" {
			t.Errorf("%+v", c)
		}
		if len(c.Findings) == 0 || c.Findings[0].Rule != "tombstone" || c.Findings[0].Severity != rules.Critical || c.Findings[0].Advice == "" {
			t.Errorf("findings %+v", c.Findings)
		}
		if c.Produces != nil {
			produces++
		}
	}
	if produces != 1 {
		t.Errorf("%d of %d connections produce", produces, len(list.Clients))
	}
	if old := s.clients(time.Now().Add(2 * time.Hour)); len(old) == 0 || len(old[0].Findings) != 0 {
		t.Errorf("two hours later: %+v", old)
	}
}

func TestFindingsOfAClientAreTheWorst(t *testing.T) {
	r := sink.NewRing(0)
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	put := func(id, client string, severity rules.Severity, resolved bool) {
		r.Put(&rules.Finding{ID: id, Severity: severity, Resolved: resolved, Subject: rules.Subject{ClientID: client}, LastTime: start.Add(time.Duration(r.Len()) * time.Second)})
	}
	put("a", "shop", rules.Warning, false)
	put("b", "shop", rules.Critical, false)
	put("c", "shop", rules.Warning, false)
	put("d", "shop", rules.Critical, true)
	put("e", "billing", rules.Info, false)
	put("f", "", rules.Critical, false)
	got := map[string]string{}
	for client, list := range findingsByClient(r.Query(sink.Query{})) {
		for _, f := range list {
			got[client] += f.ID
		}
	}
	if diff := cmp.Diff(map[string]string{"shop": "bca", "billing": "e"}, got); diff != "" {
		t.Error(diff)
	}
}
