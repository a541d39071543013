package scrub

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/protocol/records"
)

const secret = "hunter2-hunter2"

// frame gives a message with its header and length.
func requestFrame(t testing.TB, req kmsg.Request) (*protocol.RequestHeader, []byte) {
	t.Helper()
	b := protocol.AppendRequestHeader(make([]byte, 4), req.Key(), req.GetVersion(), 7, "shop")
	b = req.AppendTo(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	h, err := protocol.ParseRequestHeader(b[4:])
	if err != nil {
		t.Fatal(err)
	}
	return &h, b
}

func answerFrame(resp kmsg.Response) []byte {
	b := protocol.AppendResponseHeader(make([]byte, 4), resp.Key(), resp.GetVersion(), 7)
	b = resp.AppendTo(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// batch is what producers write: keys that may stay, and values that may not.
func batch(t testing.TB, codec records.Codec) []byte {
	t.Helper()
	b := records.NewBuilder(codec)
	b.BaseTimestamp = 1_700_000_000_000
	b.Add([]byte("key-1"), []byte(secret), records.RecordHeader{Key: []byte("trace"), Value: []byte(secret)})
	b.Add([]byte("key-2"), nil)
	b.Add(nil, []byte(strings.Repeat(secret, 20)))
	p, err := b.AppendBatch(nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// blob is several batches, and the beginning of another as in a Fetch answer.
func blob(t testing.TB) []byte {
	t.Helper()
	var p []byte
	for _, codec := range []records.Codec{records.None, records.Gzip, records.Snappy, records.LZ4, records.Zstd} {
		p = append(p, batch(t, codec)...)
	}
	p = appendMessages(t, p, records.None)
	p = appendMessages(t, p, records.Gzip)
	return append(p, batch(t, records.None)[:90]...)
}

func appendMessages(t testing.TB, p []byte, codec records.Codec) []byte {
	t.Helper()
	b := records.NewBuilder(codec)
	b.Add([]byte("key-1"), []byte(secret))
	p, err := b.AppendMessageSet(p, 1)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// withRecords gives one message of every version that carries records.
func withRecords(blob []byte) (requests []kmsg.Request, answers []kmsg.Response) {
	name, id := "orders", [16]byte{1, 2, 3}
	for version := range int16(14) {
		req := kmsg.NewPtrProduceRequest()
		req.Version, req.Acks, req.TimeoutMillis = version, -1, 1000
		for range 2 {
			topic := kmsg.NewProduceRequestTopic()
			topic.Topic, topic.TopicID = name, id
			for i := range int32(3) {
				p := kmsg.NewProduceRequestTopicPartition()
				p.Partition, p.Records = i, blob
				if i == 1 {
					p.Records = nil
				}
				topic.Partitions = append(topic.Partitions, p)
			}
			req.Topics = append(req.Topics, topic)
		}
		requests = append(requests, req)
	}
	for version := range int16(19) {
		resp := kmsg.NewPtrFetchResponse()
		resp.Version = version
		for range 2 {
			topic := kmsg.NewFetchResponseTopic()
			topic.Topic, topic.TopicID = name, id
			for i := range int32(3) {
				p := kmsg.NewFetchResponseTopicPartition()
				p.Partition, p.RecordBatches = i, blob
				p.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{{ProducerID: 7, FirstOffset: 9}}
				if i == 1 {
					p.RecordBatches = nil
				}
				topic.Partitions = append(topic.Partitions, p)
			}
			resp.Topics = append(resp.Topics, topic)
		}
		answers = append(answers, resp)
	}
	for version := int16(1); version <= 2; version++ {
		resp := kmsg.NewPtrShareFetchResponse()
		resp.Version = version
		topic := kmsg.NewShareFetchResponseTopic()
		topic.TopicID = id
		p := kmsg.NewShareFetchResponseTopicPartition()
		p.Records = blob
		p.AcquiredRecords = []kmsg.ShareFetchResponseTopicPartitionAcquiredRecord{{FirstOffset: 1, LastOffset: 2, DeliveryCount: 1}}
		topic.Partitions = append(topic.Partitions, p, p)
		resp.Topics = append(resp.Topics, topic)
		answers = append(answers, resp)
	}
	return requests, answers
}

// scrubbed runs check on every message with records, scrubbed.
func scrubbed(t *testing.T, payload Payload, check func(t *testing.T, before, after []byte)) {
	t.Helper()
	requests, answers := withRecords(blob(t))
	s := New(payload, records.Limits{})
	for _, req := range requests {
		t.Run(fmt.Sprintf("Produce_v%d", req.GetVersion()), func(t *testing.T) {
			h, b := requestFrame(t, req)
			before := slices.Clone(b)
			after, whole := s.Request(h, b)
			again := kmsg.RequestForKey(req.Key())
			again.SetVersion(req.GetVersion())
			if err := again.ReadFrom(after[4+h.Size:]); !whole || err != nil {
				t.Fatalf("whole %v, %v", whole, err)
			}
			check(t, before, slices.Clone(after))
		})
	}
	for _, resp := range answers {
		t.Run(fmt.Sprintf("%d_v%d", resp.Key(), resp.GetVersion()), func(t *testing.T) {
			b := answerFrame(resp)
			before := slices.Clone(b)
			after, whole := s.Answer(resp.Key(), resp.GetVersion(), b)
			n, err := protocol.ResponseHeaderSize(resp.Key(), resp.GetVersion(), after[4:])
			if err != nil {
				t.Fatal(err)
			}
			again := kmsg.ResponseForKey(resp.Key())
			again.SetVersion(resp.GetVersion())
			if err := again.ReadFrom(after[4+n:]); !whole || err != nil {
				t.Fatalf("whole %v, %v", whole, err)
			}
			check(t, before, slices.Clone(after))
		})
	}
}

func TestPayloadNoneKeepsHeadersOfBatches(t *testing.T) {
	scrubbed(t, None, func(t *testing.T, before, after []byte) {
		t.Helper()
		if len(before) != len(after) {
			t.Errorf("%d bytes became %d", len(before), len(after))
		}
		for _, gone := range []string{"hunter", "key-", "trace"} {
			if bytes.Contains(after, []byte(gone)) {
				t.Errorf("%q is still there", gone)
			}
		}
		head := batch(t, records.Zstd)[:headV2]
		if n := bytes.Count(before, head); n == 0 || bytes.Count(after, head) != n {
			t.Errorf("%d headers of batches of %d", bytes.Count(after, head), n)
		}
	})
}

func TestPayloadKeysKeepsKeysAndLengths(t *testing.T) {
	scrubbed(t, Keys, func(t *testing.T, before, after []byte) {
		t.Helper()
		if bytes.Contains(after, []byte("hunter")) {
			t.Error("a value is still there")
		}
		if n := int(binary.BigEndian.Uint32(after)); n != len(after)-4 {
			t.Errorf("length %d of %d bytes", n, len(after)-4)
		}
		if bytes.Contains(after, batch(t, records.Zstd)[:headV2]) {
			t.Error("a batch is still compressed")
		}
		if !bytes.Contains(after, []byte("key-1")) || !bytes.Contains(after, []byte("trace")) {
			t.Error("keys or names of headers are gone")
		}
	})
}

// What remains of a batch reads like the one it was, less the values.
func TestBatchWithoutValues(t *testing.T) {
	s := New(Keys, records.Limits{})
	for _, codec := range []records.Codec{records.None, records.Gzip, records.Snappy, records.LZ4, records.Zstd} {
		got := s.withoutValues(nil, batch(t, codec))
		if err := records.VerifyCRC(got); err != nil {
			t.Fatalf("%s: %v", codec, err)
		}
		var scan records.Scanner
		scan.Reset(got, records.Limits{})
		h, ok := scan.NextBatch()
		if !ok || h.Codec != records.None || h.NumRecords != 3 || h.BaseTimestamp != 1_700_000_000_000 || h.Size != len(got) {
			t.Fatalf("%s: %+v", codec, h)
		}
		want := []struct {
			key    string
			length int
		}{{"key-1", len(secret)}, {"key-2", -1}, {"", 20 * len(secret)}}
		for _, w := range want {
			r, ok := scan.NextRecord()
			if !ok || string(r.Key) != w.key || r.ValueNull != (w.length < 0) || len(r.Value) != max(w.length, 0) || len(bytes.Trim(r.Value, "\x00")) != 0 {
				t.Errorf("%s: %+v", codec, r)
			}
		}
		scan.Release()
	}
}

func TestBatchThatCannotBeReadIsBlanked(t *testing.T) {
	s := New(Keys, records.Limits{})
	bad := batch(t, records.Zstd)
	copy(bad[headV2:], "no zstd")
	torn := batch(t, records.None)
	torn = torn[:len(torn)-3]
	alien := batch(t, records.None)
	alien[magicAt] = 9
	for name, b := range map[string][]byte{"codec": bad, "torn": torn, "magic": alien, "gzip messages": appendMessages(t, nil, records.Gzip)} {
		got := s.withoutValues(nil, b)
		head, _ := headOf(b)
		if len(got) != len(b) || !bytes.Equal(got[:head], b[:head]) || len(bytes.Trim(got[head:], "\x00")) != 0 {
			t.Errorf("%s: % x", name, got)
		}
	}
}

func TestPayloadFullChangesNothing(t *testing.T) {
	scrubbed(t, Full, func(t *testing.T, before, after []byte) {
		t.Helper()
		if !bytes.Equal(before, after) {
			t.Error("bytes have changed")
		}
	})
}

// secrets are messages that carry one, in all versions.
func secretMessages() (requests []kmsg.Request, answers []kmsg.Response) {
	value, password := secret, []byte(secret)
	auth := kmsg.NewPtrSASLAuthenticateRequest()
	auth.SASLAuthBytes = []byte("\x00alice\x00" + secret)
	authed := kmsg.NewPtrSASLAuthenticateResponse()
	authed.SASLAuthBytes, authed.SessionLifetimeMillis = password, 1234
	create := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic = "orders"
	topic.ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Partition: 1, Replicas: []int32{1, 2}}}
	compact := "compact"
	topic.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: "vendor.password", Value: &value}, {Name: "cleanup.policy", Value: &compact}}
	create.Topics = append(create.Topics, topic)
	alter := kmsg.NewPtrAlterConfigsRequest()
	alter.Resources = []kmsg.AlterConfigsRequestResource{{ResourceType: 4, ResourceName: "1", Configs: []kmsg.AlterConfigsRequestResourceConfig{
		{Name: "ssl.keystore.password", Value: &value}, {Name: "cleanup.policy", Value: &compact}, {Name: "retention.ms"},
	}}}
	incremental := kmsg.NewPtrIncrementalAlterConfigsRequest()
	incremental.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: 4, ResourceName: "1", Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{
		{Name: "listener.name.x.sasl.jaas.config", Value: &value}, {Name: "cleanup.policy", Value: &compact},
	}}}
	scram := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	scram.Upsertions = []kmsg.AlterUserSCRAMCredentialsRequestUpsertion{{Name: "alice", Mechanism: 1, Iterations: 4096, Salt: password, SaltedPassword: password}}
	renew, expire := kmsg.NewPtrRenewDelegationTokenRequest(), kmsg.NewPtrExpireDelegationTokenRequest()
	renew.HMAC, expire.HMAC = password, password
	token, tokens := kmsg.NewPtrCreateDelegationTokenResponse(), kmsg.NewPtrDescribeDelegationTokenResponse()
	token.HMAC = password
	tokens.TokenDetails = []kmsg.DescribeDelegationTokenResponseTokenDetail{{TokenID: "x", HMAC: password}}
	return []kmsg.Request{auth, create, alter, incremental, scram, renew, expire}, []kmsg.Response{authed, token, tokens}
}

