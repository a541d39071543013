package proxy

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/messages"
	"warder/rules"
	"warder/rules/state"
)

// StreamsGroupHeartbeat (88), KIP-1071.
//
// Behaviour: passes unchanged, the user endpoints of the application in it too; each
// request is told with its answer as other heartbeats with epochs are. A member
// is given tasks. Which partitions the active ones read follows from the topology that
// members tell when they join, so it is kept; standby and warm-up tasks read
// changelogs, and own nothing. Streams fetches with ordinary Fetch requests.
//
// Version notes: null fields mean unchanged on either side. The topology comes with
// epoch 0 alone, so the tasks of members that joined before warder was started cannot
// be told in partitions.

func noteStreamsSubscription(s *session, asked *kmsg.StreamsGroupHeartbeatRequest) {
	sub := messages.StreamsGroupHeartbeatSubscription(asked)
	s.tellSubscription(&sub)
}

func onStreamsHeartbeat(s *session, ex *exchange, asked *kmsg.StreamsGroupHeartbeatRequest, got *kmsg.StreamsGroupHeartbeatResponse) {
	sub := messages.StreamsGroupHeartbeatSubscription(asked)
	ev := rules.ConsumerHeartbeat{
		At: s.out.readAt, Client: s.identity.Load(), Requested: ex.readAt, Protocol: rules.StreamsEpochs,
		Membership: rules.Membership{Group: asked.Group, MemberID: asked.MemberID, InstanceID: text(asked.InstanceID), Generation: asked.MemberEpoch},
		Topics:     sub.Topics, Pattern: sub.Pattern, Said: sub.Said,
		RebalanceTimeout:  millis(asked.RebalanceTimeoutMillis),
		HeartbeatInterval: time.Duration(got.HeartbeatIntervalMillis) * time.Millisecond,
		Epoch:             got.MemberEpoch, ErrorCode: got.ErrorCode,
		AssignedSaid: got.ActiveTasks != nil,
		Streams: &rules.StreamsHeartbeat{
			TopologyEpoch: -1, Status: streamsStatus(got.Status),
			Active: taskNames(got.ActiveTasks), Standby: taskNames(got.StandbyTasks), Warmup: taskNames(got.WarmupTasks),
		},
	}
	if asked.Topology != nil {
		ev.Streams.TopologyEpoch = asked.Topology.Epoch
		if got.ErrorCode == 0 {
			s.srv.streams.Learn(asked.Group, topologyOf(asked.Topology))
		}
	}
	topology := s.srv.streams.Find(asked.Group)
	for i := range got.ActiveTasks {
		t := &got.ActiveTasks[i]
		reads, whole := topology.Reads(ev.Assigned, t.SubtopologyID, t.Partitions, s.partitionCount)
		ev.Assigned, ev.Unreadable = reads, ev.Unreadable || !whole
	}
	s.noteConsumer(&ev)
	s.emit(ev)
}

// topologyOf copies what is read of a topology.
func topologyOf(asked *kmsg.StreamsGroupHeartbeatRequestTopology) *state.Topology {
	t := &state.Topology{Epoch: asked.Epoch, Subtopologies: map[string]state.Subtopology{}}
	room := state.MaxTopologyTopics
	for i := range asked.Subtopologies {
		sub := &asked.Subtopologies[i]
		topics := messages.SubtopologySources(sub)
		whole := len(sub.SourceTopicRegex) == 0 && len(topics) <= room
		topics = topics[:min(len(topics), room)]
		room -= len(topics)
		t.Subtopologies[sub.SubtopologyID] = state.Subtopology{Topics: topics, Whole: whole}
	}
	return t
}

// partitionCount is how many partitions a topic has, 0 when that is not known.
func (s *session) partitionCount(topic string) int {
	t, _ := s.srv.topics.ByName([]byte(topic))
	return int(t.Partitions)
}

// maxTaskNames bounds the tasks that are told of one member.
const maxTaskNames = 10_000

// taskNames writes tasks as Streams does: subtopology and partition (TaskId.java).
func taskNames(tasks []kmsg.TaskIDs) (names []string) {
	for i := range tasks {
		for _, p := range tasks[i].Partitions {
			if len(names) < maxTaskNames {
				names = append(names, tasks[i].SubtopologyID+"_"+strconv.Itoa(int(p)))
			}
		}
	}
	return names
}

// streamsStatuses are the codes of StreamsGroupHeartbeatResponse.Status.
var streamsStatuses = [...]string{
	"stale topology", "missing source topics", "incorrectly partitioned topics", "missing internal topics", "shutdown application", "assignment delayed",
}

// maxStatuses and maxStatusText bound what is told of a member's status.
const (
	maxStatuses   = 8
	maxStatusText = 300
)

// streamsStatus says what the coordinator finds wanting.
func streamsStatus(list []kmsg.StreamsGroupHeartbeatResponseStatus) (status []string) {
	for i := range list[:min(len(list), maxStatuses)] {
		name := fmt.Sprint("status ", list[i].StatusCode)
		if code := int(list[i].StatusCode); 0 <= code && code < len(streamsStatuses) {
			name = streamsStatuses[code]
		}
		status = append(status, strings.TrimSuffix(name+": "+rules.Excerpt(list[i].StatusDetail, maxStatusText), ": "))
	}
	return status
}
