package ruletest

import (
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"warder/rules"
)

// objector is a rule that notes what it is shown of changes, and denies those of
// topics that are to stay.
type objector struct{ shown *[]rules.Change }

func (o objector) Change(c *rules.Case, ch *rules.Change) {
	*o.shown = append(*o.shown, *ch)
	if strings.HasPrefix(ch.Topic.Name, "stay") {
		c.Deny(rules.Denial{Record: rules.WholeBatch, Reason: "it is to stay"})
	}
}

func TestChangesOfACase(t *testing.T) {
	var shown []rules.Change
	spec := rules.Spec{
		ID: "objector", Severity: rules.Info, CanBlock: true, Default: rules.Block,
		New: func(decode func(any) error) (rules.Rule, error) { return objector{&shown}, decode(&struct{}{}) },
	}
	archive := txtar.Parse([]byte(`-- config --
rules: {objector: {action: block}}
-- topics --
users compact
orders unknown
-- traffic --
admin asks to alter users: cleanup.policy+=delete retention.ms=1 min.insync.replicas
  and users: cleanup.policy-=compact
  and orders: cleanup.policy+=delete
  => allowed
admin asks to alter (replaces validate-only) users: retention.ms=1
  => allowed
admin asks to create new: cleanup.policy=compact
=> allowed
admin asks to grow users: 24
=> allowed
admin asks to delete users
  and stay
  and stay-too
  => users refused together
  => stay refused POLICY_VIOLATION
  => stay says: warder: rule objector refused this change: it is to stay. Allowed on purpose? Ask the owner of this proxy for an exception for client admin.
  => stay-too refused POLICY_VIOLATION
`))
	play(t, []rules.Spec{spec}, archive, forms[0])
	const both = rules.CleanupCompact | rules.CleanupDelete
	want := []struct {
		kind         rules.ChangeKind
		api          string
		before, then rules.CleanupPolicy
		configs      int
	}{
		{rules.AlterTopic, "IncrementalAlterConfigs", rules.CleanupCompact, both, 3},
		{rules.AlterTopic, "IncrementalAlterConfigs", rules.CleanupCompact, rules.CleanupUnknown, 1},
		{rules.AlterTopic, "IncrementalAlterConfigs", rules.CleanupUnknown, rules.CleanupUnknown, 1},
		{rules.AlterTopic, "AlterConfigs", rules.CleanupCompact, rules.CleanupUnknown, 1},
		{rules.CreateTopic, "CreateTopics", rules.CleanupUnknown, rules.CleanupCompact, 1},
		{rules.AddPartitions, "CreatePartitions", rules.CleanupCompact, rules.CleanupCompact, 0},
		{rules.DeleteTopic, "DeleteTopics", rules.CleanupCompact, rules.CleanupCompact, 0},
	}
	for i, w := range want {
		ch := &shown[i]
		if ch.Kind != w.kind || ch.API != w.api || ch.CleanupBefore != w.before || ch.CleanupAfter != w.then || len(ch.Configs) != w.configs {
			t.Errorf("change %d: %+v, want %+v", i, ch, w)
		}
	}
	if ch := &shown[0]; ch.Config("retention.ms").Value != "1" || ch.Config("min.insync.replicas").Op != rules.ConfigDelete || ch.Config("other") != nil {
		t.Errorf("%+v", ch.Configs)
	}
	if shown[3].ValidateOnly == shown[0].ValidateOnly || shown[5].Partitions != 24 || shown[7].Ordinal != 1 {
		t.Errorf("%+v", shown)
	}
}