// Secrets go whatever the payload, in every version; what rules judge by stays.
func TestSecretsAreNeverKept(t *testing.T) {
	requests, answers := secretMessages()
	s := New(Full, records.Limits{})
	for _, req := range requests {
		for version := int16(0); version <= req.MaxVersion(); version++ {
			req.SetVersion(version)
			h, b := requestFrame(t, req)
			n := len(b)
			hadPolicy := bytes.Contains(b, []byte("cleanup.policy"))
			if !bytes.Contains(b, []byte(secret)) {
				t.Fatalf("%s v%d: the test puts no secret in", h.API.Name, version)
			}
			got, whole := s.Request(h, b)
			if !whole || len(got) != n || bytes.Contains(got, []byte(secret)) || bytes.Contains(got, []byte("hunter")) {
				t.Errorf("%s v%d: whole %v, %q", h.API.Name, version, whole, got)
			}
			if hadPolicy && !bytes.Contains(got, []byte("compact")) {
				t.Errorf("%s v%d: the policy is gone: %q", h.API.Name, version, got)
			}
			if bytes.Contains(got, []byte("alice")) {
				t.Errorf("%s v%d: the name beside the secret is there", h.API.Name, version)
			}
		}
	}
	for _, resp := range answers {
		for version := int16(0); version <= resp.MaxVersion(); version++ {
			resp.SetVersion(version)
			got, whole := s.Answer(resp.Key(), version, answerFrame(resp))
			if !whole || bytes.Contains(got, []byte("hunter")) {
				t.Errorf("%d v%d: whole %v, %q", resp.Key(), version, whole, got)
			}
		}
	}
}

