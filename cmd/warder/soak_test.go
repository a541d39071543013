package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/embedded"
)

// soaked is one look at a warder that works.
type soaked struct {
	heap, rss, goroutines, files float64
	requests, bytes              float64 // since it began
	panics                       float64
}

// look asks for it, after a garbage collection, so that the heap is what is held.
func look(t *testing.T, admin string) soaked {
	t.Helper()
	body(t, admin, "/debug/pprof/heap?gc=1")
	sums := map[string]float64{} // by name, over labels
	for line := range strings.Lines(body(t, admin, "/metrics")) {
		name, value, _ := strings.Cut(line, " ")
		if at := strings.LastIndex(line, "} "); at >= 0 {
			value = line[at+2:]
		}
		name, _, _ = strings.Cut(name, "{")
		if n, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil && name != "#" {
			sums[name] += n
		}
	}
	return soaked{
		heap: sums["go_memstats_heap_alloc_bytes"], rss: sums["process_resident_memory_bytes"],
		goroutines: sums["go_goroutines"], files: sums["process_open_fds"],
		requests: sums["warder_requests_total"], bytes: sums["warder_bytes_total"],
		panics: sums["warder_panics_total"] + sums["warder_rule_panics_total"],
	}
}

// body asks the admin interface.
func body(t *testing.T, admin, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, resp.Status, err)
	}
	return string(text)
}

// soakRules has every rule at work, all that is fetched looked into, and findings in a file.
const soakRules = `rules: {defaults: {action: alert}}
inspect: {fetch_records: all}
profiling: {pprof: true}
sinks: {log: {enabled: false}, file: {path: findings.jsonl, max_size: 1MiB, keep: 1}}
`

// soakTopics have little room, so that an embedded cluster stays small as well.
var soakTopics = []embedded.Topic{
	{Name: "orders", Partitions: 6, Configs: map[string]string{"retention.bytes": "4000000"}},
	{Name: "users", Partitions: 2, Configs: map[string]string{"cleanup.policy": "compact,delete", "retention.bytes": "1000000"}},
}

// soak is the load: producers that never pause, a group that reads, clients that come and go.
type soak struct {
	t         *testing.T
	bootstrap string
	working   sync.WaitGroup

	written, read, calls atomic.Int64
}

func (s *soak) client(id string, opts ...kgo.Opt) *kgo.Client {
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(s.bootstrap), kgo.ClientID(id))...)
	if err != nil {
		panic(err) // the options are the test's own
	}
	return cl
}

// produce writes JSON with few of its keys the same, some of it null values, as fast as
// it is taken.
func (s *soak) produce(ctx context.Context, id string, codec kgo.CompressionCodec) {
	cl := s.client(id, kgo.ProducerBatchCompression(codec))
	defer cl.Close()
	told := func(_ *kgo.Record, err error) {
		if err != nil && ctx.Err() == nil {
			s.t.Error(err)
		}
		s.written.Add(1)
	}
	for i := 0; ctx.Err() == nil; i++ {
		r := &kgo.Record{Topic: "orders", Key: fmt.Append(nil, "key-", i%5000), Value: fmt.Appendf(nil, `{"id":%d,"customer":"c-%d","amount":%d.5,"note":null}`, i, i%97, i%1000)}
		if i%50 == 0 {
			r.Topic = "users"
		}
		if i%1000 == 0 {
			r.Value = nil
		}
		cl.Produce(ctx, r, told)
	}
}

// consume reads as a member of a group, and commits.
func (s *soak) consume(ctx context.Context, id string) {
	cl := s.client(id, kgo.ConsumerGroup("shipping"), kgo.ConsumeTopics("orders", "users"), kgo.AutoCommitInterval(time.Second))
	defer cl.Close()
	for ctx.Err() == nil {
		s.read.Add(int64(cl.PollFetches(ctx).NumRecords()))
	}
}

// call is clients that come for one record, again and again, under some fifty names.
func (s *soak) call(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		cl := s.client(fmt.Sprint("caller-", i%50))
		err := cl.ProduceSync(ctx, &kgo.Record{Topic: "orders", Key: []byte("call"), Value: []byte(`{"id":0}`)}).FirstErr()
		if err != nil && ctx.Err() == nil && !errors.Is(err, kerr.PolicyViolation) {
			s.t.Error(err)
		}
		cl.Close()
		s.calls.Add(1)
		<-tick.C
	}
}

