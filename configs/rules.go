package configs

// Rules says what each rule does.
type Rules struct {
	// Values for every rule that does not say otherwise. A list in a rule replaces the one here.
	Defaults RuleConfig
	// One entry for each rule named in the file, already completed by Defaults.
	ByID map[string]RuleConfig
}

// SetDefaults fills every knob that has a default.
func (r *Rules) SetDefaults() {
	r.Defaults = RuleConfig{
		Action:          "alert",
		ErrorCode:       "policy_violation",
		Scope:           "auto",
		OnUnknownConfig: "allow",
	}
}

// For gives the configuration of one rule; a rule the file does not name has
// Defaults.
func (r Rules) For(id string) RuleConfig {
	if c, ok := r.ByID[id]; ok {
		return c
	}
	c := r.Defaults
	c.Params = Params{tree: c.Params.tree, path: "rules." + id}
	return c
}

// RuleConfig is what every rule understands; a rule's own knobs are in Params.
type RuleConfig struct {
	// `off`; `alert` reports; `record` reports and keeps what led to it and follows in the
	// recording; `block` also refuses it, where the rule can.
	Action string `yaml:"action" enum:"off,alert,record,block"`
	// Topics the rule looks at; empty: all.
	Topics []Pattern `yaml:"topics"`
	// Client ids the rule looks at; empty: all.
	Clients []Pattern `yaml:"clients"`
	// Principals the rule looks at, as in `User:alice`; empty: all.
	Principals []Pattern `yaml:"principals"`
	// What is allowed on purpose: an exchange that matches any entry is not reported and not blocked.
	Allow []Match `yaml:"allow"`
	// Kafka error that a blocked client receives: POLICY_VIOLATION (44) or INVALID_RECORD (87).
	ErrorCode string `yaml:"error_code" enum:"policy_violation,invalid_record"`
	// What is refused: the `partition` at fault, the whole `request`, or `auto`: the partition,
	// except for clients that lose records unless the whole request is refused.
	Scope string `yaml:"scope" enum:"auto,partition,request"`
	// What to do while the configuration of the topic is not known.
	OnUnknownConfig string `yaml:"on_unknown_config" enum:"allow,block"`

	// Params holds the keys that only this rule knows; the rule decodes them.
	Params Params `yaml:",rest"`
}

// Match is one entry of an allow list; every key that is given must match.
type Match struct {
	// Pattern of the topic.
	Topic Pattern `yaml:"topic"`
	// Pattern of the client id.
	ClientID Pattern `yaml:"client_id"`
	// Pattern of the principal, as in `User:alice`.
	Principal Pattern `yaml:"principal"`
	// Why this is allowed; for people only.
	Reason string `yaml:"reason"`
}

// Suppression silences findings that are known and accepted until a date. What
// a rule blocks it still blocks.
type Suppression struct {
	// Rule whose findings are silenced, or `*`. Required.
	Rule string `yaml:"rule"`
	// Pattern of the topic; empty: any.
	Topic Pattern `yaml:"topic"`
	// Pattern of the client id; empty: any.
	ClientID Pattern `yaml:"client_id"`
	// Pattern of the principal; empty: any.
	Principal Pattern `yaml:"principal"`
	// Pattern of the consumer group; empty: any.
	Group Pattern `yaml:"group"`
	// Last day (UTC, YYYY-MM-DD) on which it holds. Required.
	Until Date `yaml:"until"`
	// Why it is accepted, for those who come later. Required.
	Reason string `yaml:"reason"`
}
