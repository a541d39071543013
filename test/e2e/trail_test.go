package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"warder/test/e2e/kafka"
)

// trailLine is what is looked at of a line of the audit trail.
type trailLine struct {
	Event      string
	API        string
	ClientID   string `json:"client_id"`
	Principal  string
	Claimed    string
	Mechanism  string
	Outcome    string
	Partitions []trailPartition
	Resources  []trailResource
}

type trailPartition struct {
	Topic   string
	Records int
}

type trailResource struct{ Type, Name string }

func (l *trailLine) topic(name string) bool {
	return slices.ContainsFunc(l.Partitions, func(p trailPartition) bool { return p.Topic == name })
}

func (l *trailLine) group(name string) bool {
	return slices.Contains(l.Resources, trailResource{"group", name})
}

func trailFile() string { return filepath.Join(w.run, "audit.jsonl") }

// TestAuditTrail has clients make a topic, write, read with a group and delete, and be refused with a wrong password: the trail has it all, with its names.
func TestAuditTrail(t *testing.T) {
	runScenario(t, scenario{
		name: "audit-trail", needs: []string{"sasl:PLAIN"}, modes: []string{"warder"}, run: trailed,
		warder: func(ctx context.Context) (M, error) {
			p, err := startWarder(ctx, "trailed", proxySpec{
				cluster: w.three, upstream: kafka.SASL, listeners: []listenerSpec{{name: "plain"}},
				audit: fmt.Sprintf("{file: {path: %s}, sample: {produce: 1, fetch: 1, heartbeat: 1}}", trailFile()),
			})
			if err != nil {
				return nil, err
			}
			return M{"bootstrap": p.addr["plain"], "security": secure("SASL_PLAINTEXT", "PLAIN", false)}, nil
		},
	})
}

func trailed(s *side) any {
	const n = 40
	topic := s.create(s.topic("t"), 2, 3, nil)
	group := s.topic("g")
	p := s.producer(nil)
	s.generate(p, topic, gen{Count: n, Size: 80, Partitions: 2, TS: day, Flavour: "mixed"}, nil)
	s.closeProducer(p)
	m := s.member(group, topic, "classic")
	s.received(n, m)
	m.commit()
	m.close()
	s.must("delete_topic", M{"name": topic}, nil)
	bad := secure("SASL_PLAINTEXT", "PLAIN", false)
	bad["password"] = "wrong"
	refused(s, bad)

	has := func(what string, is func(*trailLine) bool) {
		s.until("the trail to show "+what, 10*time.Second, func() error {
			lines, err := s.trail()
			if err == nil && !slices.ContainsFunc(lines, func(l trailLine) bool { return is(&l) }) {
				err = fmt.Errorf("%d lines do not", len(lines))
			}
			return err
		})
	}
	by := func(l *trailLine, api string) bool {
		return l.API == api && l.Principal == "User:"+kafka.User && l.Outcome == "ok"
	}
	has("the login", func(l *trailLine) bool {
		return l.Event == "authenticated" && l.Principal == "User:"+kafka.User && l.Mechanism == "PLAIN"
	})
	has("the refused login", func(l *trailLine) bool { return l.Event == "authentication_failed" && l.Claimed == kafka.User })
	has("the new topic", func(l *trailLine) bool { return by(l, "CreateTopics") && l.topic(topic) })
	has("who joined", func(l *trailLine) bool { return l.API == "JoinGroup" && l.group(group) })
	has("the commit", func(l *trailLine) bool { return by(l, "OffsetCommit") && l.group(group) && l.topic(topic) })
	has("what was read for the group", func(l *trailLine) bool { return by(l, "Fetch") && l.group(group) && l.topic(topic) })
	has("the deleted topic", func(l *trailLine) bool { return by(l, "DeleteTopics") && l.topic(topic) })
	lines, err := s.trail()
	if err != nil {
		s.fail("%w", err)
	}
	records := 0
	for _, l := range lines {
		for _, p := range l.Partitions {
			if l.API == "Produce" && p.Topic == topic {
				records += p.Records
			}
		}
	}
	if records != n {
		s.fail("the trail has %d records of %d", records, n)
	}
	s.verified()
	return "audited"
}

// trail reads what is there so far, up to its last whole line.
func (s *side) trail() (lines []trailLine, err error) {
	data, err := os.ReadFile(trailFile())
	if err != nil {
		return nil, err
	}
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	for text := range bytes.Lines(data) {
		var l trailLine
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, fmt.Errorf("%s: %w", text, err)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// verified has a copy of the trail checked, as it is and with one letter changed.
func (s *side) verified() {
	data, err := os.ReadFile(trailFile())
	if err != nil {
		s.fail("%w", err)
	}
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	file := filepath.Join(w.run, "audit-copy-"+s.client+".jsonl")
	verify := func() string {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			s.fail("%w", err)
		}
		out, err := exec.CommandContext(s.ctx, w.warderBin, "audit-verify", file).CombinedOutput()
		if err != nil {
			return string(out) + err.Error()
		}
		return string(out)
	}
	if out := verify(); !strings.HasPrefix(out, "whole: ") {
		s.fail("audit-verify: %s", out)
	}
	for _, secret := range []string{kafka.Password, `"wrong"`} {
		if bytes.Contains(data, []byte(secret)) {
			s.fail("a password is in the trail")
		}
	}
	at := bytes.Index(data, []byte("DeleteTopics"))
	data[at] = 'E'
	want := fmt.Sprintf("%s:%d: line", file, 1+bytes.Count(data[:at], []byte("\n")))
	if out := verify(); !strings.Contains(out, want) || !strings.HasSuffix(out, "exit status 1") {
		s.fail("audit-verify of a changed trail does not say %q: %s", want, out)
	}
}
