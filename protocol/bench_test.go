package protocol_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
)

// What a message costs that is walked in place, beside kmsg, which makes structs of it: ten partitions in two topics, each with a KiB of records.

const benchVersion = 12 // of Produce and Fetch, with names of topics

func benchProduce() []byte {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks = benchVersion, -1
	for _, name := range []string{"orders", "users"} {
		t := kmsg.NewProduceRequestTopic()
		t.Topic = name
		for index := range int32(5) {
			p := kmsg.NewProduceRequestTopicPartition()
			p.Partition, p.Records = index, make([]byte, 1<<10)
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	return req.AppendTo(nil)
}

func benchFetch() []byte {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = benchVersion
	for _, name := range []string{"orders", "users"} {
		t := kmsg.NewFetchResponseTopic()
		t.Topic = name
		for index := range int32(5) {
			p := kmsg.NewFetchResponseTopicPartition()
			p.Partition, p.RecordBatches = index, make([]byte, 1<<10)
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp.AppendTo(nil)
}

func BenchmarkProduceRequest(b *testing.B) {
	body := benchProduce()
	b.Run("warder", func(b *testing.B) {
		b.ReportAllocs()
		sum := 0
		for b.Loop() {
			req, err := protocol.ParseProduceRequest(benchVersion, body)
			if err != nil {
				b.Fatal(err)
			}
			it := req.Partitions()
			for p := (protocol.ProducePartition{}); it.Next(&p); {
				sum += len(p.Records)
			}
		}
		if sum != 10<<10*b.N {
			b.Fatal("not all records were seen")
		}
	})
	b.Run("kmsg", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			req := kmsg.NewPtrProduceRequest()
			req.Version = benchVersion
			if err := req.ReadFrom(body); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkFetchResponse(b *testing.B) {
	body := benchFetch()
	b.Run("warder", func(b *testing.B) {
		b.ReportAllocs()
		sum := 0
		for b.Loop() {
			resp, err := protocol.ParseFetchResponse(benchVersion, body)
			if err != nil {
				b.Fatal(err)
			}
			it := resp.Partitions()
			for p := (protocol.FetchResponsePartition{}); it.Next(&p); {
				sum += p.RecordsSize
			}
		}
		if sum != 10<<10*b.N {
			b.Fatal("not all records were seen")
		}
	})
	b.Run("kmsg", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			resp := kmsg.NewPtrFetchResponse()
			resp.Version = benchVersion
			if err := resp.ReadFrom(body); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRequestHeader(b *testing.B) {
	frame := protocol.AppendRequestHeader(nil, protocol.Produce, benchVersion, 7, "a-client-of-usual-length")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := protocol.ParseRequestHeader(frame); err != nil {
			b.Fatal(err)
		}
	}
}

// The answer to a small producer: one partition.
func BenchmarkProduceResponse(b *testing.B) {
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = benchVersion
	topic, part := kmsg.NewProduceResponseTopic(), kmsg.NewProduceResponseTopicPartition()
	part.BaseOffset = 9
	topic.Partitions = append(topic.Partitions, part)
	resp.Topics = append(resp.Topics, topic)
	body := resp.AppendTo(nil)
	b.ReportAllocs()
	for b.Loop() {
		resp, err := protocol.ParseProduceResponse(benchVersion, body)
		if err != nil {
			b.Fatal(err)
		}
		it := resp.Partitions()
		for p := (protocol.ProduceResponsePartition{}); it.Next(&p); {
			if p.BaseOffset != 9 {
				b.Fatal(p)
			}
		}
	}
}
