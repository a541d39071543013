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
	chapter string // under which it is shown, see demoScenes
	rule    string
	config  string           // what stands below `rules.RULE`, on one line; windows are short, so that nobody has to wait
	topics  []embedded.Topic // used by no other scene, so that scenes do not set off each other's rules
	acts    []demoAct
}

// demoAct is one thing that is done, and what warder must make of it.
type demoAct struct {
	client  string // client id of whoever does it, used by no other act
	topic   string // where the rule speaks of a topic and not of a client: the topic, used by no other act
	group   string // where the rule speaks of a group: the group, used by no other act
	does    string // what is done, for the headline and the table
	because string // how such a thing comes about, in a sentence or two

	// Those of its scene.
	chapter string
	rule    string // that is shown
	config  string // of the rule, as a file has it; only in the first act, and where it says something

	found   bool // whether it must report a finding about client, topic or group
	refused bool // whether what is done must be refused; else it must succeed

	// once says that the act takes a while, or can be done only once: it begins with the first round, so that acts
	// overlap, is shown in its turn, and does not come again.
	once bool

	play  func(ctx context.Context, st *demoStage) (refused bool, err error)
	after func(ctx context.Context, st *demoStage) error // shown once, after the first play; may be nil
}

// query selects the findings that belong to the act.
func (a *demoAct) query() sink.Query {
	switch {
	case a.group != "":
		return sink.Query{Rule: a.rule, Group: a.group}
	case a.topic != "":
		return sink.Query{Rule: a.rule, Topic: a.topic}
	}
	return sink.Query{Rule: a.rule, ClientID: a.client}
}

// title says who does what.
func (a *demoAct) title() string { return a.client + ": " + a.does }

// demoScenes are shown in this order, chapter by chapter: what needs a while comes late.
func demoScenes() []demoScene {
	return slices.Concat(
		chapter("What is written",
			sceneTombstone(), sceneEmptyValue(), sceneFormatDrift(), sceneNullFieldDrift(), sceneCompactedEventStream(), sceneTombstoneSpike()),
		chapter("Where it goes",
			sceneKeyDrift(), scenePartitionerMix(), scenePartitionCountChange(), sceneWrongTopic(), sceneHotPartition()),
		chapter("Producers and transactions",
			sceneUnsafeProducer(), sceneTransactionStall(), sceneTransactionAborts(), sceneProducerFenced()),
		chapter("Clients and their settings",
			sceneConnectionChurn(), sceneUntunedConsumer(), sceneUntunedProducer()),
		chapter("Administrators",
			sceneDangerousAdmin()),
		chapter("Groups: who reads",
			sceneTimeoutMisfit(), sceneIdleMember(), sceneHeartbeatGap(), scenePollGap(), sceneRebalanceStorm()),
		chapter("Groups: how far they are",
			scenePoisonMessage(), sceneLagSkew(), sceneStuckPartition(), sceneOffsetRewind(), sceneGroupExpiry(), sceneRetentionLoss(), sceneOffsetReset()),
	)
}

// chapter makes one of scenes of a kind.
func chapter(title string, scenes ...demoScene) []demoScene {
	for i := range scenes {
		scenes[i].chapter = title
	}
	return scenes
}

// demoActs are the acts of all scenes.
func demoActs(scenes []demoScene) []*demoAct {
	var acts []*demoAct
	for _, s := range scenes {
		for i, a := range s.acts {
			a.chapter, a.rule = s.chapter, s.rule
			if i == 0 && s.config != "{action: alert}" {
				a.config = s.rule + ": " + s.config
			}
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
