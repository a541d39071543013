package messages

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	keyDescribeConfigs         = 32
	keyAlterConfigs            = 33
	keyIncrementalAlterConfigs = 44
)

// CleanupPolicy is the topic configuration that says whether a topic is
// compacted (TopicConfig.CLEANUP_POLICY_CONFIG).
const CleanupPolicy = "cleanup.policy"

// GroupSession is the configuration of a group by KIP-848 that says how long its
// members may be silent (GroupConfig.CONSUMER_SESSION_TIMEOUT_MS_CONFIG).
const GroupSession = "consumer.session.timeout.ms"

// Resource types (ConfigResource.Type).
const (
	ResourceTopic = 2
	ResourceGroup = 32
)

// ConfigSource says where a configured value comes from (DescribeConfigsResponse.ConfigSource).
type ConfigSource int8

// The sources that concern topics. Others are 2 to 4 and 6 to 8: broker-wide settings.
const (
	SourceUnknown     ConfigSource = 0 // also -1, the default of CreateTopicsResponse.json
	SourceTopic       ConfigSource = 1 // set on the topic itself
	SourceDefault     ConfigSource = 5 // Kafka's own default
	SourceUnspecified ConfigSource = -1
)

// Config is one configuration entry. Sensitive ones have a null value.
type Config struct {
	Name, Value string
	Null        bool // the value is null: back to the default, or not shown
	Source      ConfigSource
	Sensitive   bool
}

func newConfig(name string, value *string) Config {
	return Config{Name: name, Value: deref(value), Null: value == nil, Source: SourceUnspecified}
}

// ConfigValue returns the value of name, or ok false when it is absent or null.
func ConfigValue(configs []Config, name string) (value string, ok bool) {
	for i := range configs {
		if configs[i].Name == name {
			return configs[i].Value, !configs[i].Null
		}
	}
	return "", false
}

// NewDescribeTopicConfigs asks for configuration entries of topics; for
// cleanup.policy when keys is empty. Good at every version.
func NewDescribeTopicConfigs(topics []string, keys ...string) *kmsg.DescribeConfigsRequest {
	if len(keys) == 0 {
		keys = []string{CleanupPolicy}
	}
	rq := kmsg.NewPtrDescribeConfigsRequest()
	rq.Resources = make([]kmsg.DescribeConfigsRequestResource, len(topics))
	for i, name := range topics {
		rq.Resources[i] = kmsg.NewDescribeConfigsRequestResource()
		rq.Resources[i].ResourceType = ResourceTopic
		rq.Resources[i].ResourceName = name
		rq.Resources[i].ConfigNames = keys
	}
	return rq
}

// NewDescribeGroupSession asks for the session timeout of a group.
func NewDescribeGroupSession(group string) *kmsg.DescribeConfigsRequest {
	rq := kmsg.NewPtrDescribeConfigsRequest()
	res := kmsg.NewDescribeConfigsRequestResource()
	res.ResourceType, res.ResourceName, res.ConfigNames = ResourceGroup, group, []string{GroupSession}
	rq.Resources = append(rq.Resources, res)
	return rq
}

// GroupConfig returns the entries of the first group in a DescribeConfigs response, or
// the error that stands in place of them.
func GroupConfig(resp kmsg.Response) (configs []Config, errorCode int16) {
	dc, ok := resp.(*kmsg.DescribeConfigsResponse)
	if !ok {
		return nil, 0
	}
	for i := range dc.Resources {
		if res := &dc.Resources[i]; res.ResourceType == ResourceGroup {
			return describedConfigs(dc.Version, res), res.ErrorCode
		}
	}
	return nil, 0
}

// TopicConfig is what a DescribeConfigs response says of a topic.
type TopicConfig struct {
	Topic     string
	ErrorCode int16
	// CleanupPolicy is the value in force, whatever its source: "delete",
	// "compact" or both, comma-separated. "" when it was not asked for.
	CleanupPolicy string
	Configs       []Config // all entries
}

