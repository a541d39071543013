package engine_test

import (
	"strings"
	"testing"

	"warder/protocol/records"
	"warder/rules"
	"warder/rules/engine"
)

// deletions are changes that delete these topics, as far as they are known.
func (b *bench) deletions(names ...string) []rules.Change {
	var list []rules.Change
	for i, name := range names {
		topic := b.topics.Find([]byte(name))
		if topic == nil {
			topic = &rules.Topic{Name: name}
		}
		list = append(list, rules.Change{API: "DeleteTopics", Version: 6, Kind: rules.DeleteTopic, Ordinal: i, Topic: topic})
	}
	return list
}

// noDeletes denies the deletion of every topic but one.
func noDeletes() *fake {
	return &fake{change: func(c *rules.Case, ch *rules.Change) {
		if ch.Topic.Name != "carts" {
			c.Deny(rules.Denial{Record: rules.WholeBatch, Reason: "topic " + ch.Topic.Name + " is needed"})
			c.Report(rules.Report{Summary: ch.Identity.ClientID + " deletes " + ch.Topic.Name, Evidence: rules.Evidence{{Name: "blocks", Value: c.Blocks}}})
		}
	}}
}

// deletesSpec is the Spec of a fake that looks at nothing but changes.
func deletesSpec(f *fake) rules.Spec {
	spec := f.spec("no-deletes")
	spec.Needs, spec.Watches = 0, nil
	return spec
}

func TestChangeIsRefusedWithAllOfItsRequest(t *testing.T) {
	b := newBench(t, []rules.Spec{deletesSpec(noDeletes())}, nil)
	b.block(t)
	v := b.Gate().Change(java, b.deletions("carts", "users", "events", "carts"), epoch)
	const text = "warder: rule no-deletes refused this change: topic users is needed. Allowed on purpose? Ask the owner of this proxy for an exception for client profile-svc."
	const together = "warder: rule no-deletes refused what the same request asks for topic users, and with it all of the request: nothing of it was done. Send the rest in a request of its own."
	if len(v.Denied) != 2 || v.Denied[0] != (engine.ChangeDenial{Ordinal: 1, Message: text}) || v.Denied[1].Ordinal != 2 ||
		v.Message(1) != text || v.Message(0) != together || v.Message(77) != together {
		t.Errorf("%+v", v)
	}
	if len(b.found.found) != 2 {
		t.Fatalf("findings %+v", b.found.found)
	}
	f := b.found.found[0]
	if f.Action != rules.Block || f.WouldBlock || f.Subject.Topic != "users" || f.Subject.Partition != nil || f.Subject.ClientID != "profile-svc" ||
		f.Summary != "profile-svc deletes users" || f.Evidence.Get("blocks") != true || f.Evidence.Get("changes_refused") != 4 || f.Evidence.Get("validate_only") != nil {
		t.Errorf("%+v", f)
	}
	if b.counts["verdict denied"] != 4 || b.counts["verdict allowed"] != 0 {
		t.Errorf("counted %v", b.counts)
	}
}

func TestChangeOnAlertWouldBeRefused(t *testing.T) {
	b := newBench(t, []rules.Spec{deletesSpec(noDeletes())}, nil)
	v := b.Gate().Change(java, b.deletions("carts", "users"), epoch)
	if len(v.Denied) != 0 || v.Keep {
		t.Errorf("%+v", v)
	}
	if f := b.found.found[0]; f.Action != rules.Alert || !f.WouldBlock || f.Evidence.Get("blocks") != false {
		t.Errorf("%+v", f)
	}
	if b.counts["verdict would_block"] != 1 || b.counts["verdict allowed"] != 1 || b.counts["batches"] != 0 {
		t.Errorf("counted %v", b.counts)
	}
}

func TestWhoseChangesAreJudged(t *testing.T) {
	for name, c := range map[string]struct {
		config         string
		nameless       bool
		needs, refused bool
		found          int
	}{
		"block":                {config: "action: block", needs: true, refused: true, found: 1},
		"off":                  {config: "action: \"off\""},
		"other topics":         {config: "action: block, topics: [\"orders-*\"]", needs: true},
		"other clients":        {config: "action: block, clients: [admin]"},
		"this client":          {config: "action: block, clients: [profile-*]", needs: true, refused: true, found: 1},
		"allowed":              {config: "action: block, allow: [{client_id: profile-svc, topic: users}]", needs: true},
		"another is allowed":   {config: "action: block, allow: [{client_id: profile-svc, topic: carts}]", needs: true, refused: true, found: 1},
		"recorded":             {config: "action: record", needs: true, found: 1},
		"name not known":       {config: "action: block", needs: true, nameless: true},
		"name not known, held": {config: "action: block, on_unknown_config: block", needs: true, nameless: true, refused: true, found: 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, []rules.Spec{deletesSpec(noDeletes())}, nil)
			if err := b.configure(t, "rules: {no-deletes: {"+c.config+"}}"); err != nil {
				t.Fatal(err)
			}
			g := b.Gate()
			if got := g.NeedsChange(java); got != c.needs {
				t.Errorf("NeedsChange %v", got)
			}
			topic := "users"
			if c.nameless {
				topic = ""
			}
			v := g.Change(java, b.deletions(topic), epoch)
			if (len(v.Denied) > 0) != c.refused || len(b.found.found) != c.found || v.Keep != (name == "recorded") {
				t.Errorf("%+v, %d findings", v, len(b.found.found))
			}
		})
	}
}

