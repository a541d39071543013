package engine

import (
	"warder/protocol"
	"warder/rules"
)

// wholeRequest is the ordinal of what concerns no single partition, noPartition
// the number of the partition of what concerns a whole topic.
const (
	wholeRequest = -1
	noPartition  = -1
)

// refusal is a partition, or a change, that a rule on block has denied.
type refusal struct {
	ordinal    int
	topic      string
	group      string // of a change
	partition  int32
	rule       *activeRule
	code       int16
	message    string
	errors     []protocol.RecordError
	acksZero   rules.AcksZero
	idempotent bool
}

// pendingReport waits until it is clear what becomes of the request.
type pendingReport struct {
	rule       *activeRule
	report     rules.Report
	blocks     bool
	wouldBlock bool
}

// pendingObservation waits as well: a watcher wants to know what the log gets.
type pendingObservation struct {
	rule    *activeRule
	ordinal int
	what    rules.Observation
}

// settle takes in what a rule has left in its case and empties it. may says
// whether enough is known for the rule to block.
func (g *Gate) settle(a *activeRule, c *rules.Case, ordinal int, may bool) {
	if c.Empty() {
		return
	}
	denied := c.Denied > 0 && a.spec.CanBlock && may
	blocks := denied && a.action == rules.Block
	g.keep = g.keep || a.action == rules.Keep
	if blocks {
		g.refuse(a, c, ordinal)
	} else if denied && g.judged.lastWould != ordinal {
		g.judged.lastWould = ordinal
		g.judged.wouldBlock++
	}
	if c.Denied > 0 && len(c.Reports)+len(c.Observations) == 0 {
		c.Report(rules.Report{Summary: g.clientName() + ": " + c.Denials[0].Reason})
	}
	for _, r := range c.Reports {
		if !r.OwnSubject {
			g.fillSubject(&r.Subject)
			setDefault(&r.Subject.Group, g.group)
		}
		r.Evidence = append(r.Evidence, g.facts...)
		g.pending = append(g.pending, pendingReport{a, r, blocks, denied && !blocks})
	}
	for _, o := range c.Observations {
		o.At, o.Client = g.batch.Time, g.id
		g.observed = append(g.observed, pendingObservation{a, ordinal, o})
	}
	c.Reset()
}

// fillSubject adds who and where to what the rule has said of it.
func (g *inspector) fillSubject(s *rules.Subject) {
	who := rules.SubjectOf(g.id)
	who.TransactionalID = string(g.batch.TransactionalID)
	if g.batch.Topic != nil { // else it concerns the whole request
		who.Topic = g.batch.Topic.Name
		if g.batch.Partition != noPartition {
			who.Partition = new(g.batch.Partition)
		}
	}
	setDefault(&s.Topic, who.Topic)
	setDefault(&s.ClientID, who.ClientID)
	setDefault(&s.Principal, who.Principal)
	setDefault(&s.Remote, who.Remote)
	setDefault(&s.Software, who.Software)
	setDefault(&s.TransactionalID, who.TransactionalID)
	if s.Partition == nil {
		s.Partition = who.Partition
	}
}

func setDefault(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

func (g *Gate) clientName() string {
	if g.id.ClientID == "" {
		return "a client"
	}
	return rules.Excerpt(g.id.ClientID, maxClientText)
}

// refuse notes that a rule on block has denied a partition. The first rule
// decides the error; the records that others name are added.
func (g *Gate) refuse(a *activeRule, c *rules.Case, ordinal int) {
	r := g.refusalOf(ordinal)
	if r == nil {
		g.refused = append(g.refused, refusal{
			ordinal: ordinal, rule: a, code: a.code, message: g.message(a, c),
			acksZero: c.Denials[0].AcksZero,
		})
		r = &g.refused[len(g.refused)-1]
		if ordinal != wholeRequest {
			r.topic, r.partition, r.group = g.batch.Topic.Name, g.batch.Partition, g.group
		}
	}
	if h := g.batch.Header; h != nil && h.ProducerID >= 0 {
		r.idempotent = true
	}
	for i := range c.Denials {
		d := &c.Denials[i]
		if d.AcksZero == rules.CloseConnection {
			r.acksZero = rules.CloseConnection
		}
		if d.Record != rules.WholeBatch && len(r.errors) < rules.MaxDenials {
			text := g.sentence(a, "record", d.Reason)
			r.errors = append(r.errors, protocol.RecordError{BatchIndex: int32(d.Record), Message: text})
		}
	}
}

func (g *Gate) refusalOf(ordinal int) *refusal {
	for i := range g.refused {
		if g.refused[i].ordinal == ordinal {
			return &g.refused[i]
		}
	}
	return nil
}
