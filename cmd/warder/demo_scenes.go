package main

import (
	"context"
	"slices"
	"time"

	"warder/proxy/embedded"
	"warder/rules/sink"
)

// demoPatience bounds every single step of the demo.
const demoPatience = 20 * time.Second

// demoScene is all that shows one rule. A rule that can be shown adds one to demoScenes.
type demoScene struct {
	rule   string
	config string           // what stands below `rules.RULE`, on one line; windows are short, so that nobody has to wait
	topics []embedded.Topic // used by no other scene, so that scenes do not set off each other's rules
	acts   []demoAct
}

// demoAct is one thing that is done, and what warder must make of it.
type demoAct struct {
	client  string // client id of whoever does it, used by no other act
	topic   string // where the rule speaks of a topic and not of a client: the topic, used by no other act
	does    string // what is done, for the headline and the table
	because string // how such a thing comes about, in a sentence or two

	rule    string // the rule that is shown; that of its scene
	found   bool   // whether it must report a finding about client, or topic
	refused bool   // whether what is done must be refused; else it must succeed

	// once says that the act takes a while, or can be done only once: it begins with the first round, so that acts
	// overlap, is shown in its turn, and does not come again.
	once bool

	play  func(ctx context.Context, st *demoStage) (refused bool, err error)
	after func(ctx context.Context, st *demoStage) error // shown once, after the first play; may be nil
}

// query selects the findings that belong to the act.
func (a *demoAct) query() sink.Query {
	if a.topic != "" {
		return sink.Query{Rule: a.rule, Topic: a.topic}
	}
	return sink.Query{Rule: a.rule, ClientID: a.client}
}

// demoScenes are shown in this order: what needs a while comes late.
func demoScenes() []demoScene {
	return []demoScene{
		sceneTombstone(),
		sceneEmptyValue(),
		sceneFormatDrift(),
		sceneNullFieldDrift(),
		sceneCompactedEventStream(),
		sceneKeyDrift(),
		scenePartitionerMix(),
		scenePartitionCountChange(),
		sceneWrongTopic(),
		sceneUnsafeProducer(),
		sceneDangerousAdmin(),
		sceneTimeoutMisfit(),
		sceneIdleMember(),
		sceneTransactionStall(),
		sceneHotPartition(),
		sceneTombstoneSpike(),
	}
}

// demoActs are the acts of all scenes.
func demoActs(scenes []demoScene) []*demoAct {
	var acts []*demoAct
	for _, s := range scenes {
		for _, a := range s.acts {
			a.rule = s.rule
			acts = append(acts, &a)
		}
	}
	return acts
}

// demoTopics are the shop's topics and those of all scenes.
func demoTopics(scenes []demoScene) []embedded.Topic {
	topics := slices.Clone(shopTopics)
	for _, s := range scenes {
		topics = append(topics, s.topics...)
	}
	return topics
}

// compactedTopic has one partition, so that what happens to a key can be followed by eye.
func compactedTopic(name string) embedded.Topic {
	return embedded.Topic{Name: name, Partitions: 1, Configs: map[string]string{"cleanup.policy": "compact"}}
}
