package proxy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/rules"
)

// streamsBeat is a heartbeat of member m-1 of the application app.
func streamsBeat(epoch int32) *kmsg.StreamsGroupHeartbeatRequest {
	req := kmsg.NewPtrStreamsGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch = "app", "m-1", epoch
	return req
}

func streamsAnswer(epoch int32, active ...kmsg.TaskIDs) *kmsg.StreamsGroupHeartbeatResponse {
	resp := kmsg.NewPtrStreamsGroupHeartbeatResponse()
	resp.MemberID, resp.MemberEpoch, resp.HeartbeatIntervalMillis, resp.ActiveTasks = "m-1", epoch, 5000, active
	return resp
}

// A Streams member tells its topology once; from then on its tasks are told as the
// partitions that they read, and its Fetch belongs to its group.
func TestStreamsHeartbeatsAreTold(t *testing.T) {
	l := &listening{}
	r := newRigWith(t, []rules.Spec{l.spec(rules.ByGroup, rules.KindConsumerHeartbeat, rules.KindMemberGone)}, nil)
	r.topics.Learn("orders", topicID("orders"), 4)
	r.topics.Learn("users", topicID("users"), 2)
	c := r.dial()

	joining := streamsBeat(0)
	joining.RebalanceTimeoutMillis = 60_000
	joining.UserEndpoint = &kmsg.StreamsGroupHeartbeatRequestUserEndpoint{Host: "app-1.internal", Port: 8080}
	joining.Topology = &kmsg.StreamsGroupHeartbeatRequestTopology{Epoch: 3, Subtopologies: []kmsg.StreamsGroupHeartbeatRequestTopologySubtopology{
		{SubtopologyID: "0", SourceTopics: []string{"orders", "users"}, StateChangelogTopics: []kmsg.TopicInfo{{Topic: "app-counts-changelog"}}},
		{SubtopologyID: "1", SourceTopicRegex: []string{"eu-.*"}},
	}}
	answer := streamsAnswer(1, kmsg.TaskIDs{SubtopologyID: "0", Partitions: []int32{1, 3}})
	answer.StandbyTasks = []kmsg.TaskIDs{{SubtopologyID: "0", Partitions: []int32{0}}}
	answer.Status = []kmsg.StreamsGroupHeartbeatResponseStatus{{StatusCode: 1, StatusDetail: "Source topics users are missing."}, {StatusCode: 99}}
	r.untouched(c, joining, answer)
	ev := heard(t, l, "the first heartbeat", func(rules.ConsumerHeartbeat) bool { return true })
	if got := fmt.Sprint(ev.Assigned, ev.AssignedSaid, ev.Unreadable, ev.Topics, ev.Said, ev.Epoch, ev.RebalanceTimeout, ev.HeartbeatInterval); got != "[{orders 1} {orders 3} {users 1}] true false [orders users] true 1 1m0s 5s" {
		t.Error(got)
	}
	s := ev.Streams
	if got := fmt.Sprintln(ev.Protocol, s.TopologyEpoch, s.Active, s.Standby, s.Warmup, strings.Join(s.Status, "; ")); got != "2 3 [0_1 0_3] [0_0] [] missing source topics: Source topics users are missing.; status 99\n" {
		t.Error(got)
	}
	if m, ok := r.members.Find(ev.Client, rules.TopicPartition{Topic: "orders", Partition: 3}); !ok || m.Ambiguous || m.Group != "app" || m.Generation != 1 {
		t.Errorf("who reads orders/3: %+v, %v", m, ok)
	}

	r.untouched(c, streamsBeat(1), streamsAnswer(2, kmsg.TaskIDs{SubtopologyID: "1", Partitions: []int32{0}}))
	ev = heard(t, l, "a task that reads by a pattern", func(e rules.ConsumerHeartbeat) bool { return e.Epoch == 2 })
	if !ev.Unreadable || !ev.AssignedSaid || ev.Assigned != nil || ev.Streams.TopologyEpoch != -1 || ev.Said {
		t.Errorf("%+v", ev)
	}
	r.untouched(c, streamsBeat(2), streamsAnswer(2))
	r.untouched(c, streamsBeat(leaveEpoch), streamsAnswer(leaveEpoch))
	if ev := heard(t, l, "that it leaves", func(e rules.ConsumerHeartbeat) bool { return e.Generation == leaveEpoch }); ev.AssignedSaid || ev.At.Sub(ev.Requested) > time.Minute {
		t.Errorf("%+v", ev)
	}
	c.Conn().Close()
	if gone := heard(t, l, "the end of its connection", func(rules.MemberGone) bool { return true }); !gone.Left {
		t.Errorf("%+v", gone)
	}
}
