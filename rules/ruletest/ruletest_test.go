package ruletest

import (
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"warder/protocol"
	"warder/protocol/records"
	"warder/rules"
)

// keeper breaks the contract: it keeps a view of a record after the call.
type keeper struct{ kept *[]byte }

func (k keeper) Record(_ *rules.Case, _ *rules.Batch, r *rules.Record) { *k.kept = r.Value }

func (k keeper) Batch(c *rules.Case, _ *rules.Batch) {
	c.Report(rules.Report{Summary: "value " + string(*k.kept)})
}

func TestRuleThatKeepsAViewSeesGarbage(t *testing.T) {
	spec := rules.Spec{
		ID: "keeper", Severity: rules.Info, Needs: rules.NeedRecords, Default: rules.Alert,
		New: func(decode func(any) error) (rules.Rule, error) {
			return keeper{new([]byte)}, decode(&struct{}{})
		},
	}
	archive := txtar.Parse([]byte("-- topics --\nusers compact\n-- traffic --\nshop produces users/0: k=hello\n=> allowed\n"))
	for _, f := range forms {
		got := play(t, []rules.Spec{spec}, archive, f)
		if strings.Contains(got, "hello") || !strings.Contains(got, "value \xdb\xdb\xdb\xdb\xdb") {
			t.Errorf("v%d %s: a kept view survived the call:\n%s", f.version, f.codec, got)
		}
	}
}

func TestVerdictInSentences(t *testing.T) {
	r := &request{parts: []part{{topic: "users"}, {topic: "carts"}}}
	denied := []protocol.Denial{
		{Ordinal: 1, Partition: 4, Code: 44, Message: "why", RecordErrors: []protocol.RecordError{{BatchIndex: 2}, {BatchIndex: 5}}},
	}
	for _, c := range []struct {
		denied   []protocol.Denial
		acks     int16
		acksZero rules.AcksZero
		wants    []string
		said     string
	}{
		{nil, 0, 0, nil, "allowed"},
		{denied, -1, 0, nil, "carts/4 refused POLICY_VIOLATION, records 2 5"},
		{denied, 1, 0, []string{"carts/4 says: other"}, "carts/4 refused POLICY_VIOLATION, records 2 5\ncarts/4 says: why"},
		{denied, 0, rules.CloseConnection, nil, "carts/4 refused POLICY_VIOLATION, records 2 5\nconnection closed"},
		{denied, 0, rules.DropSilently, nil, "carts/4 refused POLICY_VIOLATION, records 2 5\ndropped"},
	} {
		r.acks = c.acks
		if got := verdictText(r, c.denied, c.acksZero, c.wants); got != c.said {
			t.Errorf("got %q, want %q", got, c.said)
		}
	}
}

func TestBodyIsWhatTheProxyParses(t *testing.T) {
	blob, err := records.NewBuilder(records.None).Add([]byte("k"), []byte("v")).AppendBatch(nil)
	if err != nil {
		t.Fatal(err)
	}
	for version := range int16(14) {
		body := Body{Version: version, Acks: 1, Parts: []Part{{Topic: "a", Records: blob}, {Topic: "b", Partition: 7, Records: blob}}}
		req := parse(t, version, body.Append(nil))
		if req.NumPartitions != 2 || req.Acks != 1 {
			t.Errorf("v%d: %+v", version, req)
		}
	}
}
