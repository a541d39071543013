package rules_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warder/rules"
)

// The text is the contract with everybody who reads findings.
const findingJSON = `{"id":"01JDDZ4E7Z8S6Y3V5K2Q1W0X9A","time":"2026-11-23T17:20:47.123456Z","rule":"tombstone","severity":"critical",` +
	`"action":"block","would_block":false,"cluster":"prod","subject":{"topic":"users","partition":0,"client_id":"profile-svc",` +
	`"principal":"User:profile","remote":"10.1.2.3:51514","software":"apache-kafka-java 4.1.0"},` +
	`"summary":"profile-svc wrote a null value","evidence":{"offset_in_batch":7,"records":120,"tombstones":1,"keys":["a","b"]},` +
	`"advice":"look","doc":"docs/rules/tombstone.md","fingerprint":"f00d","count":3,` +
	`"first_time":"2026-11-23T17:20:47.123456Z","last_time":"2026-11-23T17:21:47.123456Z"}`

func aFinding() rules.Finding {
	at := time.Date(2026, 11, 23, 17, 20, 47, 123456000, time.UTC)
	s := rules.SubjectOf(&rules.Identity{
		ClientID: "profile-svc", Principal: "User:profile", Remote: netip.MustParseAddrPort("10.1.2.3:51514"),
		SoftwareName: "apache-kafka-java", SoftwareVersion: "4.1.0",
	})
	s.Topic, s.Partition = "users", new(int32(0))
	return rules.Finding{
		ID: "01JDDZ4E7Z8S6Y3V5K2Q1W0X9A", Time: at, Rule: "tombstone", Severity: rules.Critical, Action: rules.Block,
		Cluster: "prod", Subject: s, Summary: "profile-svc wrote a null value",
		Evidence: rules.Evidence{
			{Name: "offset_in_batch", Value: 7}, {Name: "records", Value: 120}, {Name: "tombstones", Value: 1}, {Name: "keys", Value: []string{"a", "b"}},
		},
		Advice: "look", Doc: "docs/rules/tombstone.md", Fingerprint: "f00d", Count: 3, FirstTime: at, LastTime: at.Add(time.Minute),
	}
}

func TestFindingIsTheContractedJSON(t *testing.T) {
	text, err := json.Marshal(aFinding())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(findingJSON, string(text)); diff != "" {
		t.Error(diff)
	}
}

func TestFindingComesBackFromJSON(t *testing.T) {
	var f rules.Finding
	if err := json.Unmarshal([]byte(findingJSON), &f); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != findingJSON {
		t.Errorf("%s", again)
	}
}

func TestEmptySubjectIsAnEmptyObject(t *testing.T) {
	text, err := json.Marshal(rules.Finding{Severity: rules.Info, Evidence: rules.Evidence{}})
	if err != nil || !strings.Contains(string(text), `"subject":{},"summary":"","evidence":{}`) {
		t.Errorf("%s %v", text, err)
	}
	if strings.Contains(string(text), "resolved") {
		t.Errorf("%s", text)
	}
}

func TestBadEvidence(t *testing.T) {
	var e rules.Evidence
	for _, text := range []string{`[1]`, `"x"`, `{"a":}`, `{"a"`, `{1:2}`} {
		if json.Unmarshal([]byte(text), &e) == nil {
			t.Errorf("%s is accepted", text)
		}
	}
	if err := json.Unmarshal([]byte("null"), &e); err != nil || e != nil {
		t.Errorf("null: %v %v", e, err)
	}
	if _, err := json.Marshal(rules.Evidence{{Name: "x", Value: func() {}}}); err == nil {
		t.Error("a function is written")
	}
}

// Fingerprints are compared between processes and kept in files: they must
// never change.
func TestFingerprintIsStable(t *testing.T) {
	s := aFinding().Subject
	by := rules.FieldTopic | rules.FieldClientID | rules.FieldPrincipal
	if got, want := rules.Fingerprint("tombstone", "prod", &s, by), "9a50f95457c4af97"; got != want {
		t.Errorf("%s, was %s", got, want)
	}
}

func TestFingerprintFoldsByTheFieldsNamed(t *testing.T) {
	fields := []struct {
		field rules.Fields
		set   func(*rules.Subject)
	}{
		{rules.FieldTopic, func(s *rules.Subject) { s.Topic = "other" }},
		{rules.FieldPartition, func(s *rules.Subject) { s.Partition = new(int32(9)) }},
		{rules.FieldGroup, func(s *rules.Subject) { s.Group = "other" }},
		{rules.FieldMember, func(s *rules.Subject) { s.Member = "other" }},
		{rules.FieldClientID, func(s *rules.Subject) { s.ClientID = "other" }},
		{rules.FieldPrincipal, func(s *rules.Subject) { s.Principal = "other" }},
		{rules.FieldTransactionalID, func(s *rules.Subject) { s.TransactionalID = "other" }},
		{0, func(s *rules.Subject) { s.Remote, s.Software = "other", "other" }},
	}
	base := aFinding().Subject
	for i, f := range fields {
		changed := base
		f.set(&changed)
		for j, by := range fields {
			same := rules.Fingerprint("r", "c", &base, by.field) == rules.Fingerprint("r", "c", &changed, by.field)
			if same != (i != j || f.field == 0) {
				t.Errorf("change %d, folded by %d: same %v", i, j, same)
			}
		}
	}
	if rules.Fingerprint("r", "c", &base, 0) == rules.Fingerprint("rc", "", &base, 0) {
		t.Error("rule and cluster run together")
	}
}

func TestKeyText(t *testing.T) {
	for key, want := range map[string]string{"user-1": "sha256:c6c289e4", "": "sha256:e3b0c442"} {
		if got := rules.KeyText([]byte(key)); got != want {
			t.Errorf("%q: %s", key, got)
		}
	}
	if got := rules.KeyText(nil); got != "null" {
		t.Error(got)
	}
}

func TestExcerpt(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{
		{"users", 5, "users"}, {"users.eu", 7, "user..."}, {"a\nb\x00é", 10, "a?b??"}, {"abcdef", 2, "..."}, {"", 5, ""},
		{"ééééé", 6, "??..."},
	} {
		if got := rules.Excerpt(c.text, c.n); got != c.want {
			t.Errorf("%q in %d: %q, want %q", c.text, c.n, got, c.want)
		}
	}
}
