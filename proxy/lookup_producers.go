package proxy

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/rules"
)

// namedTransactions bounds the transactions of one answer.
const namedTransactions = 20

// askOpenTransactions takes the question which transactions are open in a partition,
// over warder's own connection alone: only the partition's leader knows. It is asked
// for few partitions, and by a rule that waits a minute before it asks again.
func (l *lookups) askOpenTransactions(q rules.OpenTransactions) bool {
	now := l.srv.now()
	l.mu.Lock()
	refused := now.Sub(l.producersRefused) < refusalLifetime
	l.mu.Unlock()
	if refused || !l.own.usable() {
		return false
	}
	req := kmsg.NewPtrDescribeProducersRequest()
	topic := kmsg.NewDescribeProducersRequestTopic()
	topic.Topic, topic.Partitions = q.Topic, []int32{q.Partition}
	req.Topics = append(req.Topics, topic)
	taken := l.own.Ask(req, func(resp kmsg.Response, err error) { l.tellOpenTransactions(q, resp, err) })
	if !taken {
		l.countProducers("postponed")
	}
	return taken
}

func (l *lookups) countProducers(outcome string) {
	l.srv.metrics.lookups.WithLabelValues("DescribeProducers", l.own.carrier(), outcome).Inc()
}

func (l *lookups) tellOpenTransactions(q rules.OpenTransactions, resp kmsg.Response, err error) {
	ev := rules.TransactionsOpen{At: l.srv.now(), TopicPartition: q.TopicPartition}
	if err == nil {
		ev.Open, err = openTransactionsIn(resp)
	}
	switch {
	case err == nil:
		ev.Known = true
		l.countProducers("answered")
	case errors.Is(err, errRefused):
		l.mu.Lock()
		l.producersRefused = ev.At
		l.mu.Unlock()
		l.countProducers("refused")
	default:
		l.countProducers("failed")
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		l.srv.noise.Debug().Err(err).Str("question", "DescribeProducers").Str("topic", q.Topic).Msg("a question to the cluster was not answered")
	}
	l.srv.engine.Emit(ev)
}

// openTransactionsIn reads what the leader of one partition says.
func openTransactionsIn(resp kmsg.Response) (open []rules.OpenTransaction, err error) {
	answer, ok := resp.(*kmsg.DescribeProducersResponse)
	if !ok || len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return nil, errors.New("the answer is not about the partition")
	}
	p := &answer.Topics[0].Partitions[0]
	if err := answerError(p.ErrorCode); err != nil {
		return nil, err
	}
	for i := range p.ActiveProducers {
		a := &p.ActiveProducers[i]
		if a.CurrentTxnStartOffset < 0 {
			continue
		}
		t := rules.OpenTransaction{ProducerID: a.ProducerID, ProducerEpoch: a.ProducerEpoch, StartOffset: a.CurrentTxnStartOffset}
		if a.LastTimestamp > 0 {
			t.LastWrite = time.UnixMilli(a.LastTimestamp).UTC()
		}
		open = append(open, t)
	}
	slices.SortFunc(open, func(a, b rules.OpenTransaction) int { return cmp.Compare(a.StartOffset, b.StartOffset) })
	return open[:min(len(open), namedTransactions)], nil
}
