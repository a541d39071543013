package audit_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/audit"
	"warder/proxy/embedded"
)

func client(t *testing.T, c *embedded.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(strings.Split(c.Bootstrap(), ",")...))...)
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// The topic comes late, the trail goes on over two runs, and all of it is in one partition.
func TestTrailInATopic(t *testing.T) {
	cluster, err := embedded.Start(t.Context(), embedded.Options{Brokers: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	reader := client(t, cluster, kgo.ConsumeTopics("trail"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer reader.Close()
	for run := range 2 {
		sink := audit.NewKafka("trail", client(t, cluster, audit.KafkaOptions()...))
		trail, m := begin(sink, config(stops), nil)
		if run == 0 {
			eventually(t, "the failure", m.failing.Load)
			if _, err := kadm.NewClient(reader).CreateTopic(t.Context(), 3, 1, nil, "trail"); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "requests to be served", func() bool {
			oneOf, err := trail.Take(20)
			if err == nil {
				trail.Exchange(deletion("users"), oneOf)
			}
			return err == nil && m.written.Load() > 0
		})
		for range 1000 {
			give(t, trail, deletion("orders"))
		}
		finish(t, trail)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var text strings.Builder
	for ended := 0; ended < 2; {
		fetches := reader.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("%v; so far:\n%s", err, text.String())
		}
		for _, r := range fetches.Records() {
			if r.Partition != 0 {
				t.Fatalf("a record in partition %d", r.Partition)
			}
			text.Write(append(r.Value, '\n'))
			if strings.Contains(string(r.Value), `"event":"ended"`) {
				ended++
			}
		}
	}
	file := filepath.Join(t.TempDir(), "trail")
	write(t, file, text.String())
	if r := verify(t, nil, "", file); !r.Whole || r.Runs != 2 || r.Killed != 0 || r.Lines < 2006 || r.Lost != 0 {
		t.Errorf("%+v %+v", r, r.Break)
	}
}

func TestTopicOfSomethingElse(t *testing.T) {
	cluster, err := embedded.Start(t.Context(), embedded.Options{Brokers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	cl := client(t, cluster, append(audit.KafkaOptions(), kgo.AllowAutoTopicCreation())...)
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, nil, "findings"); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "findings", Value: []byte(`{"rule":"tombstone"}`)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	sink := audit.NewKafka("findings", cl)
	if _, err := sink.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "a topic of its own") {
		t.Errorf("%v", err)
	}
	if err := sink.Close(); err != nil {
		t.Error(err)
	}
}
