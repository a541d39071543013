package messages

import (
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestDescribeTopicConfigs(t *testing.T) {
	for version := range int16(5) {
		decoded, err := DecodeRequest(32, version, at(version, NewDescribeTopicConfigs([]string{"orders", "other"})), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		rq := decoded.(*kmsg.DescribeConfigsRequest)
		if len(rq.Resources) != 2 || rq.Resources[1].ResourceName != "other" || rq.Resources[1].ResourceType != 2 ||
			!reflect.DeepEqual(rq.Resources[1].ConfigNames, []string{"cleanup.policy"}) || rq.IncludeSynonyms || rq.IncludeDocumentation {
			t.Errorf("v%d: %+v", version, rq)
		}

		resp := kmsg.NewPtrDescribeConfigsResponse()
		entry := func(value *string, isDefault bool, source kmsg.ConfigSource) kmsg.DescribeConfigsResponseResourceConfig {
			e := kmsg.NewDescribeConfigsResponseResourceConfig()
			e.Name, e.Value, e.IsDefault, e.Source = "cleanup.policy", value, isDefault, source
			return e
		}
		add := func(name string, typ kmsg.ConfigResourceType, code int16, entries ...kmsg.DescribeConfigsResponseResourceConfig) {
			resp.Resources = append(resp.Resources, kmsg.DescribeConfigsResponseResource{ResourceName: name, ResourceType: typ, ErrorCode: code, Configs: entries})
		}
		add("set", 2, 0, entry(str("compact"), false, 1))
		add("default", 2, 0, entry(str("delete"), true, 5))
		add("1", 4, 0, entry(str("compact"), false, 4))
		add("denied", 2, 29)
		got, err := ParseDescribeConfigsResponse(version, at(version, resp), Limits{})
		check1(t, "DescribeConfigs", version, got, err, []TopicConfig{
			{"set", 0, "compact", []Config{{Name: "cleanup.policy", Value: "compact", Source: SourceTopic}}},
			{"default", 0, "delete", []Config{{Name: "cleanup.policy", Value: "delete", Source: SourceDefault}}},
			{"denied", 29, "", []Config{}},
		})
	}
	rq := NewDescribeTopicConfigs([]string{"t"}, "min.insync.replicas", "cleanup.policy")
	if !reflect.DeepEqual(rq.Resources[0].ConfigNames, []string{"min.insync.replicas", "cleanup.policy"}) {
		t.Error(rq.Resources[0].ConfigNames)
	}
	if TopicConfigs(kmsg.NewPtrFetchResponse()) != nil {
		t.Error("configuration of another response")
	}
}

func TestAlterConfigs(t *testing.T) {
	for version := range int16(3) {
		rq := kmsg.NewPtrAlterConfigsRequest()
		rq.ValidateOnly = true
		rq.Resources = []kmsg.AlterConfigsRequestResource{
			{ResourceType: 4, ResourceName: "1"},
			{ResourceType: 2, ResourceName: "orders", Configs: []kmsg.AlterConfigsRequestResourceConfig{{Name: "cleanup.policy", Value: str("compact")}}},
		}
		got, err := ParseAlterConfigsRequest(version, at(version, rq), Limits{})
		check1(t, "AlterConfigs", version, got, err, AlterConfigs{ValidateOnly: true, Topics: []AlteredTopic{{
			Topic: "orders", Ordinal: 1, Replaces: true,
			Changes: []ConfigChange{{Config{Name: "cleanup.policy", Value: "compact", Source: SourceUnspecified}, OpSet}},
		}}})
		resp := kmsg.NewPtrAlterConfigsResponse()
		resp.Resources = []kmsg.AlterConfigsResponseResource{{ResourceType: 2, ResourceName: "orders", ErrorCode: 40}, {ResourceType: 4, ResourceName: "1"}}
		results, err := ParseAlterConfigsResponse(version, at(version, resp), Limits{})
		check1(t, "AlterConfigs response", version, results, err, []TopicResult{{"orders", 40}})
	}
	for version := range int16(2) {
		rq := kmsg.NewPtrIncrementalAlterConfigsRequest()
		rq.Resources = []kmsg.IncrementalAlterConfigsRequestResource{
			{ResourceType: 2, ResourceName: "orders", Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{
				{Name: "cleanup.policy", Op: 2, Value: str("compact")}, {Name: "retention.ms", Op: 1},
			}},
			{ResourceType: 8, ResourceName: "logger"},
		}
		got, err := ParseIncrementalAlterConfigsRequest(version, at(version, rq), Limits{})
		check1(t, "IncrementalAlterConfigs", version, got, err, AlterConfigs{Topics: []AlteredTopic{{Topic: "orders", Changes: []ConfigChange{
			{Config{Name: "cleanup.policy", Value: "compact", Source: SourceUnspecified}, OpAppend},
			{Config{Name: "retention.ms", Null: true, Source: SourceUnspecified}, OpDelete},
		}}}})
		resp := kmsg.NewPtrIncrementalAlterConfigsResponse()
		resp.Resources = []kmsg.IncrementalAlterConfigsResponseResource{{ResourceType: 2, ResourceName: "orders"}}
		results, err := ParseIncrementalAlterConfigsResponse(version, at(version, resp), Limits{})
		check1(t, "IncrementalAlterConfigs response", version, results, err, []TopicResult{{"orders", 0}})
	}
}

func TestCleanupPolicyAfter(t *testing.T) {
	change := func(op ConfigOp, value string) ConfigChange {
		return ConfigChange{Config{Name: CleanupPolicy, Value: value}, op}
	}
	other := ConfigChange{Config{Name: "retention.ms", Value: "1"}, OpSet}
	null := ConfigChange{Config{Name: CleanupPolicy, Null: true}, OpSet}
	for _, c := range []struct {
		name     string
		replaces bool
		changes  []ConfigChange
		before   string
		want     string
		known    bool
	}{
		{"set", false, []ConfigChange{change(OpSet, "compact")}, "delete", "compact", true},
		{"set, nothing known before", false, []ConfigChange{change(OpSet, "compact")}, "", "compact", true},
		{"another entry", false, []ConfigChange{other}, "compact", "compact", true},
		{"another entry, nothing known before", false, []ConfigChange{other}, "", "", false},
		{"delete", false, []ConfigChange{change(OpDelete, "")}, "compact", "", false},
		{"set to null", false, []ConfigChange{null}, "compact", "", false},
		{"append", false, []ConfigChange{change(OpAppend, "compact")}, "delete", "delete,compact", true},
		{"append what is there", false, []ConfigChange{change(OpAppend, "compact, delete")}, "delete", "delete,compact", true},
		{"append to the unknown", false, []ConfigChange{change(OpAppend, "compact")}, "", "", false},
		{"subtract", false, []ConfigChange{change(OpSubtract, "delete")}, "compact, delete", "compact", true},
		{"subtract all", false, []ConfigChange{change(OpSubtract, "compact")}, "compact", "", false},
		{"unheard-of operation", false, []ConfigChange{change(9, "x")}, "compact", "", false},
		{"replace all", true, []ConfigChange{change(OpSet, "compact")}, "delete", "compact", true},
		{"replace all, not named", true, []ConfigChange{other}, "compact", "", false},
	} {
		topic := AlteredTopic{Topic: "orders", Changes: c.changes, Replaces: c.replaces}
		if got, known := topic.CleanupPolicyAfter(c.before); got != c.want || known != c.known {
			t.Errorf("%s: %q, %v; want %q, %v", c.name, got, known, c.want, c.known)
		}
	}
}

func TestDescribeGroupSession(t *testing.T) {
	rq := NewDescribeGroupSession("billing")
	if res := rq.Resources[0]; int8(res.ResourceType) != 32 || res.ResourceName != "billing" || len(res.ConfigNames) != 1 || res.ConfigNames[0] != "consumer.session.timeout.ms" {
		t.Errorf("asks for %+v", res)
	}
	resp := kmsg.NewPtrDescribeConfigsResponse()
	resp.Version = 4
	topic, group := kmsg.NewDescribeConfigsResponseResource(), kmsg.NewDescribeConfigsResponseResource()
	topic.ResourceType, topic.ResourceName = ResourceTopic, "orders"
	group.ResourceType, group.ResourceName = ResourceGroup, "billing"
	c := kmsg.NewDescribeConfigsResponseResourceConfig()
	c.Name, c.Value, c.Source = GroupSession, str("20000"), 5
	group.Configs = append(group.Configs, c)
	resp.Resources = append(resp.Resources, topic, group)
	configs, code := GroupConfig(resp)
	if value, ok := ConfigValue(configs, GroupSession); value != "20000" || !ok || code != 0 {
		t.Errorf("%+v, %d", configs, code)
	}
	resp.Resources[1].ErrorCode = 30
	if _, code = GroupConfig(resp); code != 30 {
		t.Errorf("error %d", code)
	}
	if configs, code = GroupConfig(kmsg.NewPtrFetchResponse()); configs != nil || code != 0 {
		t.Error("read out of another response")
	}
}
