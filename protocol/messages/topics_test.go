package messages

import (
	"errors"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// at encodes a message at a version.
func at[M interface {
	SetVersion(int16)
	AppendTo([]byte) []byte
}](version int16, m M) []byte {
	m.SetVersion(version)
	return m.AppendTo(nil)
}

// check1 compares what a Parse function gave.
func check1[T any](t *testing.T, what string, version int16, got T, err error, want T) {
	t.Helper()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s v%d: %v\n got %+v\nwant %+v", what, version, err, got, want)
	}
}

var str = kmsg.StringPtr

func TestParseMetadata(t *testing.T) {
	id := [16]byte{1, 15: 2}
	for version := range int16(14) {
		resp := kmsg.NewPtrMetadataResponse()
		resp.ClusterID, resp.ControllerID, resp.ErrorCode = str("cluster"), 2, 129
		for n, rack := range []*string{nil, str("a")} {
			b := kmsg.NewMetadataResponseBroker()
			b.NodeID, b.Host, b.Port, b.Rack = int32(n+1), "h", int32(9092+n), rack
			resp.Brokers = append(resp.Brokers, b)
		}
		orders := kmsg.NewMetadataResponseTopic()
		orders.Topic, orders.TopicID, orders.Partitions = str("orders"), id, make([]kmsg.MetadataResponseTopicPartition, 3)
		offsets := kmsg.NewMetadataResponseTopic()
		offsets.Topic, offsets.IsInternal = str("__consumer_offsets"), true
		missing := kmsg.NewMetadataResponseTopic()
		missing.Topic, missing.ErrorCode = str("missing"), 3
		resp.Topics = append(resp.Topics, orders, offsets, missing)

		want := Metadata{
			ControllerID: -1,
			Brokers:      []Broker{{1, "h", 9092, ""}, {2, "h", 9093, ""}},
			Topics:       []TopicFacts{{Name: "orders", Partitions: 3}, {Name: "__consumer_offsets"}, {Name: "missing", ErrorCode: 3}},
		}
		if version >= 1 {
			want.ControllerID, want.Brokers[1].Rack, want.Topics[1].Internal = 2, "a", true
		}
		if version >= 2 {
			want.ClusterID = "cluster"
		}
		if version >= 10 {
			want.Topics[0].ID = id
		}
		if version >= 13 {
			want.ErrorCode = 129
		}
		body := at(version, resp)
		got, err := ParseMetadata(version, append(body, 0), Limits{}) // trailing bytes are forgiven
		check1(t, "Metadata", version, got, err, want)
		if names := got.TopicNames(); !reflect.DeepEqual(names, []string{"orders", "__consumer_offsets"}) {
			t.Errorf("v%d: %v", version, names)
		}
		_, err = ParseMetadata(version, body[:len(body)-1], Limits{})
		if malformed := new(MalformedError); !errors.As(err, &malformed) {
			t.Errorf("v%d cut: %v", version, err)
		}
	}
	if MetadataTopics(kmsg.NewPtrFetchResponse()) != nil {
		t.Error("topics of another response")
	}
}

