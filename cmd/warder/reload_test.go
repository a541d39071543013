package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// post asks for a reload over HTTP and gives status and body.
func (s *served) post(t *testing.T) (int, string) {
	t.Helper()
	resp, err := http.Post("http://"+s.admin.Addr()+"/api/v1/reload", "", nil)
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

// configuration is the line of /readyz about it.
func (s *served) configuration(t *testing.T) (status, detail string) {
	t.Helper()
	resp, err := http.Get("http://" + s.admin.Addr() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var ready struct {
		Checks []struct{ Name, Status, Detail string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&ready); err != nil {
		t.Fatal(err)
	}
	for _, c := range ready.Checks {
		if c.Name == "configuration" {
			return c.Status, c.Detail
		}
	}
	t.Fatalf("no check of the configuration in %+v", ready)
	return "", ""
}

func TestReloadAppliesWhatItCan(t *testing.T) {
	s := serve(t, "rules: {tombstone: {action: alert}}\ndrain: {deadline: 25s}\n")
	if err := s.erase(t); err != nil {
		t.Fatalf("refused although the rule only alerts: %v", err)
	}
	s.change(t, "action: alert", "action: block")
	s.change(t, "name: test", "name: other")
	status, body := s.post(t)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	var result reloadResult
	if err := json.Unmarshal([]byte(body), &result); err != nil {
		t.Fatal(err)
	}
	// A watcher may have been first; what waits for a restart is told either way.
	if len(result.NeedsRestart) != 1 || result.NeedsRestart[0].Path != "upstream.name" {
		t.Errorf("needs restart: %+v", result.NeedsRestart)
	}
	if err := s.erase(t); !errors.Is(err, kerr.PolicyViolation) {
		t.Errorf("not refused after the reload: %v", err)
	}
	if status, detail := s.configuration(t); status != "degraded" || !strings.Contains(detail, "a restart is needed for upstream.name") {
		t.Errorf("readyz: %s, %s", status, detail)
	}
}

func TestBadConfigurationIsRefusedAndTheOldStays(t *testing.T) {
	s := serve(t, "rules: {tombstone: {action: block}}\n")
	for _, bad := range []string{"action: blok", "action: alert, knonw_deleters: true", "action: alert}, tombston: {"} {
		s.change(t, "action: block", bad)
		status, body := s.post(t)
		if status == http.StatusOK || !strings.Contains(body, s.file+":") {
			t.Errorf("%s: %d %s", bad, status, body)
		}
		if status, detail := s.configuration(t); status != "degraded" || !strings.Contains(detail, "a newer one was refused: "+s.file+":") {
			t.Errorf("%s: readyz: %s, %s", bad, status, detail)
		}
		if err := s.erase(t); !errors.Is(err, kerr.PolicyViolation) {
			t.Errorf("%s: the old rules are gone: %v", bad, err)
		}
		s.change(t, bad, "action: block")
	}
	if status, body := s.post(t); status != http.StatusOK || !strings.Contains(body, `"needs_restart": []`) {
		t.Errorf("mended: %d %s", status, body)
	}
	if status, detail := s.configuration(t); status != "ok" {
		t.Errorf("mended: readyz: %s, %s", status, detail)
	}
}

// Findings go to a file as soon as the configuration says so.
func TestReloadOpensAndShutsSinks(t *testing.T) {
	s := serve(t, "rules: {tombstone: {action: block}}\nsinks: {log: {enabled: false}}\n")
	s.change(t, "sinks: {log: {enabled: false}}", "sinks: {log: {enabled: false}, file: {path: findings.jsonl}}")
	if status, body := s.post(t); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if err := s.erase(t); !errors.Is(err, kerr.PolicyViolation) {
		t.Fatal(err)
	}
	s.change(t, ", file: {path: findings.jsonl}", "")
	waitFor(t, "a finding in the file", func() bool {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(s.file), "findings.jsonl"))
		return err == nil && strings.Contains(string(data), `"rule":"tombstone"`)
	})
	if strings.Contains(s.log.String(), `"finding"`) {
		t.Error("the finding is in the log although that sink is off")
	}
}

// disconnects counts connections that a client has lost.
type disconnects struct{ atomic.Int64 }

// OnBrokerDisconnect implements kgo.HookBrokerDisconnect.
func (d *disconnects) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn) { d.Add(1) }

