package main

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/test/e2e/clients/godriver"
)

func TestErrorKeepsKafkasNameAndCode(t *testing.T) {
	f := describe(because(kerr.PolicyViolation, "no tombstones"))
	if f.Name != "POLICY_VIOLATION" || f.Code == nil || *f.Code != 44 || f.Retriable == nil || *f.Retriable {
		t.Errorf("got %+v", f)
	}
	if f := describe(errors.New("other")); f.Code != nil || f.Message != "other" {
		t.Errorf("got %+v", f)
	}
	if because(nil, "text") != nil {
		t.Error("a text without an error became an error")
	}
}

func TestNullStaysNull(t *testing.T) {
	r := toKgo("t", godriver.Record{Key: []byte{}, Headers: []godriver.Header{{Name: "h"}}})
	if r.Value != nil || r.Key == nil || r.Headers[0].Value != nil || !r.Timestamp.IsZero() {
		t.Errorf("got %+v", r)
	}
}

func TestUnknownPartitionerIsUnsupported(t *testing.T) {
	if _, err := producerOptions(&godriver.Request{Partitioner: "magic"}); !errors.As(err, new(godriver.Unsupported)) {
		t.Errorf("got %v", err)
	}
	if _, err := producerOptions(&godriver.Request{Partitioner: "default"}); err != nil {
		t.Error(err)
	}
}

func TestCommitErrorOfOnePartitionIsFound(t *testing.T) {
	good, bad := kmsg.NewOffsetCommitResponseTopicPartition(), kmsg.NewOffsetCommitResponseTopicPartition()
	bad.ErrorCode = kerr.IllegalGeneration.Code
	answer := &kmsg.OffsetCommitResponse{Topics: []kmsg.OffsetCommitResponseTopic{{Partitions: []kmsg.OffsetCommitResponseTopicPartition{good, bad}}}}
	if err := commitError(answer, nil); !errors.Is(err, kerr.IllegalGeneration) {
		t.Errorf("got %v", err)
	}
}