func TestSuppressedChangeStaysRefused(t *testing.T) {
	b := newBench(t, []rules.Spec{deletesSpec(noDeletes())}, nil)
	if err := b.configure(t, "rules: {defaults: {action: block}}\nsuppressions: [{rule: no-deletes, topic: users, until: 2030-01-01, reason: known}]"); err != nil {
		t.Fatal(err)
	}
	if v := b.Gate().Change(java, b.deletions("users"), epoch); len(v.Denied) != 1 || len(b.found.found) != 0 || b.counts["suppressed no-deletes"] != 1 {
		t.Errorf("%+v, found %+v", v, b.found.found)
	}
}

// TestChangeOfTheUnknownIsNotRefused: a rule that needs to know the policy does not
// block while it does not, unless the operator says so; a topic that is yet to be
// made has none that could be unknown.
func TestChangeOfTheUnknownIsNotRefused(t *testing.T) {
	f := noDeletes()
	spec := deletesSpec(f)
	spec.Needs = rules.NeedTopicConfig
	b := newBench(t, []rules.Spec{spec}, nil)
	b.block(t)
	g := b.Gate()
	if !g.NeedsChangedConfig(java, &rules.Topic{Name: "new"}) {
		t.Error("the rule does not want to know")
	}
	if v := g.Change(java, b.deletions("new"), epoch); len(v.Denied) != 0 || b.found.found[0].WouldBlock || b.counts["verdict allowed"] != 1 {
		t.Errorf("unknown: %+v %+v", v, b.found.found[0])
	}
	create := b.deletions("new")
	create[0].Kind = rules.CreateTopic
	if v := g.Change(java, create, epoch); len(v.Denied) != 1 {
		t.Errorf("to be made: %+v", v)
	}
	if v := g.Change(java, b.deletions("users"), epoch); len(v.Denied) != 1 {
		t.Errorf("known: %+v", v)
	}
	if err := b.configure(t, "rules: {no-deletes: {action: block, on_unknown_config: block, topics: [\"n*\"]}}"); err != nil {
		t.Fatal(err)
	}
	if v := g.Change(java, b.deletions("new"), epoch); len(v.Denied) != 1 {
		t.Errorf("on_unknown_config: block: %+v", v)
	}
	if g.NeedsChangedConfig(java, &rules.Topic{Name: "other"}) {
		t.Error("the rule wants to know of a topic that it does not look at")
	}
}

func TestPanicOverAChangeIsCaught(t *testing.T) {
	bad := &fake{change: func(c *rules.Case, _ *rules.Change) {
		c.Deny(rules.Denial{Record: rules.WholeBatch, Reason: "half a verdict"})
		panic("x")
	}}
	good := noDeletes()
	b := newBench(t, []rules.Spec{bad.spec("bad"), deletesSpec(good)}, nil)
	b.block(t)
	g := b.Gate()
	if v := g.Change(java, b.deletions("carts"), epoch); len(v.Denied) != 0 || b.counts["panic bad"] != 1 {
		t.Errorf("%+v, counted %v", v, b.counts)
	}
	if v := g.Change(java, b.deletions("users"), epoch); len(v.Denied) != 1 || !strings.Contains(v.Denied[0].Message, "rule no-deletes") {
		t.Errorf("the other rule: %+v", v)
	}
}

func TestValidationOfAChangeSaysSo(t *testing.T) {
	b := newBench(t, []rules.Spec{deletesSpec(noDeletes())}, nil)
	b.block(t)
	changes := b.deletions("users", "events")
	changes[0].ValidateOnly = true
	if v := b.Gate().Change(java, changes, epoch); len(v.Denied) != 2 {
		t.Errorf("%+v", v)
	}
	for i, want := range []any{true, nil} {
		if got := b.found.found[i].Evidence.Get("validate_only"); got != want {
			t.Errorf("finding %d: validate_only %v", i, got)
		}
	}
}

