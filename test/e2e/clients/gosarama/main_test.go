package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/IBM/sarama"

	"warder/test/e2e/clients/godriver"
)

func TestErrorKeepsKafkasCode(t *testing.T) {
	for _, err := range []error{sarama.ErrPolicyViolation, fmt.Errorf("wrapped: %w", sarama.ErrPolicyViolation), &sarama.ProducerError{Msg: &sarama.ProducerMessage{}, Err: sarama.ErrPolicyViolation}} {
		if f := describe(err); f.Name != "sarama.KError" || f.Code == nil || *f.Code != 44 {
			t.Errorf("%v: got %+v", err, f)
		}
	}
	if f := describe(errors.New("other")); f.Code != nil || f.Message != "other" {
		t.Errorf("got %+v", f)
	}
}

func TestNullStaysNull(t *testing.T) {
	m := toSarama("t", godriver.Record{Key: []byte{}, Headers: []godriver.Header{{Name: "h"}}}, nil)
	if m.Value != nil || m.Key == nil || m.Key.Length() != 0 || m.Headers[0].Value != nil || !m.Timestamp.IsZero() {
		t.Errorf("got %+v", m)
	}
}

func TestAbortedBatchesAreKnownByProducerAndOffset(t *testing.T) {
	block := &sarama.FetchResponseBlock{AbortedTransactions: []*sarama.AbortedTransaction{{ProducerID: 7, FirstOffset: 10}}}
	for _, c := range []struct {
		batch sarama.RecordBatch
		want  bool
	}{
		{sarama.RecordBatch{ProducerID: 7, FirstOffset: 12, IsTransactional: true}, true},
		{sarama.RecordBatch{ProducerID: 8, FirstOffset: 12, IsTransactional: true}, false},
		{sarama.RecordBatch{ProducerID: 7, FirstOffset: 9, IsTransactional: true}, false},
		{sarama.RecordBatch{ProducerID: 7, FirstOffset: 12}, false},
	} {
		if got := aborted(block, &c.batch); got != c.want {
			t.Errorf("%+v: got %v", c.batch, got)
		}
	}
}

func TestUnknownPartitionerIsUnsupported(t *testing.T) {
	if _, err := producerOpen(&godriver.Request{Partitioner: "magic"}); !errors.As(err, new(godriver.Unsupported)) {
		t.Errorf("got %v", err)
	}
}

func TestNewProtocolsAreUnsupported(t *testing.T) {
	for _, protocol := range []string{"consumer", "share"} {
		if _, err := consumerOpen(&godriver.Request{Protocol: protocol}); !errors.As(err, new(godriver.Unsupported)) {
			t.Errorf("%s: %v", protocol, err)
		}
	}
}
