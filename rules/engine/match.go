package engine

import (
	"warder/configs"
	"warder/rules"
)

// matcher decides which clients and topics a rule looks at.
type matcher struct {
	topics, clients, principals rules.Globs
	allow                       []allowance
}

// allowance is one entry of an allow list.
type allowance struct{ topic, client, principal rules.Globs }

func (m *matcher) compile(c configs.RuleConfig) error {
	var problems problems
	list := func(key string, into *rules.Globs, patterns []configs.Pattern) {
		var err error
		*into, err = rules.CompileGlobs(patterns...)
		problems.add(positioned(c, key, err))
	}
	list("topics", &m.topics, c.Topics)
	list("clients", &m.clients, c.Clients)
	list("principals", &m.principals, c.Principals)
	for _, entry := range c.Allow {
		if entry.Topic == "" && entry.ClientID == "" && entry.Principal == "" {
			problems.add(c.Problem("allow", "an entry without topic, client_id or principal would allow everything; write `action: off` if that is meant"))
		}
		var a allowance
		list("allow", &a.topic, one(entry.Topic))
		list("allow", &a.client, one(entry.ClientID))
		list("allow", &a.principal, one(entry.Principal))
		m.allow = append(m.allow, a)
	}
	return problems.err()
}

// one makes a list of a pattern that may be missing.
func one(p configs.Pattern) []configs.Pattern {
	if p == "" {
		return nil
	}
	return []configs.Pattern{p}
}

// client says whether the rule looks at this client at all.
func (m *matcher) client(id *rules.Identity) bool {
	return m.clients.Match(id.ClientID) && m.principals.Match(id.Principal)
}

// topic says whether the rule looks at what this client, which client has
// accepted, does to this topic.
func (m *matcher) topic(id *rules.Identity, topic string) bool {
	if !m.topics.Match(topic) {
		return false
	}
	for i := range m.allow {
		a := &m.allow[i]
		if a.topic.Match(topic) && a.client.Match(id.ClientID) && a.principal.Match(id.Principal) {
			return false
		}
	}
	return true
}

// subject says whether the rule looks at whom and what a Watcher reports. A list
// says nothing of a field that the subject leaves empty.
func (m *matcher) subject(s *rules.Subject) bool {
	for _, f := range [...]struct {
		list *rules.Globs
		name string
	}{{&m.topics, s.Topic}, {&m.clients, s.ClientID}, {&m.principals, s.Principal}} {
		if f.name != "" && !f.list.Match(f.name) {
			return false
		}
	}
	for i := range m.allow {
		a := &m.allow[i]
		if a.topic.Match(s.Topic) && a.client.Match(s.ClientID) && a.principal.Match(s.Principal) {
			return false
		}
	}
	return true
}

// suppression silences findings until a date.
type suppression struct {
	rule                            string // or *
	topic, client, principal, group rules.Globs
	until                           configs.Date
}

func newSuppression(c *configs.Suppression, known map[string]bool) (suppression, error) {
	s := suppression{rule: c.Rule, until: c.Until}
	var problems problems
	if c.Rule != "*" && c.Rule != Uninspected && !known[c.Rule] {
		problems.add(configs.Problem{File: "configuration", Message: "suppressions: no rule has the id " + c.Rule})
	}
	for _, f := range []struct {
		into    *rules.Globs
		pattern configs.Pattern
	}{{&s.topic, c.Topic}, {&s.client, c.ClientID}, {&s.principal, c.Principal}, {&s.group, c.Group}} {
		var err error
		*f.into, err = rules.CompileGlobs(one(f.pattern)...)
		problems.add(err)
	}
	return s, problems.err()
}

// suppressed says whether a finding is silenced at its time.
func (set *ruleSet) suppressed(f *rules.Finding) bool {
	for i := range set.suppressions {
		s := &set.suppressions[i]
		if (s.rule == "*" || s.rule == f.Rule) && s.topic.Match(f.Subject.Topic) && s.client.Match(f.Subject.ClientID) &&
			s.principal.Match(f.Subject.Principal) && s.group.Match(f.Subject.Group) && !s.until.Over(f.Time) {
			return true
		}
	}
	return false
}