// TestTwoRulesRefuseOneChange: the first decides the text.
func TestTwoRulesRefuseOneChange(t *testing.T) {
	b := newBench(t, []rules.Spec{noDeletes().spec("first"), noDeletes().spec("second")}, nil)
	b.block(t)
	if v := b.Gate().Change(java, b.deletions("users"), epoch); len(v.Denied) != 1 || !strings.Contains(v.Denied[0].Message, "rule first") || len(b.found.found) != 2 {
		t.Errorf("%+v", v)
	}
}

func TestChangeTextsAreShortASCII(t *testing.T) {
	long := strings.Repeat("y", 249)
	b := newBench(t, []rules.Spec{deletesSpec(noDeletes())}, nil)
	b.block(t)
	v := b.Gate().Change(&rules.Identity{ClientID: strings.Repeat("é", 3000)}, b.deletions(long, "carts"), epoch)
	for _, text := range []string{v.Message(0), v.Message(1)} {
		if len(text) > 300 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%d bytes: %q", len(text), text)
		}
	}
}

// TestChangesAndBatchesOfOneSession: what was said of one is not said of the other.
func TestChangesAndBatchesOfOneSession(t *testing.T) {
	f := noDeletes()
	f.record = denyAll("no")
	b := newBench(t, []rules.Spec{f.spec("both")}, nil)
	b.block(t)
	g := b.Gate()
	changes := b.deletions("users")
	changes[0].ValidateOnly = true
	for range 2 {
		if v := g.Change(java, changes, epoch); len(v.Denied) != 1 || !strings.Contains(v.Denied[0].Message, "this change: ") {
			t.Errorf("%+v", v)
		}
		if v := produce(t, g, "users", batchOf(t, records.None, "a")); len(v.Denied) != 1 || !strings.Contains(v.Denied[0].Message, "this record: ") {
			t.Errorf("%+v", v)
		}
	}
	for i, found := range b.found.found {
		if change := i%2 == 0; (found.Subject.Partition == nil) != change || (found.Evidence.Get("validate_only") != nil) != change {
			t.Errorf("finding %d: %+v", i, found)
		}
	}
	if b.counts["verdict denied"] != 4 {
		t.Errorf("counted %v", b.counts)
	}
}

// TestDeletedGroupConcernsNoTopic: a list of topics says nothing of a group that is
// deleted with all its offsets, lists of clients do; what is refused with it is told
// of the group.
func TestDeletedGroupConcernsNoTopic(t *testing.T) {
	f := &fake{change: func(c *rules.Case, ch *rules.Change) {
		if ch.Group == "billing" {
			c.Deny(rules.Denial{Record: rules.WholeBatch, Reason: "it is in use"})
		}
	}}
	b := newBench(t, []rules.Spec{deletesSpec(f)}, nil)
	list := []rules.Change{
		{API: "DeleteGroups", Kind: rules.DeleteGroup, Topic: &rules.Topic{}, Group: "other"},
		{API: "DeleteGroups", Kind: rules.DeleteGroup, Topic: &rules.Topic{}, Group: "billing", Ordinal: 1},
	}
	for config, refused := range map[string]bool{
		"{action: block, topics: [users]}":                     true,
		"{action: block, allow: [{topic: users}]}":             true,
		"{action: block, allow: [{client_id: \"profile-*\"}]}": false,
		"{action: block, clients: [\"!profile-svc\"]}":         false,
	} {
		if err := b.configure(t, "rules: {no-deletes: "+config+"}"); err != nil {
			t.Fatal(err)
		}
		v := b.Gate().Change(java, list, epoch)
		if (len(v.Denied) == 1) != refused || refused && (v.Denied[0].Ordinal != 1 || !strings.Contains(v.Together, "asks for group billing, and with it all")) {
			t.Errorf("%s: %+v", config, v)
		}
	}
	if len(b.found.found) == 0 || b.found.found[0].Subject.Group != "billing" || b.found.found[0].Subject.Topic != "" {
		t.Errorf("found %+v", b.found.found)
	}
}

// TestNeedsSettings: a rule that needs the settings of a topic wants to be told them
// also where the policy is known, and may block without them.
func TestNeedsSettings(t *testing.T) {
	spec := deletesSpec(noDeletes())
	spec.Needs = rules.NeedTopicSettings
	b := newBench(t, []rules.Spec{spec}, nil)
	b.block(t)
	g := b.Gate()
	known := &rules.Topic{Name: "users", Settings: rules.TopicSettings{Known: true}}
	if !g.NeedsChangedConfig(java, &rules.Topic{Name: "users", Cleanup: rules.CleanupDelete}) || g.NeedsChangedConfig(java, known) {
		t.Error("the rule does not want what it needs, or what it has")
	}
	if v := g.Change(java, b.deletions("new"), epoch); len(v.Denied) != 1 {
		t.Errorf("%+v", v)
	}
}
