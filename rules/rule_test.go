package rules_test

import (
	"encoding"
	"testing"

	"warder/protocol/records"
	"warder/rules"
)

func TestNamesGoBothWays(t *testing.T) {
	var action rules.Action
	var severity rules.Severity
	var policy rules.CleanupPolicy
	for name, v := range map[string]interface {
		encoding.TextUnmarshaler
		String() string
	}{
		"off": &action, "alert": &action, "record": &action, "block": &action,
		"info": &severity, "warning": &severity, "critical": &severity,
		"unknown": &policy, "compact": &policy, "delete": &policy, "compact,delete": &policy, "": &policy,
	} {
		if err := v.UnmarshalText([]byte(name)); err != nil || v.String() != name {
			t.Errorf("%q came back as %q, %v", name, v.String(), err)
		}
	}
	for _, v := range []encoding.TextUnmarshaler{&action, &severity, &policy} {
		if v.UnmarshalText([]byte("nonsense")) == nil {
			t.Errorf("%T accepts nonsense", v)
		}
	}
	if severity.UnmarshalText(nil) == nil {
		t.Error("no severity is a severity")
	}
}

func TestCleanupPolicy(t *testing.T) {
	for value, c := range map[string]struct{ known, compacts bool }{
		"compact": {true, true}, "delete": {true, false}, "compact,delete": {true, true}, " delete , compact ": {true, true},
		"": {true, false}, "other": {true, false},
	} {
		p := rules.ParseCleanupPolicy(value)
		if p.Known() != c.known || p.Compacts() != c.compacts {
			t.Errorf("%q: %v", value, p)
		}
	}
	if rules.CleanupUnknown.Known() || rules.CleanupUnknown.Compacts() {
		t.Error("unknown is known")
	}
}

func TestRecordHeader(t *testing.T) {
	b := records.NewBuilder(records.None).Add([]byte("k"), nil,
		records.RecordHeader{Key: []byte("a"), Value: []byte("1")},
		records.RecordHeader{Key: []byte("b")},
		records.RecordHeader{Key: []byte("a"), Value: []byte("2")})
	blob, err := b.AppendBatch(nil)
	if err != nil {
		t.Fatal(err)
	}
	var s records.Scanner
	s.Reset(blob, records.Limits{})
	s.NextBatch()
	r, ok := s.NextRecord()
	if !ok {
		t.Fatal(s.Err())
	}
	rec := (*rules.Record)(r)
	if v, ok := rec.Header("a"); !ok || string(v) != "1" {
		t.Errorf("a: %q %v", v, ok)
	}
	if v, ok := rec.Header("b"); !ok || v != nil {
		t.Errorf("b: %q %v", v, ok)
	}
	if _, ok := rec.Header("c"); ok {
		t.Error("c is there")
	}
}

func TestCaseIsBounded(t *testing.T) {
	var c rules.Case
	for i := range 1000 {
		c.Deny(rules.Denial{Record: i})
	}
	if c.Denied != 1000 || len(c.Denials) != rules.MaxDenials || c.Denials[99].Record != 99 {
		t.Errorf("%d denied, %d kept", c.Denied, len(c.Denials))
	}
	if c.Empty() {
		t.Error("empty")
	}
	c.Reset()
	if !c.Empty() || len(c.Denials) != 0 {
		t.Error("not empty after Reset")
	}
}
