package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"warder/configs"
	"warder/protocol"
	"warder/proxy/embedded"
	"warder/record"
	"warder/record/scrub"
	"warder/rules"
	"warder/rules/engine"
	"warder/rules/sink"
	"warder/test/fakebroker"
)

// startRecorded is a rig that records everything into the directory it returns.
func startRecorded(t *testing.T, broker *fakebroker.Broker, upstream string, payload scrub.Payload, change func(*configs.Config)) (*rig, *record.Recorder, string) {
	t.Helper()
	dir := t.TempDir()
	var recorder *record.Recorder
	r := startRigOn(t, broker, upstream, change, func(eo *engine.Options, o *Options) {
		recorder = record.New(record.Options{
			Dir: dir, Payload: payload, MaxSize: 1 << 30, All: true, Version: "test", Cluster: "test",
			Topics: o.Topics.Follow, Counts: o.Metrics.Recording(), Log: zerolog.Nop(),
		})
		o.Recorder = recorder
		eo.Specs, eo.Sinks = []rules.Spec{forbidden}, []sink.Sink{recorded{recorder}}
	})
	return r, recorder, dir
}

type recorded struct{ *record.Recorder }

func (recorded) Close() error { return nil }

// stopRecording ends all sessions and the recording.
func (r *rig) stopRecording(recorder *record.Recorder) {
	r.t.Helper()
	r.drain()
	if err := recorder.Close(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// entriesOf reads a recording.
func entriesOf(t *testing.T, dir string) (list []*record.Entry) {
	t.Helper()
	reader, err := record.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for {
		e, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		keep := *e
		keep.Data = bytes.Clone(e.Data)
		list = append(list, &keep)
	}
	if left := reader.Left(); len(left) > 0 {
		t.Errorf("left out: %v", left)
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
	return list
}

// witness notes what clients write and read, by their addresses.
type witness struct {
	mu             sync.Mutex
	sent, received map[string][]byte
}

func (w *witness) dial(ctx context.Context, network, host string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, host)
	if err != nil {
		return nil, err
	}
	return &witnessed{conn, w}, nil
}

type witnessed struct {
	net.Conn
	w *witness
}

func (c *witnessed) note(of map[string][]byte, p []byte) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	key := c.LocalAddr().String()
	of[key] = append(of[key], p...)
}

func (c *witnessed) Write(p []byte) (int, error) {
	c.note(c.w.sent, p)
	return c.Conn.Write(p)
}

func (c *witnessed) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.note(c.w.received, p[:n])
	return n, err
}