// TopicConfigs returns the topics of a DescribeConfigs response, nil for any
// other.
func TopicConfigs(resp kmsg.Response) []TopicConfig {
	dc, ok := resp.(*kmsg.DescribeConfigsResponse)
	if !ok {
		return nil
	}
	var out []TopicConfig
	for i := range dc.Resources {
		res := &dc.Resources[i]
		if res.ResourceType != ResourceTopic {
			continue
		}
		c := TopicConfig{Topic: res.ResourceName, ErrorCode: res.ErrorCode, Configs: describedConfigs(dc.Version, res)}
		c.CleanupPolicy, _ = ConfigValue(c.Configs, CleanupPolicy)
		out = append(out, c)
	}
	return out
}

func describedConfigs(version int16, res *kmsg.DescribeConfigsResponseResource) []Config {
	configs := make([]Config, len(res.Configs))
	for i := range res.Configs {
		configs[i] = describedConfig(version, &res.Configs[i])
	}
	return configs
}

func describedConfig(version int16, e *kmsg.DescribeConfigsResponseResourceConfig) Config {
	c := newConfig(e.Name, e.Value)
	c.Source, c.Sensitive = ConfigSource(e.Source), e.IsSensitive
	if version == 0 { // IsDefault instead of a source
		c.Source = SourceTopic
		if e.IsDefault {
			c.Source = SourceDefault
		}
	}
	return c
}

// ParseDescribeConfigsResponse reads the body of a DescribeConfigs response.
//
// Errors of all Parse functions of this file: *VersionError, *LimitError,
// *MalformedError.
func ParseDescribeConfigsResponse(version int16, body []byte, lim Limits) ([]TopicConfig, error) {
	resp, err := read[*kmsg.DescribeConfigsResponse](DecodeResponse(keyDescribeConfigs, version, body, lim))
	if err != nil {
		return nil, err
	}
	return TopicConfigs(resp), nil
}

// ConfigOp says what a change does to an entry (AlterConfigOp.OpType).
type ConfigOp int8

// The operations of IncrementalAlterConfigs. Append and Subtract are for lists.
const (
	OpSet      ConfigOp = 0
	OpDelete   ConfigOp = 1
	OpAppend   ConfigOp = 2
	OpSubtract ConfigOp = 3
)

// ConfigChange is one entry of an alteration. AlterConfigs only sets.
type ConfigChange struct {
	Config
	Op ConfigOp
}

// AlteredTopic is what a request wants to change of a topic's configuration.
type AlteredTopic struct {
	Topic   string
	Ordinal int // place among the resources of the request, from 0; not all are topics
	Changes []ConfigChange
	// Replaces says that every entry which is not named goes back to its default
	// (AlterConfigs); else those stay (IncrementalAlterConfigs, KIP-339).
	Replaces bool
}

// Names reports whether the change names an entry.
func (t *AlteredTopic) Names(entry string) bool {
	return slices.ContainsFunc(t.Changes, func(c ConfigChange) bool { return c.Name == entry })
}

// AlterConfigs is an AlterConfigs or IncrementalAlterConfigs request, reduced to
// topics.
type AlterConfigs struct {
	Topics       []AlteredTopic
	ValidateOnly bool
}

// CleanupPolicyAfter returns the cleanup.policy of the topic once the change is
// in force, given the one before. Known false says that it has to be asked for:
// it goes back to the broker's default, or the one before, "" if unknown, was
// needed (ConfigAdminManager.incrementalAlterConfigs).
func (t *AlteredTopic) CleanupPolicyAfter(before string) (policy string, known bool) {
	policy, known = before, before != ""
	if t.Replaces {
		policy, known = "", false
	}
	for i := range t.Changes {
		c := &t.Changes[i]
		if c.Name != CleanupPolicy {
			continue
		}
		switch {
		case c.Op == OpDelete || c.Null:
			policy, known = "", false
		case c.Op == OpSet:
			policy, known = c.Value, true
		case !known:
		case c.Op == OpAppend:
			policy = listWith(policy, c.Value)
		case c.Op == OpSubtract:
			policy = listWithout(policy, c.Value)
		default:
			known = false
		}
	}
	if !known {
		return "", false
	}
	return policy, policy != "" // what an empty list means depends on the release
}

