package engine

import (
	"fmt"
	"slices"
	"strings"

	"warder/protocol"
	"warder/rules"
	"warder/rules/state"
)

// conclude turns what was collected into the verdict on the request.
func (g *Gate) conclude(req *protocol.ProduceRequest) ProduceVerdict {
	v := ProduceVerdict{Keep: g.keep, Batches: g.batches, Records: g.records}
	var consequences rules.Evidence
	if len(g.refused) > 0 {
		again := g.deny(req)
		v.Denied, v.Rules, v.AcksZero = g.denied, g.refusedBy(), g.acksZero()
		consequences = g.consequences(&v, again)
	}
	// Nothing of a request goes on when its connection is closed.
	g.sendObservations(g.refusalOf(wholeRequest) != nil || len(v.Denied) > 0 && g.batch.Acks == 0 && v.AcksZero == rules.CloseConnection)
	g.sendReports(consequences, g.batch.Acks == 0 && v.AcksZero == rules.DropSilently)
	m := &g.engine.meter
	m.inspected(v.Batches, v.Records)
	m.verdict(Denied, len(v.Denied))
	m.verdict(WouldBlock, g.judged.wouldBlock)
	m.verdict(Allowed, req.NumPartitions-len(v.Denied)-g.judged.wouldBlock)
	return v
}

// deny fills g.denied and remembers the holes that this leaves in producers'
// sequences. It says whether one of the batches had been refused before.
func (g *Gate) deny(req *protocol.ProduceRequest) (again bool) {
	whole := g.refusesWhole(req)
	it := req.Partitions()
	for it.Next(&g.part) {
		r := g.refusalOf(g.part.Ordinal)
		if r == nil {
			r = g.refusalOf(wholeRequest)
		}
		d := protocol.Denial{Ordinal: g.part.Ordinal, TopicID: g.part.TopicID, Partition: g.part.Partition, Topic: g.topicName()}
		switch {
		case r != nil:
			d.Code, d.Message, d.RecordErrors = r.code, r.message, r.errors
		case whole:
			d.Code, d.Message = g.refused[0].code, togetherText(&g.refused[0])
		default:
			continue
		}
		g.denied = append(g.denied, d)
		again = g.remember(d.Topic) || again
	}
	return again
}

// refusedBy names the rules that refused.
func (g *Gate) refusedBy() (list []string) {
	for i := range g.refused {
		list = append(list, g.refused[i].rule.spec.ID)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// refusesWhole says whether every partition must go. A client that takes back
// the sequence numbers of a whole request when one partition fails (kafkajs)
// reuses numbers that the broker has seen for the others, and loses the next
// records as duplicates: nothing of its request may be stored. The same for
// clients that do not say who they are.
func (g *Gate) refusesWhole(req *protocol.ProduceRequest) bool {
	for i := range g.refused {
		r := &g.refused[i]
		switch {
		case r.ordinal == wholeRequest || r.rule.scope == scopeRequest:
			return true
		case r.rule.scope == scopeAuto && req.NumPartitions > 1 && r.idempotent && rewindsWholeRequest(g.id):
			return true
		}
	}
	return false
}

func rewindsWholeRequest(id *rules.Identity) bool {
	return id.SoftwareName == "" || strings.Contains(strings.ToLower(id.SoftwareName), "kafkajs")
}

// topicName gives the name of the topic of g.part, empty when unknown.
func (g *Gate) topicName() string {
	if g.batch.Version < topicIDVersion {
		return string(g.part.Topic)
	}
	if t := g.engine.topics.FindID(g.part.TopicID); t != nil {
		return t.Name
	}
	return ""
}

// remember notes the batches of g.part as refused, and says whether they had
// been refused before.
func (g *Gate) remember(topic string) (again bool) {
	g.scanner.Reset(g.part.Records, g.engine.scan)
	for {
		h, ok := g.scanner.NextBatch()
		if !ok {
			return again
		}
		r := g.engine.refusals.Add(state.Refusal{
			ProducerID: h.ProducerID, ProducerEpoch: h.ProducerEpoch, Topic: topic, Partition: g.part.Partition,
			FirstSequence: h.BaseSequence, LastSequence: h.BaseSequence + h.LastOffsetDelta, At: g.batch.Time,
		})
		again = again || r.Again
	}
}

// acksZero is DropSilently only if every rule that refused says so.
func (g *Gate) acksZero() rules.AcksZero {
	for i := range g.refused {
		if g.refused[i].acksZero == rules.CloseConnection {
			return rules.CloseConnection
		}
	}
	return rules.DropSilently
}

// What a refused client's developer reads. User interfaces cut long texts, so
// it begins with what matters.
const (
	maxMessage    = 300
	maxClientText = 60
)

// sentence is the text for one refused thing, ASCII and at most maxMessage.
func (g *Gate) sentence(a *activeRule, what, reason string) string {
	client := "this client"
	if g.id.ClientID != "" {
		client = "client " + rules.Excerpt(g.id.ClientID, maxClientText)
	}
	head := "warder: rule " + a.spec.ID + " refused this " + what + ": "
	if a == g.engine.undecodable {
		head = "warder refused this " + what + ": "
	}
	tail := ". Allowed on purpose? Ask the owner of this proxy for an exception for " + client + "."
	return head + rules.Excerpt(reason, maxMessage-len(head)-len(tail)) + tail
}

// message is the text for a partition or change: clients without record_errors show it
// for every record of the batch.
func (g *Gate) message(a *activeRule, c *rules.Case) string {
	d := &c.Denials[0]
	if d.Record == rules.WholeBatch {
		return g.sentence(a, g.whole, d.Reason)
	}
	text := g.sentence(a, "record", d.Reason)
	if g.batch.Records < 2 {
		return text
	}
	more := fmt.Sprintf(" (batch_index %d of %d records; a batch is refused whole)", d.Record, g.batch.Records)
	if len(text)+len(more) > maxMessage {
		return text
	}
	return text + more
}

// togetherText is the message for a partition that is refused only because
// another one of its request is.
func togetherText(r *refusal) string {
	return fmt.Sprintf("warder: rule %s refused %s-%d of the same request, and with it all of the request, since what this client sends next could be lost otherwise. The reason stands with that partition.",
		r.rule.spec.ID, rules.Excerpt(r.topic, 80), r.partition)
}
