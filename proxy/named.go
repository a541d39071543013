package proxy

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/protocol/messages"
	"warder/proxy/tap"
	"warder/rules"
)

// What a request names, for whoever looks at exchanges. While nobody does, none of
// this runs.

// watch begins to collect what is shown of the request, if anybody looks.
func (s *session) watch(rq *request) error {
	oneOf, err := s.srv.audit.Take(rq.Key)
	if err != nil {
		return closing(ReasonAudit, fmt.Errorf("%s: %w", protocol.APIName(rq.Key), err))
	}
	if oneOf == 0 && !s.srv.tap.Enabled() {
		return nil
	}
	rq.tap, rq.audited = &tap.Exchange{}, oneOf
	switch {
	case rq.Key == protocol.Produce, rq.Key == protocol.Fetch: // see tapProduce and tapFetched
		return nil
	case rq.API == nil || rq.size > s.srv.settings().maxMessage:
		rq.tap.RequestUnread = true
		return nil
	}
	body, err := s.body(rq)
	if err != nil {
		return err
	}
	// One that cannot be read is the broker's to judge.
	if asked, _ := messages.DecodeRequest(rq.Key, rq.Version, body, s.srv.decodeLimits()); asked != nil {
		naming{s, rq.tap}.request(asked)
	} else {
		rq.tap.RequestUnread = true
	}
	return nil
}

// naming fills an exchange with what a request names.
type naming struct {
	s *session
	x *tap.Exchange
}

func (n naming) request(rq kmsg.Request) {
	switch rq := rq.(type) {
	case *kmsg.FindCoordinatorRequest:
		for _, key := range append([]string{rq.CoordinatorKey}, rq.CoordinatorKeys...) {
			n.coordinator(rq.CoordinatorType, key)
		}
	case *kmsg.CreateTopicsRequest:
		for i := range rq.Topics {
			n.topic(rq.Topics[i].Topic, -1, configNames(rq.Topics[i].Configs, func(c *kmsg.CreateTopicsRequestTopicConfig) string { return c.Name }))
		}
	case *kmsg.DescribeConfigsRequest:
		for i := range rq.Resources {
			r := &rq.Resources[i]
			n.configs(r.ResourceType, r.ResourceName, r.ConfigNames)
		}
	case *kmsg.AlterConfigsRequest:
		for i := range rq.Resources {
			r := &rq.Resources[i]
			n.configs(r.ResourceType, r.ResourceName, configNames(r.Configs, func(c *kmsg.AlterConfigsRequestResourceConfig) string { return c.Name }))
		}
	case *kmsg.IncrementalAlterConfigsRequest:
		for i := range rq.Resources {
			r := &rq.Resources[i]
			n.configs(r.ResourceType, r.ResourceName, configNames(r.Configs, func(c *kmsg.IncrementalAlterConfigsRequestResourceConfig) string { return c.Name }))
		}
	default:
		if !n.security(rq) {
			n.walk(reflect.ValueOf(rq).Elem())
		}
	}
}

// walk takes the names out of a struct of kmsg that needs no special knowledge.
func (n naming) walk(v reflect.Value) {
	sh := shapeOf(v.Type())
	for _, f := range sh.named {
		eachString(v.Field(f.index), func(name string) { n.x.AddResource(tap.Resource{Type: f.resource, Name: name}) })
	}
	for _, i := range sh.topics {
		eachString(v.Field(i), func(name string) { n.topic(name, -1, nil) })
	}
	if name := n.s.nameIn(v, sh); name != "" {
		n.partitions(name, v, sh)
		return
	}
	for _, i := range sh.children {
		eachStruct(v.Field(i), n.walk)
	}
}

// partitions adds the partitions that a struct lists of its topic; all of it, where
// it lists none.
func (n naming) partitions(topic string, v reflect.Value, sh *shape) {
	if sh.partitions < 0 || v.Field(sh.partitions).Len() == 0 {
		n.topic(topic, -1, nil)
		return
	}
	list := v.Field(sh.partitions)
	for i := range list.Len() {
		p := list.Index(i)
		if p.Kind() == reflect.Struct {
			p = p.Field(shapeOf(p.Type()).partition)
		}
		n.topic(topic, int32(p.Int()), nil)
	}
}

// nameIn gives the topic that a struct names or gives the id of; "" for none.
func (s *session) nameIn(v reflect.Value, sh *shape) (name string) {
	if sh.topic >= 0 {
		eachString(v.Field(sh.topic), func(text string) { name = text })
	}
	if name != "" || sh.topicID < 0 {
		return name
	}
	id, _ := reflect.TypeAssert[[16]byte](v.Field(sh.topicID))
	if id == [16]byte{} {
		return ""
	}
	return s.shownTopic(nil, id)
}

// shownTopic gives a topic's name or, where that is not known, its id as Kafka prints it.
func (s *session) shownTopic(name []byte, id [16]byte) string {
	if known, ok := s.topicName(name, id); ok {
		return known
	}
	return rules.TopicID(id).String()
}

func (n naming) topic(name string, partition int32, configs []string) {
	n.x.AddPartition(tap.Partition{Topic: name, Partition: partition, Configs: configs})
}

