package messages

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	keyInitProducerId     = 22
	keyAddPartitionsToTxn = 24
	keyAddOffsetsToTxn    = 25
	keyEndTxn             = 26
)

// Producer is the identity of an idempotent or transactional producer.
type Producer struct {
	ID    int64 // -1: none yet
	Epoch int16 // -1: none yet
}

// InitProducer is an InitProducerId request.
type InitProducer struct {
	TransactionalID string // "" when the producer is only idempotent
	Transactional   bool
	TimeoutMs       int32    // of a transaction, in milliseconds
	Previous        Producer // what it asks to go on with (KIP-360), version 3 and above
}

// ParseInitProducerIdRequest reads the body of an InitProducerId request.
//
// Errors of all Parse functions of this file: *VersionError, *LimitError,
// *MalformedError.
func ParseInitProducerIdRequest(version int16, body []byte, lim Limits) (InitProducer, error) {
	rq, err := read[*kmsg.InitProducerIDRequest](DecodeRequest(keyInitProducerId, version, body, lim))
	if err != nil {
		return InitProducer{}, err
	}
	return InitProducer{
		TransactionalID: deref(rq.TransactionalID), Transactional: rq.TransactionalID != nil,
		TimeoutMs: rq.TransactionTimeoutMillis, Previous: Producer{rq.ProducerID, rq.ProducerEpoch},
	}, nil
}

// ProducerResult is an InitProducerId or EndTxn response.
type ProducerResult struct {
	ErrorCode int16
	// Producer is what to use from now on. EndTxn says so from version 5 on
	// (KIP-890); -1 when it stays.
	Producer Producer
}

// ParseInitProducerIdResponse reads the body of an InitProducerId response.
func ParseInitProducerIdResponse(version int16, body []byte, lim Limits) (ProducerResult, error) {
	resp, err := read[*kmsg.InitProducerIDResponse](DecodeResponse(keyInitProducerId, version, body, lim))
	if err != nil {
		return ProducerResult{}, err
	}
	return ProducerResult{resp.ErrorCode, Producer{resp.ProducerID, resp.ProducerEpoch}}, nil
}

// EndTxn is an EndTxn request.
type EndTxn struct {
	TransactionalID string
	Producer        Producer
	Commit          bool // else abort
}

// ParseEndTxnRequest reads the body of an EndTxn request.
func ParseEndTxnRequest(version int16, body []byte, lim Limits) (EndTxn, error) {
	rq, err := read[*kmsg.EndTxnRequest](DecodeRequest(keyEndTxn, version, body, lim))
	if err != nil {
		return EndTxn{}, err
	}
	return EndTxn{rq.TransactionalID, Producer{rq.ProducerID, rq.ProducerEpoch}, rq.Commit}, nil
}

// ParseEndTxnResponse reads the body of an EndTxn response.
func ParseEndTxnResponse(version int16, body []byte, lim Limits) (ProducerResult, error) {
	resp, err := read[*kmsg.EndTxnResponse](DecodeResponse(keyEndTxn, version, body, lim))
	if err != nil {
		return ProducerResult{}, err
	}
	return ProducerResult{resp.ErrorCode, Producer{resp.ProducerID, resp.ProducerEpoch}}, nil
}

// JoinTxn is an AddPartitionsToTxn or AddOffsetsToTxn request: something is to
// become part of a transaction.
type JoinTxn struct {
	// TransactionalID is "" in the form that brokers use among themselves
	// (AddPartitionsToTxn version 4 and above).
	TransactionalID string
	Producer        Producer
}

// ParseAddPartitionsToTxnRequest reads the body of an AddPartitionsToTxn request.
func ParseAddPartitionsToTxnRequest(version int16, body []byte, lim Limits) (JoinTxn, error) {
	rq, err := read[*kmsg.AddPartitionsToTxnRequest](DecodeRequest(keyAddPartitionsToTxn, version, body, lim))
	if err != nil {
		return JoinTxn{}, err
	}
	return JoinTxn{rq.TransactionalID, Producer{rq.ProducerID, rq.ProducerEpoch}}, nil
}

// ParseAddOffsetsToTxnRequest reads the body of an AddOffsetsToTxn request.
func ParseAddOffsetsToTxnRequest(version int16, body []byte, lim Limits) (JoinTxn, error) {
	rq, err := read[*kmsg.AddOffsetsToTxnRequest](DecodeRequest(keyAddOffsetsToTxn, version, body, lim))
	if err != nil {
		return JoinTxn{}, err
	}
	return JoinTxn{rq.TransactionalID, Producer{rq.ProducerID, rq.ProducerEpoch}}, nil
}

// notAttempted is OPERATION_NOT_ATTEMPTED: another partition is why.
const notAttempted = 55

// ParseAddPartitionsToTxnResponse gives the error of an AddPartitionsToTxn
// response: that of the first partition which has one of its own.
func ParseAddPartitionsToTxnResponse(version int16, body []byte, lim Limits) (errorCode int16, err error) {
	resp, err := read[*kmsg.AddPartitionsToTxnResponse](DecodeResponse(keyAddPartitionsToTxn, version, body, lim))
	if err != nil {
		return 0, err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 && p.ErrorCode != notAttempted {
				return p.ErrorCode, nil
			}
		}
	}
	return resp.ErrorCode, nil
}

// ParseAddOffsetsToTxnResponse gives the error of an AddOffsetsToTxn response.
func ParseAddOffsetsToTxnResponse(version int16, body []byte, lim Limits) (errorCode int16, err error) {
	resp, err := read[*kmsg.AddOffsetsToTxnResponse](DecodeResponse(keyAddOffsetsToTxn, version, body, lim))
	if err != nil {
		return 0, err
	}
	return resp.ErrorCode, nil
}
