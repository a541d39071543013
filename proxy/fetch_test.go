package proxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/configs"
	"warder/protocol"
	"warder/protocol/records"
	"warder/proxy/embedded"
	"warder/rules"
	"warder/test/fakebroker"
)

// fetchVersions are those at which the form of Fetch or what is in it changes.
var fetchVersions = []int16{4, 7, 11, 12, 13, 16, 18}

// reading is a rule that wants to know all there is to know about reading, and
// nothing of what is written.
type reading struct {
	sample func(value []byte) // called outside the lock

	mu     sync.Mutex
	seen   []string
	events []rules.Event
}

func (f *reading) Sample(_ *rules.Case, b *rules.Batch, r *rules.Record) {
	if !b.Fetched {
		return
	}
	if f.sample != nil {
		f.sample(r.Value)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, fmt.Sprintf("%s/%d %.10s", b.Topic.Name, b.Partition, r.Value))
}

func (f *reading) Watch(_ *rules.Watch, ev rules.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, ev)
}

func (f *reading) spec(needs rules.Needs, watches ...rules.Interest) rules.Spec {
	return rules.Spec{
		ID: "reading", Severity: rules.Info, Needs: needs, Default: rules.Alert, Watches: watches, FoldBy: rules.FieldTopic,
		New: func(decode func(any) error) (rules.Rule, error) { return f, decode(&struct{}{}) },
	}
}

const sampling = rules.NeedSamples | rules.NeedFetched

var watching = []rules.Interest{{Kind: rules.KindTopicRead, By: rules.ByCluster}, {Kind: rules.KindFetched, By: rules.ByTopic}}

func fetchRecords(mode string) func(*configs.Config) {
	return func(c *configs.Config) { c.Inspect.FetchRecords = mode }
}

// readers waits until n clients' topics were told of, and gives them.
func (f *reading) readers(t *testing.T, n int) (list []string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d events TopicRead", n), func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		list = nil
		for _, ev := range f.events {
			if ev, ok := ev.(rules.TopicRead); ok {
				list = append(list, ev.Client.ClientID+" "+ev.Topic)
			}
		}
		return len(list) >= n
	})
	slices.Sort(list)
	return list
}

// progress waits for an event Fetched about a topic.
func (f *reading) progress(t *testing.T, topic string) (got rules.Fetched) {
	t.Helper()
	eventually(t, "Fetched", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		i := slices.IndexFunc(f.events, func(ev rules.Event) bool {
			fetched, ok := ev.(rules.Fetched)
			return ok && fetched.Topic == topic
		})
		if i >= 0 {
			got = f.events[i].(rules.Fetched)
		}
		return i >= 0
	})
	return got
}

// fetchRequest asks for partitions, written topic/partition@offset.
func fetchRequest(version int16, session, epoch int32, parts ...string) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.SessionID, req.SessionEpoch = version, session, epoch
	for _, part := range parts {
		topic, p := fetchedPart(part)
		rt := kmsg.NewFetchRequestTopic()
		rt.Topic, rt.TopicID = topic, topicID(topic)
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.FetchOffset = p.Partition, p.FetchOffset
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
	}
	return req
}

func fetchedPart(text string) (topic string, p rules.FetchedPartition) {
	topic, text, _ = strings.Cut(text, "/")
	if _, err := fmt.Sscanf(text, "%d@%d", &p.Partition, &p.FetchOffset); err != nil {
		panic(err)
	}
	return topic, p
}

// fetchAnswer answers with records, one topic after another.
func fetchAnswer(version int16, session int32, parts ...kmsg.FetchResponseTopic) *kmsg.FetchResponse {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version, resp.SessionID, resp.Topics = version, session, parts
	return resp
}

func fetchedTopic(name string, partition int32, blobs ...[]byte) kmsg.FetchResponseTopic {
	t := kmsg.NewFetchResponseTopic()
	t.Topic, t.TopicID = name, topicID(name)
	p := kmsg.NewFetchResponseTopicPartition()
	p.Partition, p.HighWatermark, p.LastStableOffset, p.LogStartOffset = partition, 500, 400, 50
	p.RecordBatches = slices.Concat(blobs...)
	t.Partitions = append(t.Partitions, p)
	return t
}