// What cannot be read may hold anything.
func TestUnreadableIsBlanked(t *testing.T) {
	for _, payload := range []Payload{None, Keys, Full} {
		s := New(payload, records.Limits{})
		requests, _ := secretMessages()
		for _, req := range requests {
			if slices.Contains([]int16{protocol.AlterUserScramCredentials, protocol.RenewDelegationToken, protocol.ExpireDelegationToken}, req.Key()) {
				continue // goes altogether
			}
			h, b := requestFrame(t, req)
			b = b[:len(b)-12]
			got, _ := s.Request(h, b)
			if bytes.Contains(got, []byte("hunter2")) {
				t.Errorf("%s cut short: %q", h.API.Name, got)
			}
		}
		unknown := append([]byte{0, 0, 0, 0, 0x7f, 0xff, 0, 0, 0, 0, 0, 7, 0, 4}, "shop"+secret...)
		h, err := protocol.ParseRequestHeader(unknown[4:])
		if err != nil {
			t.Fatal(err)
		}
		if got, whole := s.Request(&h, slices.Clone(unknown)); whole || bytes.Contains(got, []byte(secret)) || !bytes.Contains(got, []byte("shop")) {
			t.Errorf("unknown API: %q", got)
		}
		if got, whole := s.Answer(0x7fff, 0, slices.Clone(unknown)); whole || bytes.Contains(got, []byte(secret)) {
			t.Errorf("answer to an unknown API: %q", got)
		}
	}
}

