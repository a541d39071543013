package proxy

import (
	"time"

	"warder/protocol"
	"warder/protocol/messages"
	"warder/rules"
)

// InitProducerId (22), AddPartitionsToTxn (24), AddOffsetsToTxn (25), EndTxn (26).
//
// Behaviour: all pass unchanged. Rules that follow transactions are told when a
// producer begins under a transactional id, when a transaction ends (by EndTxn, or
// because InitProducerId with the same transactional id aborted what was open), and
// what the coordinator refuses for good. Groups whose offsets are part of a transaction
// are told of its end, which names only the transactional id.
//
// Version notes: from version 5 on EndTxn answers with a new producer epoch, and
// partitions join a transaction with Produce (KIP-890); nothing here depends on it.
// AddPartitionsToTxn from version 4 on is for brokers.

var (
	endKinds   = []rules.Kind{rules.KindTransactionEnded, rules.KindProduceFailed, rules.KindOffsetsSettled}
	beginKinds = []rules.Kind{rules.KindTransactionEnded, rules.KindProducerInitialised, rules.KindOffsetsSettled}
)

func onEndTxn(s *session, rq *request) error {
	if !s.srv.wantsAny(endKinds) {
		return s.forward(rq, s.exchange(rq, nil))
	}
	return observe(s, rq, messages.ParseEndTxnRequest, func(s *session, ex *exchange, asked messages.EndTxn, body []byte) error {
		result, err := messages.ParseEndTxnResponse(ex.version, body, s.srv.decodeLimits())
		if err != nil {
			return err
		}
		if result.ErrorCode != 0 {
			s.transactionRefused(ex, asked.TransactionalID, asked.Producer, result.ErrorCode)
			return nil
		}
		s.srv.engine.Emit(rules.TransactionEnded{
			At: s.out.readAt, Client: s.identity.Load(), TransactionalID: asked.TransactionalID,
			ProducerID: asked.Producer.ID, ProducerEpoch: asked.Producer.Epoch, Committed: asked.Commit,
		})
		s.settle(asked.TransactionalID, s.srv.transactions.Ended(asked.TransactionalID), asked.Commit)
		return nil
	})
}

// settle tells groups what became of the offsets that a transaction had of them.
func (s *session) settle(transactionalID string, groups []string, committed bool) {
	for _, group := range groups {
		s.emit(rules.OffsetsSettled{At: s.out.readAt, Client: s.identity.Load(), Group: group, TransactionalID: transactionalID, Committed: committed})
	}
}

func onInitProducerID(s *session, rq *request) error {
	if !s.srv.wantsAny(beginKinds) {
		return s.forward(rq, s.exchange(rq, nil))
	}
	return observe(s, rq, messages.ParseInitProducerIdRequest, func(s *session, ex *exchange, asked messages.InitProducer, body []byte) error {
		result, err := messages.ParseInitProducerIdResponse(ex.version, body, s.srv.decodeLimits())
		if err != nil || !asked.Transactional || comesAgain(result.ErrorCode) {
			return err
		}
		id, timeout := s.identity.Load(), time.Duration(asked.TimeoutMs)*time.Millisecond
		s.srv.engine.Emit(rules.ProducerInitialised{
			At: s.out.readAt, Client: id, TransactionalID: asked.TransactionalID, Timeout: timeout,
			ProducerID: result.Producer.ID, ProducerEpoch: result.Producer.Epoch, Resumed: asked.Previous.ID >= 0, ErrorCode: result.ErrorCode,
		})
		if result.ErrorCode == 0 {
			s.srv.engine.Emit(rules.TransactionEnded{
				At: s.out.readAt, Client: id, TransactionalID: asked.TransactionalID,
				ProducerID: result.Producer.ID, ProducerEpoch: result.Producer.Epoch, Initialised: true,
			})
			s.settle(asked.TransactionalID, s.srv.transactions.Began(asked.TransactionalID, timeout), false)
		}
		return nil
	})
}

func onAddPartitionsToTxn(s *session, rq *request) error {
	return joinTransaction(s, rq, messages.ParseAddPartitionsToTxnRequest, messages.ParseAddPartitionsToTxnResponse)
}

func onAddOffsetsToTxn(s *session, rq *request) error {
	return joinTransaction(s, rq, messages.ParseAddOffsetsToTxnRequest, messages.ParseAddOffsetsToTxnResponse)
}

// joinTransaction tells when something may not become part of a transaction.
func joinTransaction(s *session, rq *request, request func(int16, []byte, messages.Limits) (messages.JoinTxn, error),
	response func(int16, []byte, messages.Limits) (int16, error),
) error {
	if !s.srv.engine.Wants(rules.KindProduceFailed) {
		return s.forward(rq, s.exchange(rq, nil))
	}
	return observe(s, rq, request, func(s *session, ex *exchange, asked messages.JoinTxn, body []byte) error {
		code, err := response(ex.version, body, s.srv.decodeLimits())
		if err == nil && code != 0 {
			s.transactionRefused(ex, asked.TransactionalID, asked.Producer, code)
		}
		return err
	})
}

// transactionRefused tells of an error of the coordinator.
func (s *session) transactionRefused(ex *exchange, transactionalID string, producer messages.Producer, code int16) {
	if comesAgain(code) || !s.srv.engine.Wants(rules.KindProduceFailed) {
		return
	}
	s.srv.engine.Emit(rules.ProduceFailed{
		At: s.out.readAt, Client: s.identity.Load(), Request: protocol.APIName(ex.key), Partition: -1,
		TransactionalID: transactionalID, ProducerID: producer.ID, ErrorCode: code,
	})
}

// comesAgain says whether the client asks again in a moment: the coordinator has
// moved, or is still busy with the transaction before.
func comesAgain(code int16) bool {
	switch code {
	case 14, 15, 16, 51: // COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR, CONCURRENT_TRANSACTIONS
		return true
	}
	return false
}

// transactional is whose transactions the client of a session writes to. It is the
// same from the first to the last request of a producer.
type transactional struct {
	id         string
	producerID int64
}

// noteTransactional keeps what answers to Produce do not say.
func (s *session) noteTransactional(req *protocol.ProduceRequest) {
	if len(req.TransactionalID) == 0 || !s.srv.engine.Wants(rules.KindProduceFailed) {
		return
	}
	if known := s.transactional.Load(); known == nil || known.id != string(req.TransactionalID) {
		s.transactional.Store(&transactional{string(req.TransactionalID), producerOf(req)})
	}
}

// produceFailed tells of an error of one partition.
func (s *session) produceFailed(topic string, p *protocol.ProduceResponsePartition) {
	if !s.srv.engine.Wants(rules.KindProduceFailed) {
		return
	}
	ev := rules.ProduceFailed{
		At: s.out.readAt, Client: s.identity.Load(), Request: protocol.APIName(protocol.Produce), Topic: topic, Partition: p.Partition,
		ProducerID: -1, ErrorCode: p.ErrorCode,
	}
	if t := s.transactional.Load(); t != nil {
		ev.TransactionalID, ev.ProducerID = t.id, t.producerID
	}
	s.srv.engine.Emit(ev)
}