func batchOf(codec records.Codec, values ...string) []byte {
	b := records.NewBuilder(codec)
	for _, v := range values {
		b.Add([]byte("key"), []byte(v))
	}
	blob, err := b.AppendBatch(nil)
	if err != nil {
		panic(err)
	}
	return blob
}

// incompressible makes a value of n bytes that begins with name.
func incompressible(name string, n int) string {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	b := []byte(name + strings.Repeat(" ", 10))
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, random.Uint64())
	}
	return string(b)
}

// marker is a control batch, as transactions leave them.
func marker() []byte {
	b := records.NewBuilder(records.None).Add([]byte{0, 0, 0, 1}, []byte{0, 0, 0, 0, 0, 0})
	b.Control = true
	blob, err := b.AppendBatch(nil)
	if err != nil {
		panic(err)
	}
	return blob
}

// passing makes an answer, one that fits the window or a large one, with everything
// that a partition's records can begin and end with.
func passing(version int16, large bool) *kmsg.FetchResponse {
	long := incompressible("long", 6000)
	if large {
		long = incompressible("long", windowSize+5000)
	}
	cut := batchOf(records.LZ4, "cut", "off")
	return fetchAnswer(version, 7,
		fetchedTopic("orders", 3, batchOf(records.Snappy, "a", "b"), batchOf(records.None, long), batchOf(records.Zstd, "c"), cut[:len(cut)-1]),
		fetchedTopic("quiet", 0),
		fetchedTopic("other", 1, cut[:30]),
		fetchedTopic("users", 9, marker(), batchOf(records.Gzip, "d"), batchOf(records.None, "e"), cut[:5]),
	)
}

// What of answers rules are shown.
var shown = map[string][]string{
	"off":    nil,
	"sample": {"orders/3 a", "orders/3 b", "users/9 d"},
	"all":    {"orders/3 a", "orders/3 b", "orders/3 long      ", "orders/3 c", "users/9 d", "users/9 e"},
}

func TestFetchAnswersPassUntouched(t *testing.T) {
	for _, version := range fetchVersions {
		for _, large := range []bool{false, true} {
			for mode, want := range shown {
				write := 1000
				if mode == "all" && (version == 4 || version == 16) {
					write = 1
				}
				t.Run(fmt.Sprintf("v%d/large=%v/%s/by %d bytes", version, large, mode, write), func(t *testing.T) {
					f := &reading{}
					r := newRigWith(t, []rules.Spec{f.spec(sampling, watching...)}, fetchRecords(mode))
					for _, name := range []string{"orders", "quiet", "other", "users"} {
						r.topics.Learn(name, topicID(name), 12)
					}
					raw := fakebroker.AppendResponse(nil, protocol.Fetch, version, 1, passing(version, large).AppendTo(nil))
					r.broker.Script(fakebroker.Expect(protocol.Fetch), func(p *fakebroker.Play) error {
						for rest := raw; len(rest) > 0; rest = rest[min(write, len(rest)):] {
							if err := p.Send(rest[:min(write, len(rest))]); err != nil {
								return err
							}
						}
						return nil
					}, fakebroker.ExpectEnd())
					c := r.dial()
					c.Send(fetchRequest(version, 0, 0, "orders/3@100"))
					if got := c.Next(); !bytes.Equal(got.Raw, raw) {
						t.Fatalf("%d bytes came, %d were sent, or they differ", len(got.Raw), len(raw))
					}
					c.Conn().Close()
					eventually(t, "the end of the session", func() bool { return len(r.Clients()) == 0 })
					if diff := cmp.Diff(want, f.seen); diff != "" {
						t.Errorf("rules were shown (-want +got):\n%s", diff)
					}
					if n := testutil.CollectAndCount(r.metrics.uninspected); n != 0 {
						t.Errorf("%d reasons why something was not inspected", n)
					}
				})
			}
		}
	}
}