// The head of a frame that is blanked reads as a request or answer about nothing.
func TestHeadOfABlankedFrame(t *testing.T) {
	requests, answers := withRecords(blob(t))
	for _, req := range requests {
		h, b := requestFrame(t, req)
		clear(b[RequestHead(h, b):])
		p, err := protocol.ParseProduceRequest(h.Version, b[4+h.Size:])
		if err != nil || p.Acks != -1 || p.NumPartitions != 0 {
			t.Errorf("Produce v%d: %+v, %v", h.Version, p, err)
		}
	}
	for _, resp := range answers {
		b := answerFrame(resp)
		clear(b[AnswerHead(resp.Key(), resp.GetVersion(), b):])
		n, err := protocol.ResponseHeaderSize(resp.Key(), resp.GetVersion(), b[4:])
		if err != nil {
			t.Fatal(err)
		}
		again := kmsg.ResponseForKey(resp.Key())
		again.SetVersion(resp.GetVersion())
		if err := again.ReadFrom(b[4+n:]); err != nil {
			t.Errorf("%d v%d: %v", resp.Key(), resp.GetVersion(), err)
		}
	}
}

func FuzzScrub(f *testing.F) {
	requests, answers := withRecords(blob(f))
	for _, req := range requests {
		f.Add(req.Key(), req.GetVersion(), false, req.AppendTo(nil))
	}
	for _, resp := range answers {
		f.Add(resp.Key(), resp.GetVersion(), true, resp.AppendTo(nil))
	}
	requests, _ = secretMessages()
	for _, req := range requests {
		f.Add(req.Key(), req.GetVersion(), false, req.AppendTo(nil))
	}
	limits := records.Limits{MaxDecompressed: 1 << 20, MaxRatio: 10}
	f.Fuzz(func(t *testing.T, key, version int16, answer bool, body []byte) {
		for _, payload := range []Payload{None, Keys, Full} {
			s := New(payload, limits)
			b := protocol.AppendRequestHeader(make([]byte, 4), key, version, 7, "shop")
			if answer {
				b = protocol.AppendResponseHeader(make([]byte, 4), key, version, 7)
			}
			b = append(b, body...)
			binary.BigEndian.PutUint32(b, uint32(len(b)-4))
			n := len(b)
			var got []byte
			if answer {
				got, _ = s.Answer(key, version, b)
			} else {
				h, err := protocol.ParseRequestHeader(b[4:])
				if err != nil {
					return
				}
				got, _ = s.Request(&h, b)
			}
			if payload != Keys && len(got) != n {
				t.Fatalf("%s: %d bytes became %d", payload, n, len(got))
			}
			if int(binary.BigEndian.Uint32(got)) != len(got)-4 {
				t.Fatalf("%s: length %d of %d", payload, binary.BigEndian.Uint32(got), len(got)-4)
			}
		}
	})
}
