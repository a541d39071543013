package proxy

import (
	"warder/protocol/messages"
	"warder/rules"
)

// InitProducerId (22) and EndTxn (26).
//
// Behaviour: both pass unchanged. Rules that follow transactions are told when one
// ends: by EndTxn, or because InitProducerId with the same transactional id aborted
// what was open.
//
// Version notes: from version 5 on EndTxn answers with a new producer epoch
// (KIP-890); nothing here depends on it.

func onEndTxn(s *session, rq *request) error {
	if !s.srv.engine.Wants(rules.KindTransactionEnded) {
		return s.forward(rq, s.exchange(rq, nil))
	}
	return observe(s, rq, messages.ParseEndTxnRequest, func(s *session, ex *exchange, asked messages.EndTxn, body []byte) error {
		result, err := messages.ParseEndTxnResponse(ex.version, body, s.srv.decodeLimits())
		if err != nil || result.ErrorCode != 0 {
			return err
		}
		s.srv.engine.Emit(rules.TransactionEnded{
			At: s.out.readAt, Client: s.identity.Load(), TransactionalID: asked.TransactionalID,
			ProducerID: asked.Producer.ID, ProducerEpoch: asked.Producer.Epoch, Committed: asked.Commit,
		})
		return nil
	})
}

func onInitProducerID(s *session, rq *request) error {
	if !s.srv.engine.Wants(rules.KindTransactionEnded) {
		return s.forward(rq, s.exchange(rq, nil))
	}
	return observe(s, rq, messages.ParseInitProducerIdRequest, func(s *session, ex *exchange, asked messages.InitProducer, body []byte) error {
		result, err := messages.ParseInitProducerIdResponse(ex.version, body, s.srv.decodeLimits())
		if err != nil || result.ErrorCode != 0 || !asked.Transactional {
			return err
		}
		s.srv.engine.Emit(rules.TransactionEnded{
			At: s.out.readAt, Client: s.identity.Load(), TransactionalID: asked.TransactionalID,
			ProducerID: result.Producer.ID, ProducerEpoch: result.Producer.Epoch,
		})
		return nil
	})
}