// coordinator notes whose coordinator is asked for. That of a share group's
// partition is asked for as group:topic-id:partition (SharePartitionKey.java).
func (n naming) coordinator(kind int8, key string) {
	switch kind {
	case 0:
		n.x.AddResource(tap.Resource{Type: tap.TypeGroup, Name: key})
	case 1:
		n.x.AddResource(tap.Resource{Type: "transactional_id", Name: key})
	case 2:
		for range 2 { // a group may have colons in its name
			if at := strings.LastIndexByte(key, ':'); at >= 0 {
				key = key[:at]
			}
		}
		n.x.AddResource(tap.Resource{Type: tap.TypeGroup, Name: key})
	}
}

// configs notes a resource whose settings are asked for or set.
func (n naming) configs(kind kmsg.ConfigResourceType, name string, configs []string) {
	if kind == kmsg.ConfigResourceTypeTopic {
		n.topic(name, -1, configs)
		return
	}
	if name == "" {
		name = "default" // as kafka-configs.sh calls what holds for all brokers
	}
	n.x.AddResource(tap.Resource{Type: strings.ToLower(kind.String()), Name: name, Configs: configs})
}

func configNames[C any](configs []C, name func(*C) string) []string {
	list := make([]string, 0, min(len(configs), tap.MaxConfigs))
	for i := range configs[:cap(list)] {
		list = append(list, name(&configs[i]))
	}
	return list
}

// security notes whom a request concerns that is about rights, quotas or
// credentials; false means that it is none of these.
func (n naming) security(rq kmsg.Request) bool {
	switch rq := rq.(type) {
	case *kmsg.CreateACLsRequest:
		for i := range rq.Creations {
			n.acl(&rq.Creations[i])
		}
	case *kmsg.DeleteACLsRequest:
		for i := range rq.Filters {
			n.acls(&rq.Filters[i])
		}
	case *kmsg.DescribeACLsRequest:
		n.acls(&kmsg.DeleteACLsRequestFilter{
			ResourceType: rq.ResourceType, ResourceName: rq.ResourceName, ResourcePatternType: rq.ResourcePatternType,
			Principal: rq.Principal, Host: rq.Host, Operation: rq.Operation, PermissionType: rq.PermissionType,
		})
	case *kmsg.AlterClientQuotasRequest:
		for i := range rq.Entries {
			n.quota(&rq.Entries[i])
		}
	case *kmsg.AlterUserSCRAMCredentialsRequest:
		for i := range rq.Deletions {
			n.user("user", rq.Deletions[i].Name)
		}
		for i := range rq.Upsertions {
			n.user("user", rq.Upsertions[i].Name)
		}
	case *kmsg.DescribeUserSCRAMCredentialsRequest:
		for i := range rq.Users {
			n.user("user", rq.Users[i].Name)
		}
	case *kmsg.CreateDelegationTokenRequest:
		n.user("owner", principal(text(rq.OwnerPrincipalType), text(rq.OwnerPrincipalName)))
		for i := range rq.Renewers {
			n.user("renewer", principal(rq.Renewers[i].PrincipalType, rq.Renewers[i].PrincipalName))
		}
	case *kmsg.UpdateFeaturesRequest:
		for i := range rq.FeatureUpdates {
			n.x.AddResource(tap.Resource{Type: "feature", Name: rq.FeatureUpdates[i].Feature})
		}
	default:
		return false
	}
	return true
}

func (n naming) user(kind, name string) { n.x.AddResource(tap.Resource{Type: kind, Name: name}) }

// acl notes an ACL in one line.
func (n naming) acl(c *kmsg.CreateACLsRequestCreation) {
	n.x.AddResource(tap.Resource{Type: "acl", Name: fmt.Sprintf("%s %v %v on %v %v %s from %s",
		c.Principal, c.PermissionType, c.Operation, c.ResourcePatternType, c.ResourceType, c.ResourceName, c.Host)})
}

// acls notes what a filter matches, as if it were one ACL.
func (n naming) acls(f *kmsg.DeleteACLsRequestFilter) {
	n.acl(&kmsg.CreateACLsRequestCreation{
		ResourceType: f.ResourceType, ResourceName: anything(f.ResourceName), ResourcePatternType: f.ResourcePatternType,
		Principal: anything(f.Principal), Host: anything(f.Host), Operation: f.Operation, PermissionType: f.PermissionType,
	})
}

// quota notes an entity such as user=alice,client-id=batch, and the quotas that are set for it.
func (n naming) quota(e *kmsg.AlterClientQuotasRequestEntry) {
	parts := make([]string, 0, len(e.Entity))
	for i := range e.Entity {
		name := "<default>" // as kafka-configs.sh prints it
		if e.Entity[i].Name != nil {
			name = *e.Entity[i].Name
		}
		parts = append(parts, e.Entity[i].Type+"="+name)
	}
	n.x.AddResource(tap.Resource{
		Type: "quota", Name: strings.Join(parts, ","),
		Configs: configNames(e.Ops, func(op *kmsg.AlterClientQuotasRequestEntryOp) string { return op.Key }),
	})
}

func anything(s *string) string {
	if s == nil {
		return "any"
	}
	return *s
}

func principal(kind, name string) string {
	if name == "" {
		return ""
	}
	return kind + ":" + name
}
