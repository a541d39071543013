package compare

import (
	"bytes"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/protocol/fixture"
	"warder/protocol/messages"
)

// exchanged has an answer pass warder, which the client sees as another.
func exchanged(t *testing.T, key, version int16, answer, seen []byte) *rig {
	t.Helper()
	m := kmsg.RequestForKey(key)
	m.SetVersion(version)
	if p, ok := m.(*kmsg.ProduceRequest); ok {
		p.Acks = -1
	}
	request := ask(m, 1, "c")
	return newRig(t).sent(request).reached(request).answered(answer).got(seen)
}

// warders is how warder maps what a broker says of brokers.
func warders(e protocol.Endpoint) (protocol.Endpoint, bool) {
	return protocol.Endpoint{Host: warderPort.Addr().String(), Port: int32(warderOther)}, true
}

// rewritten is the body of an answer as warder makes it, nil where it carries no address.
func rewritten(t *testing.T, key, version int16, body []byte) []byte {
	t.Helper()
	var out []byte
	var changed bool
	var err error
	switch key {
	case protocol.Produce:
		out, changed, err = protocol.RewriteProduceEndpoints(nil, version, body, warders)
	case protocol.Fetch:
		out, changed, err = protocol.RewriteFetchEndpoints(nil, version, body, warders)
	default:
		out, changed, err = messages.RewriteEndpoints(nil, key, version, body, warders)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !changed {
		return nil
	}
	return out
}

// Addresses may differ, and nothing else of Kafka's own messages, with unknown fields in each place: no byte.
func TestOnlyAddressesMayDiffer(t *testing.T) {
	all, err := fixture.Load("../../../protocol/testdata/fixtures")
	if err != nil {
		t.Fatal(err)
	}
	seen, tried := map[int16]bool{}, map[kind]bool{}
	s := newRig(t).c.clients[clientEnd]
	for _, m := range all {
		wanted := fixture.Random
		if protocol.LookupAPI(m.Key).Flexible(m.Version) {
			wanted = fixture.Tags
		}
		if !m.Response || !carriesAddresses[m.Key] || m.Kind != wanted || tried[kind{m.Key, m.Version}] {
			continue
		}
		body := rewritten(t, m.Key, m.Version, m.Body)
		if body == nil {
			continue
		}
		head := protocol.AppendResponseHeader(make([]byte, 4), m.Key, m.Version, 1)
		broker, client := framed(append(slices.Clone(head), m.Body...)), framed(append(slices.Clone(head), body...))
		exchanged(t, m.Key, m.Version, broker, client).same(1)
		exchanged(t, m.Key, m.Version, broker, broker).differs("which is not warder's")
		x := &exchange{RequestHeader: protocol.RequestHeader{Key: m.Key, Version: m.Version}}
		broker, client = broker[protocol.FrameLengthSize:], client[protocol.FrameLengthSize:]
		for at := range client {
			if s.readAnswers(x, flipped(client, at), broker) == "" {
				t.Errorf("%s: byte %d was changed unseen: %#x", m.String(), at, client[at])
			}
		}
		seen[m.Key], tried[kind{m.Key, m.Version}] = true, true
	}
	if len(seen) != len(carriesAddresses) {
		t.Errorf("addresses were found in %v, want all of %v", seen, carriesAddresses)
	}
}

func metadata() *kmsg.MetadataResponse {
	m := kmsg.NewPtrMetadataResponse()
	m.Version = 12
	b := kmsg.NewMetadataResponseBroker()
	b.NodeID, b.Host, b.Port, b.Rack = 1, "127.0.0.1", int32(brokerPort.Port()), new("r")
	b.UnknownTags.Set(9, []byte("new"))
	m.Brokers = []kmsg.MetadataResponseBroker{b}
	m.ControllerID = 1
	return m
}

func TestFieldsBesideAddresses(t *testing.T) {
	for name, change := range map[string]func(*kmsg.MetadataResponse){
		"rack":        func(m *kmsg.MetadataResponse) { m.Brokers[0].Rack = nil },
		"node":        func(m *kmsg.MetadataResponse) { m.Brokers[0].NodeID = 2 },
		"controller":  func(m *kmsg.MetadataResponse) { m.ControllerID = 2 },
		"left out":    func(m *kmsg.MetadataResponse) { m.Brokers = nil },
		"twice":       func(m *kmsg.MetadataResponse) { m.Brokers = append(m.Brokers, m.Brokers[0]) },
		"unknown tag": func(m *kmsg.MetadataResponse) { m.Brokers[0].UnknownTags = kmsg.Tags{} },
		"new tag":     func(m *kmsg.MetadataResponse) { m.UnknownTags.Set(130, []byte{0}) },
	} {
		t.Run(name, func(t *testing.T) {
			seen := metadata()
			seen.Brokers[0].Port = int32(warderOther)
			exchanged(t, protocol.Metadata, 12, reply(metadata(), 1), reply(seen, 1)).same(1)
			change(seen)
			exchanged(t, protocol.Metadata, 12, reply(metadata(), 1), reply(seen, 1)).differs("the answer reaches the client as another")
		})
	}
}

// Padding belongs to answers that keep their size.
func TestPadding(t *testing.T) {
	fetch := func(host string, pad int) []byte {
		m := kmsg.NewPtrFetchResponse()
		m.Version = 17
		b := kmsg.NewFetchResponseBroker()
		b.NodeID, b.Host, b.Port = 1, host, int32(warderOther)
		m.Brokers = []kmsg.FetchResponseBroker{b}
		if pad > 0 {
			m.UnknownTags.Set(padding, make([]byte, pad))
		}
		return reply(m, 1)
	}
	broker := fetch("broker-1.example", 0)
	client := fetch("127.0.0.1", len("broker-1.example")-len("127.0.0.1")-2)
	if len(client) != len(broker) {
		t.Fatalf("%d bytes, want %d", len(client), len(broker))
	}
	exchanged(t, protocol.Fetch, 17, broker, client).same(1)
	exchanged(t, protocol.Fetch, 17, broker, flipped(client, len(client)-1)).differs("another")
}

func TestRangesOfVersions(t *testing.T) {
	versions := func(ranges ...[3]int16) *kmsg.ApiVersionsResponse {
		m := kmsg.NewPtrApiVersionsResponse()
		m.Version, m.FinalizedFeaturesEpoch = 4, 7
		for _, r := range ranges {
			m.ApiKeys = append(m.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: r[0], MinVersion: r[1], MaxVersion: r[2]})
		}
		return m
	}
	frame := func(m *kmsg.ApiVersionsResponse) []byte { return reply(m, 1) }
	broker := frame(versions([3]int16{protocol.Metadata, 0, 99}, [3]int16{protocol.Vote, 0, 1}, [3]int16{protocol.SaslHandshake, 0, 1}, [3]int16{999, 0, 1}))
	highest := protocol.LookupAPI(protocol.Metadata).Max
	clamped := versions([3]int16{protocol.Metadata, 0, highest}, [3]int16{protocol.SaslHandshake, 1, 1})
	exchanged(t, protocol.ApiVersions, 4, broker, frame(clamped)).same(1)
	for name, change := range map[string]func(*kmsg.ApiVersionsResponse){
		"too wide": func(m *kmsg.ApiVersionsResponse) { m.ApiKeys[0].MaxVersion++ },
		"lacking":  func(m *kmsg.ApiVersionsResponse) { m.ApiKeys = m.ApiKeys[:1] },
		"feature":  func(m *kmsg.ApiVersionsResponse) { m.FinalizedFeaturesEpoch = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			seen := *clamped
			seen.ApiKeys = slices.Clone(clamped.ApiKeys)
			change(&seen)
			exchanged(t, protocol.ApiVersions, 4, broker, frame(&seen)).differs("ApiVersions version 4", "another")
		})
	}
	m := kmsg.NewPtrApiVersionsResponse()
	m.ErrorCode = unsupportedVersion
	m.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: protocol.ApiVersions, MaxVersion: 4}}
	request := ask(&kmsg.ApiVersionsRequest{Version: 99}, 1, "c")
	newRig(t).sent(request).got(frame(m)).same(1)
	m.ErrorCode = 0
	newRig(t).sent(request).got(frame(m)).differs("tells of no error")
}

