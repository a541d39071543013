package engine

import (
	"runtime/debug"
	"slices"
	"time"

	"warder/protocol"
	"warder/rules"
)

// sendReports makes findings of what rules reported about a request, now that it
// is clear what became of it: consequences are facts about a refusal, lost says
// that the client is not told of it.
func (g *Gate) sendReports(consequences rules.Evidence, lost bool) {
	for i := range g.pending {
		p := &g.pending[i]
		r := &p.report
		if p.blocks {
			r.Evidence = append(r.Evidence, consequences...)
			if lost {
				r.Summary += "; dropped without an answer, so the client has lost the data and does not know (acks=0)"
			}
		}
		f := g.engine.finding(p.rule, r, g.batch.Time)
		f.WouldBlock = p.wouldBlock
		if p.blocks {
			f.Action = rules.Block
		}
		g.engine.deliver(g.set, f)
	}
}

// sendObservations hands what rules have observed to their watchers. nothing says
// that nothing of the request goes on.
func (g *Gate) sendObservations(nothing bool) {
	for i := range g.observed {
		p := &g.observed[i]
		p.what.Refused = nothing || slices.ContainsFunc(g.denied, func(d protocol.Denial) bool { return d.Ordinal == p.ordinal })
		g.engine.observe(p.rule, p.what)
	}
}

// consequences says what the refusal did beyond the partition at fault.
func (g *Gate) consequences(v *ProduceVerdict, again bool) rules.Evidence {
	var e rules.Evidence
	if len(v.Denied) > len(g.refused) {
		e = append(e, rules.Fact{Name: "partitions_refused", Value: len(v.Denied)})
	}
	if again {
		e = append(e, rules.Fact{Name: "retried", Value: true})
	}
	if g.batch.Acks == 0 {
		e = append(e, rules.Fact{Name: "acks_0", Value: v.AcksZero.String()})
	}
	return e
}

// finding completes a report of a rule. Its action is what was done short of
// blocking.
func (e *Engine) finding(a *activeRule, r *rules.Report, at time.Time) rules.Finding {
	f := rules.Finding{
		Time: at.UTC().Truncate(time.Microsecond), Rule: a.spec.ID, Severity: r.Severity, Action: a.action,
		WouldBlock: r.WouldBlock, Cluster: e.cluster, Subject: r.Subject, Summary: r.Summary,
		Evidence: r.Evidence, Advice: r.Advice, Doc: a.spec.Doc, Resolved: r.Resolved, News: r.News,
	}
	if f.Severity == 0 {
		f.Severity = a.spec.Severity
	}
	if f.Action == rules.Block {
		f.Action = rules.Alert
	}
	if f.Evidence == nil {
		f.Evidence = rules.Evidence{}
	}
	incident := f.Rule
	if r.Aspect != "" {
		incident += "/" + r.Aspect
	}
	f.Fingerprint = rules.Fingerprint(incident, f.Cluster, &f.Subject, a.spec.FoldBy)
	return f
}

// deliver counts a finding and hands it to be folded, unless it is suppressed.
// It never blocks.
func (e *Engine) deliver(set *ruleSet, f rules.Finding) {
	if set.suppressed(&f) {
		e.meter.suppressed(f.Rule)
		return
	}
	if !f.Resolved {
		e.meter.finding(f.Rule, f.Severity, f.Action)
	}
	if e.inline {
		e.folder.add(f)
		return
	}
	select {
	case e.findings <- f:
	default:
		e.meter.dropped("findings", 1)
	}
}

// panicked counts a panic in a rule's code and logs it.
func (e *Engine) panicked(rule string, value any) {
	e.meter.panicked(rule)
	e.log.Error().Str("rule", rule).Any("panic", value).Bytes("stack", debug.Stack()).
		Msg("a rule panicked; what it looked at counts as uninspected")
}