// reloadLoad is clients that write, each a value and then a null value, again and again.
type reloadLoad struct {
	writing         sync.WaitGroup
	rounds, refused atomic.Int64
	lost            disconnects
	acked           [4][]string // by writer
}

// write is one of them.
func (l *reloadLoad) write(ctx context.Context, t *testing.T, client *kgo.Client, writer int) {
	t.Helper()
	whole := context.WithoutCancel(ctx) // what has begun is waited for
	for i := 0; ctx.Err() == nil; i++ {
		value := fmt.Sprint(writer, "-", i)
		if err := client.ProduceSync(whole, &kgo.Record{Key: []byte("k"), Value: []byte(value)}).FirstErr(); err != nil {
			t.Error(err)
			return
		}
		l.acked[writer] = append(l.acked[writer], value)
		switch err := client.ProduceSync(whole, &kgo.Record{Key: []byte("k")}).FirstErr(); {
		case errors.Is(err, kerr.PolicyViolation):
			l.refused.Add(1)
		case err != nil:
			t.Error(err)
			return
		}
		l.rounds.Add(1)
	}
}

// goesOn waits until each of them may have come round.
func (l *reloadLoad) goesOn(t *testing.T) {
	t.Helper()
	before := l.rounds.Load()
	waitFor(t, "the load to go on", func() bool { return l.rounds.Load() > before+int64(len(l.acked)) || t.Failed() })
}

// Reloads under load, good ones and bad ones: each request is judged by one configuration and
// answered, no connection ends, and what was acknowledged is in the log, once and in order.
func TestReloadsUnderLoad(t *testing.T) {
	s := serve(t, "rules: {tombstone: {action: alert}}\nsinks: {file: {path: findings.jsonl}}\n")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	l := &reloadLoad{}
	for writer := range l.acked {
		client := s.client(t, fmt.Sprint("writer-", writer), kgo.DefaultProduceTopic("users"), kgo.DisableIdempotentWrite(), kgo.ProducerLinger(0), kgo.WithHooks(&l.lost))
		defer client.Close()
		l.writing.Go(func() { l.write(ctx, t, client, writer) })
	}
	l.goesOn(t)
	actions := []string{"alert", "block", "blok"}
	for i := range 9 {
		next := actions[(i+1)%3]
		s.change(t, "action: "+actions[i%3], "action: "+next)
		if status, body := s.post(t); (status == http.StatusOK) == (next == "blok") {
			t.Errorf("%s: %d %s", next, status, body)
		}
		l.goesOn(t)
	}
	stop()
	l.writing.Wait()
	if n, of := l.refused.Load(), l.rounds.Load(); n == 0 || n == of {
		t.Errorf("%d of %d null values were refused", n, of)
	}
	if n := l.lost.Load(); n != 0 {
		t.Errorf("%d connections were lost", n)
	}
	s.holds(t, l.acked[:])
}

// holds wants a topic to have what each writer had acknowledged, once and in its order.
func (s *served) holds(t *testing.T, acked [][]string) {
	t.Helper()
	reader := s.client(t, "reader", kgo.ConsumeTopics("users"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer reader.Close()
	ends, err := kadm.NewClient(reader).ListEndOffsets(t.Context(), "users")
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup("users", 0)
	got := make([][]string, len(acked))
	for next := int64(0); next < end.Offset; {
		for _, r := range reader.PollFetches(t.Context()).Records() {
			next = r.Offset + 1
			if writer, _, ok := strings.Cut(string(r.Value), "-"); ok {
				got[writer[0]-'0'] = append(got[writer[0]-'0'], string(r.Value))
			}
		}
	}
	if diff := cmp.Diff(acked, got); diff != "" {
		t.Error(diff)
	}
}
