package ruletest

import (
	"fmt"
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
		got := play(t, []rules.Spec{spec}, archive, f)["findings"]
		if strings.Contains(got, "hello") || !strings.Contains(got, "value \xdb\xdb\xdb\xdb\xdb") {
			t.Errorf("v%d %s: a kept view survived the call:\n%s", f.version, f.codec, got)
		}
	}
}

// consumer reports what it is shown of what clients fetch and how far they are.
type consumer struct{}

func (consumer) Sample(c *rules.Case, b *rules.Batch, r *rules.Record) {
	if b.Fetched {
		c.Report(rules.Report{Summary: fmt.Sprintf("%s=%s at %d", r.Key, r.Value, b.Records), Advice: "wait"})
	}
}

func (consumer) Watch(w *rules.Watch, ev rules.Event) {
	if ev, ok := ev.(rules.Fetched); ok {
		w.Report(rules.Report{Summary: fmt.Sprintf("%s: %+v", ev.Client.ClientID, ev.Partitions), Advice: "wait", Subject: rules.Subject{Topic: w.Key}})
	}
}

func TestFetchesAndPolls(t *testing.T) {
	spec := rules.Spec{
		ID: "consumer", Severity: rules.Info, Needs: rules.NeedSamples | rules.NeedFetched, Default: rules.Alert,
		FoldBy: rules.FieldTopic | rules.FieldPartition, Watches: []rules.Interest{{Kind: rules.KindFetched, By: rules.ByTopic}},
		New: func(decode func(any) error) (rules.Rule, error) { return consumer{}, decode(&struct{}{}) },
	}
	archive := txtar.Parse([]byte(`-- topics --
orders delete
-- traffic --
shop produces orders/1: k=produced
=> allowed
billing fetches orders/3: k1=one k2=""
billing fetches orders/4: k=three
wait 1s
billing reconnects
billing fetches (codec=zstd) orders/5: k=four
billing polls orders/3: offset=10 end=500 start=5 bytes=7 error=1
`))
	const want = `0s consumer info alert
  k1=one at 1
  about: topic=orders partition=3 client_id=billing
  evidence:
0s consumer info alert
  k=three at 1
  about: topic=orders partition=4 client_id=billing
  evidence:
1s consumer info alert
  k=four at 1
  about: topic=orders partition=5 client_id=billing
  evidence:
1s consumer info alert
  billing: [{Partition:3 FetchOffset:10 HighWatermark:500 LastStableOffset:500 LogStartOffset:5 ErrorCode:1 Bytes:7 ReadOffset:10}]
  about: topic=orders
  evidence:
0s consumer info alert x2
  k2= at 2
  about: topic=orders partition=3 client_id=billing
  evidence:
`
	for _, f := range forms {
		if got := play(t, []rules.Spec{spec}, archive, f)["findings"]; got != want {
			t.Errorf("v%d %s:\n%s", f.version, f.codec, got)
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