// produce is a request with a batch for each partition.
func produce(partitions ...int32) []byte { return produceAcks(-1, 1, partitions...) }

func produceAcks(acks int16, id int32, partitions ...int32) []byte {
	m := kmsg.NewPtrProduceRequest()
	m.Version, m.Acks = 9, acks
	m.Topics = []kmsg.ProduceRequestTopic{{Topic: "t"}}
	for _, n := range partitions {
		m.Topics[0].Partitions = append(m.Topics[0].Partitions, kmsg.ProduceRequestTopicPartition{Partition: n, Records: bytes.Repeat([]byte{byte(n)}, 30)})
	}
	return ask(m, id, "c")
}

// produced is an answer that refuses some partitions.
func produced(refused []int32, stored ...int32) []byte {
	m := kmsg.NewPtrProduceResponse()
	m.Version = 9
	m.Topics = []kmsg.ProduceResponseTopic{{Topic: "t"}}
	for _, n := range append(slices.Clone(stored), refused...) {
		p := kmsg.NewProduceResponseTopicPartition()
		if p.Partition = n; slices.Contains(refused, n) {
			p.ErrorCode = 44
		}
		m.Topics[0].Partitions = append(m.Topics[0].Partitions, p)
	}
	return reply(m, 1)
}

// refuse has the log tell of a verdict.
func (r *rig) refuse(denied int) *rig {
	r.logs(`{"message":"produce denied","conn_id":7,"denied":%d}`, denied)
	return r
}

