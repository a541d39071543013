package proxy

import (
	"context"
	"time"

	"warder/rules"
)

// How fast rules are told of topics that nobody asked for by name: a listing may
// bring up a hundred thousand at once, and the queue of events holds some
// thousands.
const (
	tellEvery = 100 * time.Millisecond
	tellMost  = 1000 // topics at a time
)

// tellTopics tells rules of the topics that came up in listings of the cluster, in
// warder's own questions, or in the state file, until ctx ends.
func (s *Server) tellTopics(ctx context.Context) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	heard := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			heard = s.tellSome(heard)
		}
	}
}

// tellSome tells of the next topics, and says whether anybody listens. Who begins
// to listen, after heard was false, is told of all.
func (s *Server) tellSome(heard bool) bool {
	if !s.engine.Wants(rules.KindTopicAppeared) {
		return false
	}
	if !heard {
		s.topics.TellAgain()
	}
	now := s.now()
	for _, t := range s.topics.Untold(tellMost) {
		s.engine.Emit(rules.TopicAppeared{At: now, Client: &rules.Identity{}, Topic: t.Name, Partitions: t.Partitions})
	}
	return true
}