func listOf(s string) []string {
	var items []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func listWith(list, more string) string {
	items := listOf(list)
	for _, item := range listOf(more) {
		if !slices.Contains(items, item) {
			items = append(items, item)
		}
	}
	return strings.Join(items, ",")
}

func listWithout(list, less string) string {
	gone := listOf(less)
	items := slices.DeleteFunc(listOf(list), func(item string) bool { return slices.Contains(gone, item) })
	return strings.Join(items, ",")
}

// ParseAlterConfigsRequest reads the body of an AlterConfigs request.
func ParseAlterConfigsRequest(version int16, body []byte, lim Limits) (AlterConfigs, error) {
	rq, err := read[*kmsg.AlterConfigsRequest](DecodeRequest(keyAlterConfigs, version, body, lim))
	if err != nil {
		return AlterConfigs{}, err
	}
	out := AlterConfigs{ValidateOnly: rq.ValidateOnly}
	for i := range rq.Resources {
		res := &rq.Resources[i]
		if res.ResourceType != ResourceTopic {
			continue
		}
		t := AlteredTopic{Topic: res.ResourceName, Ordinal: i, Replaces: true}
		for j := range res.Configs {
			t.Changes = append(t.Changes, ConfigChange{Config: newConfig(res.Configs[j].Name, res.Configs[j].Value)})
		}
		out.Topics = append(out.Topics, t)
	}
	return out, nil
}

// ParseIncrementalAlterConfigsRequest reads the body of an
// IncrementalAlterConfigs request.
func ParseIncrementalAlterConfigsRequest(version int16, body []byte, lim Limits) (AlterConfigs, error) {
	rq, err := read[*kmsg.IncrementalAlterConfigsRequest](DecodeRequest(keyIncrementalAlterConfigs, version, body, lim))
	if err != nil {
		return AlterConfigs{}, err
	}
	out := AlterConfigs{ValidateOnly: rq.ValidateOnly}
	for i := range rq.Resources {
		res := &rq.Resources[i]
		if res.ResourceType != ResourceTopic {
			continue
		}
		t := AlteredTopic{Topic: res.ResourceName, Ordinal: i}
		for j := range res.Configs {
			c := &res.Configs[j]
			t.Changes = append(t.Changes, ConfigChange{Config: newConfig(c.Name, c.Value), Op: ConfigOp(c.Op)})
		}
		out.Topics = append(out.Topics, t)
	}
	return out, nil
}

// ParseAlterConfigsResponse reads the body of an AlterConfigs response: the
// outcome for each topic.
func ParseAlterConfigsResponse(version int16, body []byte, lim Limits) ([]TopicResult, error) {
	resp, err := read[*kmsg.AlterConfigsResponse](DecodeResponse(keyAlterConfigs, version, body, lim))
	if err != nil {
		return nil, err
	}
	var out []TopicResult
	for i := range resp.Resources {
		if r := &resp.Resources[i]; r.ResourceType == ResourceTopic {
			out = append(out, TopicResult{Name: r.ResourceName, ErrorCode: r.ErrorCode})
		}
	}
	return out, nil
}

// ParseIncrementalAlterConfigsResponse is ParseAlterConfigsResponse for
// IncrementalAlterConfigs.
func ParseIncrementalAlterConfigsResponse(version int16, body []byte, lim Limits) ([]TopicResult, error) {
	resp, err := read[*kmsg.IncrementalAlterConfigsResponse](DecodeResponse(keyIncrementalAlterConfigs, version, body, lim))
	if err != nil {
		return nil, err
	}
	var out []TopicResult
	for i := range resp.Resources {
		if r := &resp.Resources[i]; r.ResourceType == ResourceTopic {
			out = append(out, TopicResult{Name: r.ResourceName, ErrorCode: r.ErrorCode})
		}
	}
	return out, nil
}
