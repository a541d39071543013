package main

import (
	"time"

	"warder/rules"
	"warder/rules/state"
)

// topicList lists the topics that are known, by name.
func (w *instance) topicList(now time.Time) state.TopicList {
	all := w.topics.Export()
	list := state.TopicList{Topics: make([]state.TopicLine, len(all)), Untold: w.engine.Untold()}
	for i := range all {
		list.Topics[i] = w.topicView(all[i], now).TopicLine
	}
	return list
}

// topic gives all that is known of a topic.
func (w *instance) topic(name string, now time.Time) (state.TopicView, bool) {
	known, ok := w.topics.ByName([]byte(name))
	if !ok {
		return state.TopicView{}, false
	}
	v := w.topicView(known, now)
	v.Untold = w.engine.Untold()
	return v, true
}

func (w *instance) topicView(t rules.Topic, now time.Time) state.TopicView {
	return state.NewTopicView(t, w.logs, w.engine.Traffic(), w.engine.Told(t.Name, now), now)
}