func TestRefusedBatches(t *testing.T) {
	two := []int32{2}
	if report := newRig(t).refuse(1).sent(produce(1, 2, 3)).reached(produce(1, 3)).answered(produced(nil, 1, 3)).got(produced(two, 1, 3)).same(1); report.Refused != 1 {
		t.Errorf("%+v", report)
	}
	newRig(t).refuse(2).sent(produce(1, 2)).got(produced([]int32{1, 2})).same(1)
	newRig(t).sent(produce(1, 2)).reached(produce(1)).differs("batches are missing, and no verdict refused as many")
	newRig(t).refuse(1).sent(produce(1, 2, 3)).reached(produce(1)).differs("batches are missing, and no verdict refused as many")
	newRig(t).refuse(1).sent(produce(1, 2)).reached(flipped(produce(1), len(produce(1))-5)).differs("the request reaches the broker as another")
	newRig(t).refuse(1).sent(produce(1, 2)).reached(produce(1)).answered(produced(nil, 1)).got(produced(nil, 1)).differs("the client is not told so")
	newRig(t).refuse(1).sent(produce(1, 2)).reached(produce(1)).answered(produced(nil, 1)).got(produced(nil, 1, 2)).differs("the client is not told so")
	newRig(t).refuse(1).sent(produce(1, 2)).reached(produce(1)).answered(produced(nil, 1)).got(produced([]int32{1, 2})).differs("another")
	newRig(t).sent(produce(1)).got(produced([]int32{1})).differs("no verdict has refused it")
	newRig(t).refuse(1).sent(produce(1, 2)).got(produced([]int32{1, 2})).differs("has not refused all of it")
	newRig(t).refuse(1).sent(produce(1)).got(produced(nil, 1)).differs("tells of no error")
}

// With acks=0 there are no answers.
func TestRefusedBatchesWithoutAnswers(t *testing.T) {
	none := func(id int32, partitions ...int32) []byte { return produceAcks(0, id, partitions...) }
	newRig(t).sent(none(1, 1)).sent(none(2, 2)).reached(none(1, 1)).reached(none(2, 2)).same(2)
	newRig(t).refuse(1).sent(none(1, 1)).sent(none(2, 2)).reached(none(2, 2)).same(2)
	newRig(t).refuse(1).sent(none(1, 1, 2)).reached(none(1, 1)).same(1)
	newRig(t).sent(none(1, 1)).sent(beat(2)).reached(beat(2)).differs("no verdict has refused it")
}

func TestRefusedChanges(t *testing.T) {
	m := kmsg.NewPtrDeleteTopicsRequest()
	m.Version = 1
	m.TopicNames = []string{"t"}
	answer := func(code int16) []byte {
		return reply(&kmsg.DeleteTopicsResponse{Version: 1, Topics: []kmsg.DeleteTopicsResponseTopic{{Topic: new("t"), ErrorCode: code}}}, 1)
	}
	denied := func() *rig {
		r := newRig(t)
		r.logs(`{"message":"change denied","conn_id":7,"api":"DeleteTopics","denied":1}`)
		return r.sent(ask(m, 1, "c"))
	}
	denied().got(answer(44)).same(1)
	denied().got(answer(0)).differs("tells of no error")
	newRig(t).refuse(1).sent(ask(m, 1, "c")).got(answer(44)).differs("no verdict has refused it")
}