// The client has the bytes of a batch before a rule is done with it.
func TestNobodyWaitsForWhoLooksIntoAnswers(t *testing.T) {
	for name, long := range map[string]int{"in the window": 6000, "in a large answer": 6000, "copied while it passes": windowSize + 5000} {
		t.Run(name, func(t *testing.T) {
			arrived := make(chan struct{})
			f := &reading{sample: func([]byte) { <-arrived }}
			r := newRigWith(t, []rules.Spec{f.spec(sampling)}, nil)
			release := sync.OnceFunc(func() { close(arrived) })
			t.Cleanup(release)
			batch := batchOf(records.None, incompressible("long", long))
			rest := fetchedTopic("users", 0, make([]byte, 10))
			if name != "in the window" {
				rest = fetchedTopic("users", 0, batchOf(records.None, incompressible("more", 3*windowSize)))
			}
			body := fetchAnswer(11, 0, fetchedTopic("orders", 3, batch), rest).AppendTo(nil)
			r.broker.Handle(protocol.Fetch, func(*fakebroker.Frame) []byte { return body })
			c := r.dial()
			c.Send(fetchRequest(11, 0, -1, "orders/3@100"))
			raw := fakebroker.AppendResponse(nil, protocol.Fetch, 11, 1, body)
			end := bytes.Index(raw, batch) + len(batch)
			got := readAll(t, c.Conn(), end) // hangs if it waits for the rule
			release()
			got = append(got, readAll(t, c.Conn(), len(raw)-end)...)
			if !bytes.Equal(got, raw) {
				t.Error("the answer differs")
			}
		})
	}
}

func TestFetchIsReadOnlyWhenSomebodyWantsIt(t *testing.T) {
	garbage := bytes.Repeat([]byte{0xff}, 100)
	for name, tt := range map[string]struct {
		spec    rules.Spec
		request []byte
		counted map[string]float64
	}{
		"nobody":        {(&reading{}).spec(rules.NeedRecords), garbage, nil},
		"request":       {(&reading{}).spec(0, watching...), garbage, map[string]float64{"malformed": 1}},
		"request, then": {(&reading{}).spec(0, watching...), fetchRequest(11, 0, 0, "orders/0@1").AppendTo(nil), map[string]float64{"malformed_answer": 1}},
		"answer":        {(&reading{}).spec(sampling), garbage, map[string]float64{"malformed_answer": 1}},
	} {
		for _, size := range []int{100, 2 * windowSize} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				r := newRigWith(t, []rules.Spec{tt.spec}, nil)
				answer := fakebroker.AppendResponse(nil, protocol.Fetch, 11, 1, bytes.Repeat([]byte{0x7f}, size))
				r.broker.Script(fakebroker.Expect(protocol.Fetch), fakebroker.Send(answer), fakebroker.ExpectEnd())
				c := r.dial()
				client := "c"
				sent := fakebroker.AppendRequest(nil, protocol.Fetch, 11, 1, &client, tt.request)
				c.Write(sent)
				if got := c.Next(); !bytes.Equal(got.Raw, answer) {
					t.Error("the answer differs")
				}
				c.Conn().Close()
				if got := r.broker.Conn(t, 0).WaitReceived(t, len(sent)); !bytes.Equal(got, sent) {
					t.Error("the request differs")
				}
				for _, reason := range []string{"malformed", "malformed_answer", "unreadable_answer"} {
					if n := testutil.ToFloat64(r.metrics.uninspected.WithLabelValues(reason)); n != tt.counted[reason] {
						t.Errorf("%s: counted %v, want %v", reason, n, tt.counted[reason])
					}
				}
			})
		}
	}
}