// The recording holds what clients sent and what they got, byte for byte: large
// requests that stream, answers whose addresses were rewritten, parts that were refused.
func TestRecordingHoldsWhatClientsSaw(t *testing.T) {
	cluster, err := embedded.Start(t.Context(), embedded.Options{Topics: []embedded.Topic{{Name: "orders", Partitions: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	r, recorder, dir := startRecorded(t, nil, cluster.ListenAddrs()[0], scrub.Full, blocking)
	w := &witness{sent: map[string][]byte{}, received: map[string][]byte{}}
	client, err := kgo.NewClient(kgo.SeedBrokers(r.addr()), kgo.Dialer(w.dial), kgo.ClientID("shop"), kgo.ConsumeTopics("orders"),
		kgo.ConsumerGroup("readers"), kgo.ProducerBatchMaxBytes(900_000), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	for i, value := range []string{"a", strings.Repeat("large ", 100_000), "forbidden", "b"} {
		err := client.ProduceSync(t.Context(), &kgo.Record{Topic: "orders", Partition: int32(i % 3), Key: fmt.Append(nil, i), Value: []byte(value)}).FirstErr()
		if (err != nil) != (value == "forbidden") {
			t.Errorf("%.20s: %v", value, err)
		}
	}
	for got := 0; got < 3; {
		fetches := client.PollFetches(t.Context())
		if err := fetches.Err0(); err != nil {
			t.Fatal(err)
		}
		got += fetches.NumRecords()
	}
	client.Close()
	eventually(t, "the end of the sessions", func() bool { return len(r.Clients()) == 0 })
	r.stopRecording(recorder)

	conns, found := map[uint64]string{}, 0
	sent, received := map[string][]byte{}, map[string][]byte{}
	for _, e := range entriesOf(t, dir) {
		switch e.Kind {
		case record.Opened:
			conns[e.Conn] = e.Remote.String()
		case record.Request:
			sent[conns[e.Conn]] = append(sent[conns[e.Conn]], e.Data...)
		case record.Answer:
			received[conns[e.Conn]] = append(received[conns[e.Conn]], e.Data...)
		case record.Found:
			found++
		case record.Lost:
			t.Error("something was lost")
		case record.Identified, record.Closed, record.Learned, record.Passed:
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for addr, want := range w.sent {
		if !bytes.Equal(sent[addr], want) {
			t.Errorf("%s: %d bytes were sent, %d are recorded", addr, len(want), len(sent[addr]))
		}
	}
	for addr, want := range w.received {
		if !bytes.HasPrefix(received[addr], want) { // a client that leaves may leave bytes unread
			t.Errorf("%s: %d bytes were received, %d are recorded", addr, len(want), len(received[addr]))
		}
	}
	if len(w.sent) < 2 || len(conns) != len(w.sent) || found == 0 {
		t.Errorf("%d connections, %d recorded, %d findings", len(w.sent), len(conns), found)
	}
}

// What a recording of live traffic holds leads to the same findings when it is played.
func TestRecordingIsFoundAgain(t *testing.T) {
	broker := fakebroker.New(t)
	r, recorder, dir := startRecorded(t, broker, broker.Addr(), scrub.Full, blocking)
	r.topics.Learn("orders", topicID("orders"), 3)
	r.store()
	c := r.dial()
	c.SetClientID("shop")
	c.Do(kmsg.NewPtrApiVersionsRequest())
	for _, version := range []int16{3, 9, 13} {
		c.Do(produce(version, -1, "orders", []string{"a"}, []string{"b", "forbidden"}))
		c.Do(produce(version, -1, "orders", []string{"forbidden"}))
		c.Send(produce(version, 0, "orders", []string{"fine"}))
	}
	c.Do(kmsg.NewPtrMetadataRequest())
	c.Conn().Close()
	closed := r.dial() // by a refusal that has no answer
	closed.SetClientID("fire-and-forget")
	closed.Send(produce(9, 0, "orders", []string{"forbidden"}))
	ended(closed)
	eventually(t, "the end of the sessions", func() bool { return len(r.Clients()) == 0 })
	r.drain()
	if err := r.engine.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	live := found(r.engine)
	r.stopRecording(recorder)
	p := newPlayRig(t, []rules.Spec{forbidden}, blocking)
	report := p.play(entriesOf(t, dir))
	again := found(p.engine)
	if len(live) == 0 || counts(r.engine) != counts(p.engine) || fmt.Sprint(live) != fmt.Sprint(again) || report.IgnoredBytes != 0 || len(report.Ended) != 0 {
		t.Errorf("live %v, played %v, %+v", live, again, report)
	}
}

// counts is how often what was found has happened.
func counts(e *engine.Engine) (n int) {
	for _, f := range e.Findings().Query(sink.Query{}) {
		n += f.Count
	}
	return n
}

// Who logged in is told beside the bytes, which say no more of passwords; a session
// that is played goes on behind the login as it did live.
func TestRecordingOfLogins(t *testing.T) {
	const password = "correct-horse"
	cluster, err := embedded.Start(t.Context(), embedded.Options{
		Topics: []embedded.Topic{{Name: "orders", Partitions: 1}},
		Kfake:  []kfake.Opt{kfake.EnableSASL(), kfake.Superuser("PLAIN", "alice", password), kfake.Superuser("SCRAM-SHA-256", "bob", password)},
		Client: []kgo.Opt{kgo.SASL(plain.Auth{User: "alice", Pass: password}.AsMechanism())},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	r, recorder, dir := startRecorded(t, nil, cluster.ListenAddrs()[0], scrub.Full, blocking)
	for _, mechanism := range []sasl.Mechanism{plain.Auth{User: "alice", Pass: password}.AsMechanism(), scram.Auth{User: "bob", Pass: password}.AsSha256Mechanism()} {
		client, err := kgo.NewClient(kgo.SeedBrokers(r.addr()), kgo.SASL(mechanism), kgo.ClientID(mechanism.Name()), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.DefaultProduceTopic("orders"))
		if err != nil {
			t.Fatal(err)
		}
		large := strings.Repeat("x", protocol.MaxUnauthenticatedFrame+1)
		if err := client.ProduceSync(t.Context(), kgo.StringRecord(large)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if client.ProduceSync(t.Context(), kgo.StringRecord("forbidden")).FirstErr() == nil {
			t.Error("not refused")
		}
		client.Close()
	}
	eventually(t, "the end of the sessions", func() bool { return len(r.Clients()) == 0 })
	r.drain()
	if err := r.engine.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.stopRecording(recorder)
	entries, principals := entriesOf(t, dir), map[string]bool{}
	for _, e := range entries {
		if e.Kind == record.Identified {
			principals[e.Identity.Principal] = true
		}
		if bytes.Contains(e.Data, []byte("horse")) {
			t.Error("the password is recorded")
		}
	}
	if !principals["User:alice"] || !principals["User:bob"] {
		t.Errorf("principals: %v", principals)
	}
	p := newPlayRig(t, []rules.Spec{forbidden}, blocking)
	report := p.play(entries)
	live, again := found(r.engine), found(p.engine)
	if len(live) != 1 || fmt.Sprint(live) != fmt.Sprint(again) || len(report.Ended) != 0 {
		t.Errorf("live %v, played %v, %+v", live, again, report)
	}
}

// A client's time is not the recorder's: nobody waits, and nobody is in the way.
func TestRecorderThatHangsDelaysNobody(t *testing.T) {
	broker := fakebroker.New(t)
	dir := t.TempDir()
	stuck := make(chan struct{})
	var recorder *record.Recorder
	r := startRigOn(t, broker, broker.Addr(), nil, func(eo *engine.Options, o *Options) {
		recorder = record.New(record.Options{
			Dir: dir, MaxSize: 1 << 30, All: true, Counts: o.Metrics.Recording(), Log: zerolog.Nop(),
			Now: hangsAfter(stuck, 3),
		})
		o.Recorder, eo.Specs = recorder, []rules.Spec{forbidden}
	})
	c := r.dial()
	for range 100 {
		c.Do(kmsg.NewPtrMetadataRequest())
	}
	c.Conn().Close()
	eventually(t, "the end of the session", func() bool { return len(r.Clients()) == 0 })
	close(stuck)
	r.stopRecording(recorder)
}

// hangsAfter is a clock that answers n times and then only when stuck is closed.
func hangsAfter(stuck chan struct{}, n int) func() time.Time {
	var mu sync.Mutex
	return func() time.Time {
		mu.Lock()
		n--
		hang := n < 0
		mu.Unlock()
		if hang {
			<-stuck
		}
		return time.Now()
	}
}
