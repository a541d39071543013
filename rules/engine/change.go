package engine

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"warder/rules"
)

// ChangeVerdict is what becomes of a request that wants to change something.
type ChangeVerdict struct {
	// Denied are the changes at fault, in the order of the request. Empty: the original bytes go on. Else
	// nothing goes upstream, since a broker carries out the entries of a request
	// one by one and half of what somebody wanted is what nobody wanted.
	Denied []ChangeDenial
	// Rules are those that denied, in alphabetical order.
	Rules []string
	// Together is the text for all other entries of a refused request.
	Together string
	// Keep asks for the exchange to be kept in the recording.
	Keep bool
}

// ChangeDenial is a change that a rule on block has denied. The error is always
// POLICY_VIOLATION, as of a broker's own CreateTopicPolicy and AlterConfigPolicy.
type ChangeDenial struct {
	Ordinal int // of the Change
	Message string
}

// Message is what a refused request says of the entry with that ordinal.
func (v *ChangeVerdict) Message(ordinal int) string {
	i, denied := slices.BinarySearchFunc(v.Denied, ordinal, func(d ChangeDenial, ordinal int) int { return cmp.Compare(d.Ordinal, ordinal) })
	if denied {
		return v.Denied[i].Message
	}
	return v.Together
}

// NeedsChange says whether any rule looks at what this client changes. If not,
// its administrative requests need not be given to Change.
func (g *Gate) NeedsChange(id *rules.Identity) bool {
	g.sync(id)
	return len(g.changers) > 0
}

// NeedsChangedConfig says whether a rule would want to know more of the
// configuration of a topic that this client is about to change. Here an alert is
// reason enough to ask: administrative requests are rare, and what a change means
// cannot be told later, when the topic is changed.
func (g *Gate) NeedsChangedConfig(id *rules.Identity, topic *rules.Topic) bool {
	g.sync(id)
	for _, a := range g.changers {
		wants := a.spec.Needs.Has(rules.NeedTopicConfig) && !topic.Cleanup.Known() ||
			a.spec.Needs.Has(rules.NeedTopicSettings) && !topic.Settings.Known
		if wants && a.looksAt(id, topic.Name) {
			return true
		}
	}
	return false
}

// Change judges the changes that one request asks for. now is when its last byte
// was read.
func (g *Gate) Change(id *rules.Identity, changes []rules.Change, now time.Time) ChangeVerdict {
	g.sync(id)
	g.begin(rules.Request{Time: now, Identity: id, Acks: -1}, "change")
	if len(g.changers) == 0 {
		return ChangeVerdict{}
	}
	for i := range changes {
		g.judgeChange(&changes[i])
	}
	return g.concludeChanges(len(changes))
}

// judgeChange calls the rules for one change.
func (g *Gate) judgeChange(ch *rules.Change) {
	ch.Time, ch.Identity = g.batch.Time, g.id
	g.batch.Topic, g.batch.Partition, g.batch.Header, g.group = ch.Topic, noPartition, nil, ch.Group
	g.facts = nil
	if ch.ValidateOnly {
		g.facts = rules.Evidence{{Name: "validate_only", Value: true}}
	}
	for _, a := range g.changers {
		if !a.looksAtChange(g.id, ch) {
			continue
		}
		may := ch.Kind == rules.CreateTopic || a.may(ch.Topic) // nothing is unknown of what is not there yet
		c := &g.cases[a.slot]
		c.Blocks = may && a.action == rules.Block
		g.guarded(a, c, func() { a.change.Change(c, ch) })
		g.settle(a, c, ch.Ordinal, may)
	}
}

// looksAtChange says whether the rule looks at a change by this client, which it
// looks at. Of a group that is deleted with all its topics a list of topics says
// nothing.
func (a *activeRule) looksAtChange(id *rules.Identity, ch *rules.Change) bool {
	if ch.Kind == rules.DeleteGroup {
		return a.match.subject(&rules.Subject{Group: ch.Group, ClientID: id.ClientID, Principal: id.Principal})
	}
	return a.looksAt(id, ch.Topic.Name)
}

// concludeChanges turns what was collected about n changes into the verdict on
// their request.
func (g *Gate) concludeChanges(n int) ChangeVerdict {
	v := ChangeVerdict{Keep: g.keep}
	var consequences rules.Evidence
	denied := 0
	if len(g.refused) > 0 {
		for i := range g.refused {
			v.Denied = append(v.Denied, ChangeDenial{g.refused[i].ordinal, g.refused[i].message})
		}
		v.Rules, v.Together, denied = g.refusedBy(), refusedWith(&g.refused[0]), n
		if n > len(g.refused) {
			consequences = rules.Evidence{{Name: "changes_refused", Value: n}}
		}
	}
	g.sendObservations(denied > 0)
	g.sendReports(consequences, false)
	g.engine.meter.verdict(Denied, denied)
	g.engine.meter.verdict(WouldBlock, g.judged.wouldBlock)
	g.engine.meter.verdict(Allowed, n-denied-g.judged.wouldBlock)
	return v
}

// refusedWith is the message for an entry that is refused only because another
// one of its request is.
func refusedWith(r *refusal) string {
	about := "topic " + rules.Excerpt(r.topic, 80)
	if r.topic == "" {
		about = "group " + rules.Excerpt(r.group, 80)
	}
	return fmt.Sprintf("warder: rule %s refused what the same request asks for %s, and with it all of the request: nothing of it was done. Send the rest in a request of its own.",
		r.rule.spec.ID, about)
}
