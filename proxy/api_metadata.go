package proxy

import (
	"warder/protocol/messages"
)

// Metadata (key 3).
//
// Behaviour: the answer is where brokers, topic names, ids and partition counts
// are learnt, and where broker addresses are rewritten. When it names topics that
// the client asked for, their configuration is looked up, so that the first
// Produce already finds it. The partition counts are also what the client chooses
// partitions by from now on.
//
// Version notes: topic ids exist from version 10 on. An answer that lists more
// topics than maxTopicsPerQuestion is a listing of the cluster: nothing is asked.

func onMetadataAnswer(s *session, ex *exchange, a *answer) error {
	body, err := s.read(ex, a)
	if err != nil {
		return err
	}
	meta, err := messages.ParseMetadata(ex.version, body, s.srv.decodeLimits())
	if err != nil {
		return s.unreadableAnswer(ex, a, err)
	}
	s.srv.topology.learnCluster(meta.ClusterID)
	s.sawPartitions(meta.Topics)
	s.srv.learnTopics(meta.Topics)
	if names := meta.TopicNames(); len(names) <= maxTopicsPerQuestion {
		s.srv.lookups.wantConfigs(s, names)
	}
	return onEndpoints(s, ex, a)
}