// TestMetadataByID: the request names ids alone and creates no topic; a topic that
// is gone has no name.
func TestMetadataByID(t *testing.T) {
	rq := NewMetadataByID([][16]byte{{1}, {2}})
	decoded, err := DecodeRequest(3, 12, at(MetadataByIDMinVersion, rq), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	got := decoded.(*kmsg.MetadataRequest)
	if len(got.Topics) != 2 || got.Topics[1].Topic != nil || got.Topics[1].TopicID != [16]byte{2} || got.AllowAutoTopicCreation {
		t.Errorf("%+v", got)
	}
	resp := kmsg.NewPtrMetadataResponse()
	gone := kmsg.NewMetadataResponseTopic()
	gone.ErrorCode, gone.TopicID = 100, [16]byte{2}
	resp.Topics = append(resp.Topics, gone)
	md, err := ParseMetadata(12, at(12, resp), Limits{})
	check1(t, "Metadata", 12, md.Topics, err, []TopicFacts{{ID: [16]byte{2}, ErrorCode: 100}})
}

func TestParseDescribeCluster(t *testing.T) {
	for version := range int16(3) {
		resp := kmsg.NewPtrDescribeClusterResponse()
		resp.ClusterID, resp.ControllerID, resp.EndpointType = "cluster", 3, 2
		b := kmsg.NewDescribeClusterResponseBroker()
		b.NodeID, b.Host, b.Port, b.Rack = 7, "h", 1, str("r")
		resp.Brokers = append(resp.Brokers, b)
		got, err := ParseDescribeCluster(version, at(version, resp), Limits{})
		check1(t, "DescribeCluster", version, got, err, Cluster{ClusterID: "cluster", ControllerID: 3, Controllers: version >= 1, Brokers: []Broker{{7, "h", 1, "r"}}})
	}
}

func TestCreateTopics(t *testing.T) {
	for version := range int16(8) {
		rq := kmsg.NewPtrCreateTopicsRequest()
		rq.ValidateOnly = true
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "orders", 6, 3
		topic.Configs = append(topic.Configs,
			kmsg.CreateTopicsRequestTopicConfig{Name: "cleanup.policy", Value: str("compact")},
			kmsg.CreateTopicsRequestTopicConfig{Name: "retention.ms"})
		byHand := kmsg.NewCreateTopicsRequestTopic()
		byHand.Topic, byHand.NumPartitions, byHand.ReplicationFactor = "by-hand", -1, -1
		byHand.ReplicaAssignment = make([]kmsg.CreateTopicsRequestTopicReplicaAssignment, 2)
		rq.Topics = append(rq.Topics, topic, byHand)
		got, err := ParseCreateTopicsRequest(version, at(version, rq), Limits{})
		check1(t, "CreateTopics", version, got, err, CreateTopics{ValidateOnly: version >= 1, Topics: []NewTopic{
			{"orders", 6, 3, []Config{
				{Name: "cleanup.policy", Value: "compact", Source: SourceUnspecified},
				{Name: "retention.ms", Null: true, Source: SourceUnspecified},
			}},
			{"by-hand", 2, -1, nil},
		}})
		if policy, ok := ConfigValue(got.Topics[0].Configs, CleanupPolicy); policy != "compact" || !ok {
			t.Error(policy, ok)
		}
		if _, ok := ConfigValue(got.Topics[0].Configs, "retention.ms"); ok {
			t.Error("null is a value")
		}

		resp := kmsg.NewPtrCreateTopicsResponse()
		made := kmsg.NewCreateTopicsResponseTopic()
		made.Topic, made.TopicID, made.NumPartitions, made.ReplicationFactor = "orders", [16]byte{9}, 6, 3
		made.Configs = []kmsg.CreateTopicsResponseTopicConfig{{Name: "cleanup.policy", Value: str("compact"), Source: 1}}
		hidden := kmsg.NewCreateTopicsResponseTopic()
		hidden.Topic, hidden.ConfigErrorCode = "hidden", 29
		failed := kmsg.NewCreateTopicsResponseTopic()
		failed.Topic, failed.ErrorCode = "failed", 36
		resp.Topics = append(resp.Topics, made, hidden, failed)
		want := []CreatedTopic{
			{Name: "orders", Partitions: -1, ReplicationFactor: -1},
			{Name: "hidden", Partitions: -1, ReplicationFactor: -1},
			{Name: "failed", Partitions: -1, ReplicationFactor: -1, ErrorCode: 36},
		}
		if version >= 5 {
			want[0].Described, want[0].Partitions, want[0].ReplicationFactor = true, 6, 3
			want[0].Configs = []Config{{Name: "cleanup.policy", Value: "compact", Source: SourceTopic}}
		}
		if version >= 7 {
			want[0].ID = [16]byte{9}
		}
		created, err := ParseCreateTopicsResponse(version, at(version, resp), Limits{})
		check1(t, "CreateTopics response", version, created, err, want)
	}
}

func TestDeleteTopics(t *testing.T) {
	for version := range int16(7) {
		rq := kmsg.NewPtrDeleteTopicsRequest()
		rq.TopicNames = []string{"orders", "payments"}
		rq.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: str("orders")}, {TopicID: [16]byte{4}}}
		want := []TopicRef{{Name: "orders"}, {Name: "payments"}}
		if version >= 6 {
			want[1] = TopicRef{ID: [16]byte{4}}
		}
		got, err := ParseDeleteTopicsRequest(version, at(version, rq), Limits{})
		check1(t, "DeleteTopics", version, got, err, want)

		resp := kmsg.NewPtrDeleteTopicsResponse()
		resp.Topics = []kmsg.DeleteTopicsResponseTopic{{Topic: str("orders"), TopicID: [16]byte{3}}, {Topic: str("payments"), ErrorCode: 29}}
		results := []DeletedTopic{{TopicRef{Name: "orders"}, 0}, {TopicRef{Name: "payments"}, 29}}
		if version >= 6 {
			results[0].ID = [16]byte{3}
		}
		deleted, err := ParseDeleteTopicsResponse(version, at(version, resp), Limits{})
		check1(t, "DeleteTopics response", version, deleted, err, results)
	}
}