func TestProgressOfReaders(t *testing.T) {
	for _, version := range fetchVersions {
		for _, large := range []bool{false, true} {
			t.Run(fmt.Sprintf("v%d/large=%v", version, large), func(t *testing.T) {
				f := &reading{}
				r := newRigWith(t, []rules.Spec{f.spec(0, watching...)}, nil)
				for _, name := range []string{"orders", "quiet", "users"} {
					r.topics.Learn(name, topicID(name), 12)
				}
				resp := passing(version, large)
				r.answerWith(protocol.Fetch, func(int16) kmsg.Response { return resp })
				c := r.dial()
				c.SetClientID("billing")
				c.Do(fetchRequest(version, 0, 0, "orders/3@100", "users/9@7", "quiet/0@0", "quiet/1@0"))
				if version >= 7 { // in a session only what is new is named
					c.Do(fetchRequest(version, 7, 1, "orders/3@103"))
				} else {
					c.Do(fetchRequest(version, 0, 0, "orders/3@103", "users/9@7", "quiet/0@0", "quiet/1@0"))
				}
				want := rules.FetchedPartition{
					Partition: 3, FetchOffset: 103, HighWatermark: 500, LastStableOffset: 400, LogStartOffset: 50,
					Bytes: int64(len(resp.Topics[0].Partitions[0].RecordBatches)), ReadOffset: 100,
				}
				if version < 5 {
					want.LogStartOffset = -1
				}
				ev := f.progress(t, "orders")
				if diff := cmp.Diff([]rules.FetchedPartition{want}, ev.Partitions); diff != "" || ev.Client.ClientID != "billing" || ev.At.IsZero() {
					t.Errorf("%s told %v (-want +got):\n%s", ev.Client.ClientID, ev.At, diff)
				}
				if ev := f.progress(t, "quiet"); len(ev.Partitions) != 1 || ev.Partitions[0].Bytes != 0 || ev.Partitions[0].HighWatermark != 500 {
					t.Errorf("%+v", ev) // partition 1 was not answered
				}
				if diff := cmp.Diff([]string{"billing orders", "billing quiet", "billing users"}, f.readers(t, 3)); diff != "" {
					t.Errorf("readers (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// A client that seeks back again and again begins a new session with each Fetch, and its progress shows all the same.
func TestProgressOfReadersThatBeginAnew(t *testing.T) {
	f := &reading{}
	r := newRigWith(t, []rules.Spec{f.spec(0, watching...)}, nil)
	r.topics.Learn("orders", topicID("orders"), 12)
	resp, id := passing(13, false), int32(0)
	r.answerWith(protocol.Fetch, func(int16) kmsg.Response {
		id++
		resp.SessionID = id
		return resp
	})
	c := r.dial()
	for range 2 {
		c.Do(fetchRequest(13, 0, 0, "orders/3@100"))
	}
	if ev := f.progress(t, "orders"); len(ev.Partitions) != 1 || ev.Partitions[0].FetchOffset != 100 || ev.Partitions[0].Bytes == 0 {
		t.Errorf("%+v", ev)
	}
}

// fetchSessions makes the broker give every full request a session and know no
// other, as brokers do.
func fetchSessions(r *rig) {
	next := int32(100)
	known := map[int32]bool{}
	r.broker.Handle(protocol.Fetch, func(f *fakebroker.Frame) []byte {
		req := kmsg.NewPtrFetchRequest()
		req.Version = f.Version
		if err := req.ReadFrom(f.Body); err != nil {
			r.t.Error(err)
			return nil
		}
		resp := fetchAnswer(f.Version, req.SessionID)
		switch {
		case req.SessionEpoch == 0:
			delete(known, req.SessionID)
			next++
			resp.SessionID, known[next] = next, true
		case req.SessionEpoch == -1:
			delete(known, req.SessionID)
			resp.SessionID = 0
		case !known[req.SessionID]:
			resp.SessionID, resp.ErrorCode = 0, 70 // FETCH_SESSION_ID_NOT_FOUND
		}
		return resp.AppendTo(nil)
	})
}

// forgetting adds partitions that leave the session.
func forgetting(req *kmsg.FetchRequest, parts ...string) *kmsg.FetchRequest {
	for _, part := range parts {
		topic, p := fetchedPart(part)
		f := kmsg.NewFetchRequestForgottenTopic()
		f.Topic, f.TopicID, f.Partitions = topic, topicID(topic), []int32{p.Partition}
		req.ForgottenTopics = append(req.ForgottenTopics, f)
	}
	return req
}

func TestReadersInFetchSessions(t *testing.T) {
	for _, version := range fetchVersions[1:] {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			f := &reading{}
			r := newRigWith(t, []rules.Spec{f.spec(0, watching...)}, nil)
			for _, name := range []string{"orders", "users", "carts", "stock"} {
				r.topics.Learn(name, topicID(name), 12)
			}
			fetchSessions(r)
			dial := func(name string) *fakebroker.Client {
				c := r.dial()
				c.SetClientID(name)
				return c
			}
			var want []string
			check := func(step string, more ...string) {
				t.Helper()
				want = append(want, more...)
				slices.Sort(want)
				if diff := cmp.Diff(want, f.readers(t, len(want))); diff != "" {
					t.Fatalf("%s (-want +got):\n%s", step, diff)
				}
			}
			a := dial("a")
			session := a.Do(fetchRequest(version, 0, 0, "orders/1@0", "users/2@0")).(*kmsg.FetchResponse).SessionID
			check("a full request", "a orders", "a users")
			a.Do(fetchRequest(version, session, 1))
			a.Do(fetchRequest(version, session, 2, "carts/0@0"))
			check("a topic joins the session", "a carts")
			a.Do(forgetting(fetchRequest(version, session, 3), "users/2@0"))

			b := dial("b")
			b.Do(fetchRequest(version, session, 4))
			check("the session goes on over another connection", "b orders", "b carts")
			if n := r.engine.FetchSessions().Len(); n != 1 {
				t.Errorf("%d sessions", n)
			}

			b.Do(fetchRequest(version, session, -1)) // as consumers close it
			c := dial("c")
			c.Do(fetchRequest(version, session, 5, "stock/0@0")) // the broker knows it no more
			check("the session was closed", "c stock")
			next := c.Do(fetchRequest(version, session, 0, "users/1@0", "stock/0@0")).(*kmsg.FetchResponse).SessionID
			check("a new one", "c users", "c stock")
			d := dial("d")
			d.Do(fetchRequest(version, next, 1))
			check("goes on in its turn", "d users", "d stock")

			e := dial("e")
			e.Do(fetchRequest(version, 0, -1, "orders/1@0"))
			check("without a session", "e orders")
			for _, client := range []*fakebroker.Client{a, b, c, d, e} {
				client.Conn().Close()
			}
			eventually(t, "only what has a name to be kept", func() bool { return r.engine.FetchSessions().Len() == 1 })
		})
	}
}

// A session that began before warder knew of it is learnt from what it names.
func TestUnknownFetchSessionIsLearnt(t *testing.T) {
	f := &reading{}
	r := newRigWith(t, []rules.Spec{f.spec(0, watching...)}, nil)
	r.answerWith(protocol.Fetch, func(v int16) kmsg.Response { return fetchAnswer(v, 77) })
	a, b := r.dial(), r.dial()
	a.SetClientID("a")
	b.SetClientID("b")
	a.Do(fetchRequest(11, 77, 41, "orders/1@0"))
	a.Do(fetchRequest(11, 77, 42, "users/1@0"))
	b.Do(fetchRequest(11, 77, 43))
	if diff := cmp.Diff([]string{"a orders", "a users", "b orders", "b users"}, f.readers(t, 4)); diff != "" {
		t.Error(diff)
	}
}

func TestReplicasAreNoReaders(t *testing.T) {
	f := &reading{}
	r := newRigWith(t, []rules.Spec{f.spec(0, watching...)}, nil)
	r.answerWith(protocol.Fetch, func(v int16) kmsg.Response { return fetchAnswer(v, 0) })
	c := r.dial()
	req := fetchRequest(11, 0, -1, "replicated/1@0")
	req.ReplicaID = 4
	c.Do(req)
	c.Do(fetchRequest(11, 0, -1, "orders/1@0"))
	if got := f.readers(t, 1); len(got) != 1 || !strings.HasSuffix(got[0], " orders") {
		t.Errorf("readers %v", got)
	}
}

// A topic that is fetched by an id whose name nobody has told yet is asked for.
func TestNamesOfFetchedTopicsAreAskedFor(t *testing.T) {
	for name, spec := range map[string]func(*reading) rules.Spec{
		"readers": func(f *reading) rules.Spec { return f.spec(0, watching...) },
		"samples": func(f *reading) rules.Spec { return f.spec(sampling) },
	} {
		t.Run(name, func(t *testing.T) {
			f := &reading{}
			r := newRigWith(t, []rules.Spec{spec(f)}, fetchRecords("all"))
			r.answerWith(protocol.Metadata, func(int16) kmsg.Response {
				resp := kmsg.NewPtrMetadataResponse()
				topic := kmsg.NewMetadataResponseTopic()
				topic.Topic, topic.TopicID = new("orders"), topicID("orders")
				resp.Topics = append(resp.Topics, topic)
				return resp
			})
			r.answerWith(protocol.Fetch, func(v int16) kmsg.Response {
				return fetchAnswer(v, 0, fetchedTopic("orders", 3, batchOf(records.None, "a")))
			})
			c := r.dial()
			eventually(t, "the topic to be known", func() bool {
				c.Do(fetchRequest(13, 0, -1, "orders/3@0"))
				f.mu.Lock()
				defer f.mu.Unlock()
				return len(f.events)+len(f.seen) > 0
			})
		})
	}
}

func TestLargeFetchRequestIsNotRead(t *testing.T) {
	f := &reading{}
	r := newRigWith(t, []rules.Spec{f.spec(0, watching...)}, func(c *configs.Config) { c.Inspect.MaxMessage = 64 * configs.KiB })
	r.answerWith(protocol.Fetch, func(v int16) kmsg.Response { return fetchAnswer(v, 0) })
	c := r.dial()
	many := make([]string, 2000)
	for i := range many {
		many[i] = fmt.Sprintf("orders-%020d/1@0", i)
	}
	c.Do(fetchRequest(11, 0, -1, many[:500]...))
	f.readers(t, 500)
	c.Do(fetchRequest(11, 0, -1, many...))
	if n := testutil.ToFloat64(r.metrics.uninspected.WithLabelValues("too_large")); n != 1 || len(f.readers(t, 500)) != 500 {
		t.Errorf("%v counted", n)
	}
}

// A client library as it is: newest version, fetch sessions, large answers.
func TestConsumerIsFollowed(t *testing.T) {
	cluster, err := embedded.Start(t.Context(), embedded.Options{Topics: []embedded.Topic{{Name: "orders", Partitions: 3}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	f := &reading{}
	r := startRig(t, nil, cluster.Bootstrap(), []rules.Spec{f.spec(sampling, watching...)}, fetchRecords("all"))
	const total = 90
	client := func(id string, opts ...kgo.Opt) *kgo.Client {
		cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(r.addr()), kgo.ClientID(id))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cl.Close)
		return cl
	}
	producer := client("shop", kgo.DefaultProduceTopic("orders"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for i := range total {
		value := incompressible(fmt.Sprint("v", i, " "), 3000)
		if err := producer.ProduceSync(t.Context(), &kgo.Record{Partition: int32(i % 3), Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	consumer := client("billing", kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond))
	got := map[string]bool{}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(got) < total {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(rec *kgo.Record) { got[fmt.Sprintf("orders/%d %.10s", rec.Partition, rec.Value)] = true })
	}
	if readers := f.readers(t, 1); readers[0] != "billing orders" {
		t.Errorf("readers %v", readers)
	}
	eventually(t, "the client to be at the end of every partition", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		at := map[int32]rules.FetchedPartition{}
		for _, ev := range f.events {
			if ev, ok := ev.(rules.Fetched); ok {
				for _, p := range ev.Partitions {
					at[p.Partition] = p
				}
			}
		}
		for p := range int32(3) {
			if at[p].FetchOffset != total/3 || at[p].HighWatermark != total/3 {
				return false
			}
		}
		return true
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.seen {
		if strings.HasPrefix(s, "orders/") && !got[s] {
			t.Errorf("rules were shown %q, which nobody got", s)
		}
	}
	if len(f.seen) < rules.SamplesPerSecond {
		t.Errorf("rules were shown %d records", len(f.seen))
	}
}

// fetchExchange makes a Fetch request without a session and the broker's answer to it.
func fetchExchange(version int16, resp *kmsg.FetchResponse) (request, response []byte) {
	name := "c"
	resp.SessionID = 0
	request = fakebroker.AppendRequest(nil, protocol.Fetch, version, 1, &name, fetchRequest(version, 0, -1, "orders/3@100").AppendTo(nil))
	return request, fakebroker.AppendResponse(nil, protocol.Fetch, version, 1, resp.AppendTo(nil))
}

func TestSteadyFetchAllocatesNothing(t *testing.T) {
	for _, version := range []int16{11, 13, 16} {
		for _, large := range []bool{false, true} {
			for _, mode := range []string{"nobody", "readers", "sample", "all"} {
				t.Run(fmt.Sprintf("v%d/large=%v/%s", version, large, mode), func(t *testing.T) {
					steadyFetch(t, version, large, mode)
				})
			}
		}
	}
}

// tasting looks at what is fetched and keeps nothing.
type tasting struct{}

func (tasting) Sample(*rules.Case, *rules.Batch, *rules.Record) {}
func (tasting) Watch(*rules.Watch, rules.Event)                 {}

func tastingSpec(mode string) rules.Spec {
	spec := (&reading{}).spec(0, watching...)
	switch mode {
	case "nobody":
		spec.Watches = nil
	case "sample", "all":
		spec.Needs = sampling
	}
	spec.New = func(decode func(any) error) (rules.Rule, error) { return tasting{}, decode(&struct{}{}) }
	return spec
}

// inspectMode is what a mode of a test means for the configuration.
func inspectMode(mode string) func(*configs.Config) {
	if mode == "all" {
		return fetchRecords("all")
	}
	return nil
}

func steadyFetch(t testing.TB, version int16, large bool, mode string) {
	t.Helper()
	request, response := fetchExchange(version, passing(version, large))
	r := startRig(t, nil, fixedBroker(t, len(request), response), []rules.Spec{tastingSpec(mode)}, inspectMode(mode))
	for _, name := range []string{"orders", "quiet", "other", "users"} {
		r.topics.Learn(name, topicID(name), 12)
	}
	steady(t, r, request, response)
}

// BenchmarkFetch compares what passes unread with what is looked into.
func BenchmarkFetch(b *testing.B) {
	for _, size := range []int{16 << 10, 256 << 10} {
		var blob []byte
		for len(blob) < size {
			values := make([]string, 40)
			for i := range values {
				values[i] = incompressible(fmt.Sprint(len(blob)), 100)
			}
			blob = append(blob, batchOf(records.LZ4, values...)...)
		}
		for _, mode := range []string{"nobody", "readers", "sample", "all"} {
			b.Run(fmt.Sprintf("%dKiB/%s", size>>10, mode), func(b *testing.B) {
				request, response := fetchExchange(13, fetchAnswer(13, 0, fetchedTopic("orders", 3, blob)))
				benchmarkFetch(b, mode, request, response)
			})
		}
	}
}

func benchmarkFetch(b *testing.B, mode string, request, response []byte) {
	r := startRig(b, nil, fixedBroker(b, len(request), response), []rules.Spec{tastingSpec(mode)}, inspectMode(mode))
	r.topics.Learn("orders", topicID("orders"), 12)
	conn, err := net.Dial("tcp", r.addr())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	in := make([]byte, len(response))
	b.SetBytes(int64(len(response)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, in); err != nil {
			b.Fatal(err)
		}
	}
}