// begin starts all of it.
func (s *soak) begin(ctx context.Context) {
	for id, codec := range map[string]kgo.CompressionCodec{"shop-lz4": kgo.Lz4Compression(), "shop-plain": kgo.NoCompression()} {
		s.working.Go(func() { s.produce(ctx, id, codec) })
	}
	for i := range 2 {
		s.working.Go(func() { s.consume(ctx, fmt.Sprint("shipping-", i)) })
	}
	s.working.Go(func() { s.call(ctx) })
}

// looks is how often one looks in a soak. The first quarter is for warming up: what is
// seen in the last is compared with the second.
const looks = 40

// TestSoak has a warder of its own process at work without a pause, with all rules on, for
// as long as SOAK says. What it holds, its goroutines and its descriptors are no more
// at the end than when it had become warm.
func TestSoak(t *testing.T) {
	long, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Skip("no soak is asked for: make soak SOAK=10m")
	}
	cluster, err := embedded.Start(t.Context(), embedded.Options{Topics: soakTopics})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	p, bootstrap := launch(t, cluster, soakRules)
	var line struct{ Address string }
	for _, text := range p.before {
		if strings.Contains(text, `"admin interface"`) {
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
		}
	}
	ended := make(chan error, 1)
	go func() { // a log that nobody reads would stop it
		for p.log.Scan() {
			if strings.Contains(p.log.Text(), "defect in warder") {
				t.Error(p.log.Text())
			}
		}
		ended <- p.Wait()
	}()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s := &soak{t: t, bootstrap: bootstrap}
	s.begin(ctx)
	seen := s.watch(t, cluster, line.Address, long/looks)
	stop()
	s.working.Wait()
	p.signal(t, syscall.SIGTERM)
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	last := seen[len(seen)-1]
	t.Logf("%v: %d records written, %d read, %d callers; %.0f requests and %.1f GB through warder",
		long, s.written.Load(), s.read.Load(), s.calls.Load(), last.requests, last.bytes/1e9)
	if last.panics != 0 {
		t.Errorf("%v panics", last.panics)
	}
	flat(t, seen)
}

// watch looks at warder while the load goes on, and keeps the cluster small.
func (s *soak) watch(t *testing.T, cluster *embedded.Cluster, admin string, every time.Duration) (seen []soaked) {
	t.Helper()
	retention, next := time.NewTicker(time.Second), time.NewTicker(every)
	defer retention.Stop()
	defer next.Stop()
	for len(seen) < looks && !t.Failed() {
		select {
		case <-retention.C:
			cluster.ApplyRetention()
		case <-next.C:
			before := s.written.Load()
			now := look(t, admin)
			t.Logf("%2d  heap %6.1f MiB  RSS %6.1f MiB  %4.0f goroutines  %3.0f descriptors  %d records written",
				len(seen)+1, now.heap/(1<<20), now.rss/(1<<20), now.goroutines, now.files, before)
			seen = append(seen, now)
		}
	}
	return seen
}

// flat compares the middle of what was seen in the last quarter with that of the second.
func flat(t *testing.T, seen []soaked) {
	t.Helper()
	if len(seen) < looks {
		return // it has failed already
	}
	for _, m := range []struct {
		what         string
		of           func(soaked) float64
		factor, more float64 // what chance may add
	}{
		{"bytes on the heap", func(s soaked) float64 { return s.heap }, 1.10, 4 << 20},
		// The collector lets the heap double before it comes by, sooner or later as the load is.
		{"bytes resident", func(s soaked) float64 { return s.rss }, 1.33, 8 << 20},
		{"goroutines", func(s soaked) float64 { return s.goroutines }, 1, 8},
		{"descriptors", func(s soaked) float64 { return s.files }, 1, 8},
	} {
		middle := func(part []soaked) float64 {
			values := make([]float64, len(part))
			for i, s := range part {
				values[i] = m.of(s)
			}
			slices.Sort(values)
			return values[len(values)/2]
		}
		warm, end := middle(seen[looks/4:looks/2]), middle(seen[3*looks/4:])
		t.Logf("%s: %.0f when warm, %.0f at the end", m.what, warm, end)
		if end > m.factor*warm+m.more {
			t.Errorf("%s: %.0f became %.0f", m.what, warm, end)
		}
	}
}