func TestCreatePartitions(t *testing.T) {
	for version := range int16(4) {
		rq := kmsg.NewPtrCreatePartitionsRequest()
		rq.ValidateOnly = true
		rq.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: "orders", Count: 12}}
		got, err := ParseCreatePartitionsRequest(version, at(version, rq), Limits{})
		check1(t, "CreatePartitions", version, got, err, CreatePartitions{[]TopicPartitions{{"orders", 12}}, true})
		resp := kmsg.NewPtrCreatePartitionsResponse()
		resp.Topics = []kmsg.CreatePartitionsResponseTopic{{Topic: "orders", ErrorCode: 37}}
		results, err := ParseCreatePartitionsResponse(version, at(version, resp), Limits{})
		check1(t, "CreatePartitions response", version, results, err, []TopicResult{{"orders", 37}})
	}
}

func TestTransactions(t *testing.T) {
	for version := range int16(6) {
		rq := kmsg.NewPtrInitProducerIDRequest()
		rq.TransactionalID, rq.TransactionTimeoutMillis, rq.ProducerID, rq.ProducerEpoch = str("tx"), 60_000, 5, 1
		want := InitProducer{"tx", true, 60_000, Producer{-1, -1}}
		if version >= 3 {
			want.Previous = Producer{5, 1}
		}
		got, err := ParseInitProducerIdRequest(version, at(version, rq), Limits{})
		check1(t, "InitProducerId", version, got, err, want)
		rq.TransactionalID = nil
		got, err = ParseInitProducerIdRequest(version, at(version, rq), Limits{})
		want.TransactionalID, want.Transactional = "", false
		check1(t, "InitProducerId", version, got, err, want)

		resp := kmsg.NewPtrInitProducerIDResponse()
		resp.ErrorCode, resp.ProducerID, resp.ProducerEpoch = 53, 8, 2
		result, err := ParseInitProducerIdResponse(version, at(version, resp), Limits{})
		check1(t, "InitProducerId response", version, result, err, ProducerResult{53, Producer{8, 2}})

		end := kmsg.NewPtrEndTxnRequest()
		end.TransactionalID, end.ProducerID, end.ProducerEpoch, end.Commit = "tx", 8, 2, true
		ended, err := ParseEndTxnRequest(version, at(version, end), Limits{})
		check1(t, "EndTxn", version, ended, err, EndTxn{"tx", Producer{8, 2}, true})
		endResp := kmsg.NewPtrEndTxnResponse()
		endResp.ErrorCode, endResp.ProducerID, endResp.ProducerEpoch = 90, 8, 3
		wantEnd := ProducerResult{90, Producer{-1, -1}}
		if version >= 5 {
			wantEnd.Producer = Producer{8, 3}
		}
		result, err = ParseEndTxnResponse(version, at(version, endResp), Limits{})
		check1(t, "EndTxn response", version, result, err, wantEnd)
	}
}

func TestJoinTransactions(t *testing.T) {
	for version := range int16(5) {
		parts := kmsg.NewPtrAddPartitionsToTxnRequest()
		parts.TransactionalID, parts.ProducerID, parts.ProducerEpoch = "tx", 8, 2
		want := JoinTxn{"tx", Producer{8, 2}}
		if version < 4 { // later ones are for brokers
			got, err := ParseAddPartitionsToTxnRequest(version, at(version, parts), Limits{})
			check1(t, "AddPartitionsToTxn", version, got, err, want)
			resp := kmsg.NewPtrAddPartitionsToTxnResponse()
			resp.Topics = []kmsg.AddPartitionsToTxnResponseTopic{{Topic: "orders", Partitions: []kmsg.AddPartitionsToTxnResponseTopicPartition{
				{Partition: 0}, {Partition: 1, ErrorCode: notAttempted}, {Partition: 2, ErrorCode: 90},
			}}}
			code, err := ParseAddPartitionsToTxnResponse(version, at(version, resp), Limits{})
			check1(t, "AddPartitionsToTxn response", version, code, err, 90)
		}
		offsets := kmsg.NewPtrAddOffsetsToTxnRequest()
		offsets.TransactionalID, offsets.ProducerID, offsets.ProducerEpoch, offsets.Group = "tx", 8, 2, "g"
		got, err := ParseAddOffsetsToTxnRequest(version, at(version, offsets), Limits{})
		check1(t, "AddOffsetsToTxn", version, got, err, want)
		resp := kmsg.NewPtrAddOffsetsToTxnResponse()
		resp.ErrorCode = 47
		code, err := ParseAddOffsetsToTxnResponse(version, at(version, resp), Limits{})
		check1(t, "AddOffsetsToTxn response", version, code, err, 47)
	}
}
