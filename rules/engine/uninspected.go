package engine

import (
	"fmt"

	"warder/rules"
)

// Uninspected is the id of findings about records that rules wanted to see and
// could not. It is no rule: inspect.on_undecodable says what becomes of them.
const Uninspected = "uninspected"

// undecodable stands in for a rule where the engine itself speaks.
func undecodable(refuse bool) *activeRule {
	a := &activeRule{
		spec: &rules.Spec{
			ID: Uninspected, Severity: rules.Warning, CanBlock: true, Doc: "docs/rules/uninspected.md",
			FoldBy: rules.FieldTopic | rules.FieldClientID | rules.FieldPrincipal,
		},
		action: rules.Alert, code: policyViolation,
	}
	if refuse {
		a.action = rules.Block
	}
	return a
}

// uninspected counts bytes that a rule wanted to see and could not, reports
// them, and refuses the batch when the operator said so.
func (g *Gate) uninspected(reason Reason, err error, size int) {
	a := g.engine.undecodable
	g.engine.meter.uninspected(reason, size)
	why := string(reason)
	if err != nil {
		why = err.Error()
	}
	outcome, advice := "it was forwarded", "Find out what the client sends. `inspect.on_undecodable: refuse` would refuse it."
	if a.action == rules.Block {
		outcome, advice = "it was refused", "Find out what the client sends. `inspect.on_undecodable: forward` would let it pass uninspected."
		g.blind.Deny(rules.Denial{Record: rules.WholeBatch, Reason: "its records cannot be inspected (" + why + ")"})
	}
	g.blind.Report(rules.Report{
		Summary:  fmt.Sprintf("%s wrote a batch to topic %s that cannot be inspected: %s; %s", g.clientName(), g.batch.Topic.Name, why, outcome),
		Evidence: rules.Evidence{{Name: "reason", Value: string(reason)}, {Name: "bytes", Value: size}},
		Advice:   advice,
	})
	g.settle(a, &g.blind, g.part.Ordinal, true)
}
