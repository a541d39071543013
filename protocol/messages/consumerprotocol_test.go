package messages

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestMemberMetadataOfEveryVersion(t *testing.T) {
	for version := range int16(5) { // 4 is of the future
		body := subscription(version, "orders", "payments")
		m, ok := ParseMemberMetadata(body)
		if !ok || !m.Whole || !slices.Equal(m.Topics, []string{"orders", "payments"}) {
			t.Errorf("v%d: %+v %v", version, m, ok)
		}
		if want := min(int(version), 1); len(m.Owned) != want {
			t.Errorf("v%d: owns %v", version, m.Owned)
		}
		for n := range 14 { // inside the topics
			if _, ok := ParseMemberMetadata(body[:n]); ok {
				t.Errorf("v%d: %d bytes are metadata", version, n)
			}
		}
	}
	if _, ok := ParseMemberMetadata([]byte{0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0}); ok {
		t.Error("a negative version")
	}
}

func TestAssignment(t *testing.T) {
	a := kmsg.NewConsumerMemberAssignment()
	a.Topics = []kmsg.ConsumerMemberAssignmentTopic{{Topic: "orders", Partitions: []int32{0, 7}}, {Topic: "payments", Partitions: []int32{2}}}
	body := a.AppendTo(nil)
	list, whole, ok := ParseAssignment(body)
	if want := []Partition{{"orders", 0}, {"orders", 7}, {"payments", 2}}; !ok || !whole || !slices.Equal(list, want) {
		t.Errorf("%v %v %v", list, whole, ok)
	}
	if list, whole, ok := ParseAssignment(nil); !ok || !whole || list != nil {
		t.Errorf("nothing is assigned: %v %v %v", list, whole, ok)
	}
	for n := 1; n < len(body)-4; n++ { // user data at the end is not looked at
		if _, _, ok := ParseAssignment(body[:n]); ok {
			t.Errorf("%d bytes are an assignment", n)
		}
	}
}

func TestAssignmentIsBounded(t *testing.T) {
	a := kmsg.NewConsumerMemberAssignment()
	a.Topics = []kmsg.ConsumerMemberAssignmentTopic{{Topic: "t", Partitions: make([]int32, maxMemberPartitions+1)}}
	if list, whole, ok := ParseAssignment(a.AppendTo(nil)); !ok || whole || len(list) != maxMemberPartitions {
		t.Errorf("%d partitions, whole %v, ok %v", len(list), whole, ok)
	}
}

func FuzzConsumerProtocol(f *testing.F) {
	f.Add(subscription(3, "orders"))
	a := kmsg.NewConsumerMemberAssignment()
	a.Topics = []kmsg.ConsumerMemberAssignmentTopic{{Topic: "orders", Partitions: []int32{0, 7}}}
	f.Add(a.AppendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, ok := ParseMemberMetadata(b); ok && (len(m.Topics) > maxMemberTopics || len(m.Owned) > maxMemberPartitions) {
			t.Error("beyond the bounds")
		}
		if list, _, ok := ParseAssignment(b); ok && 4*len(list) > len(b) {
			t.Errorf("%d partitions in %d bytes", len(list), len(b))
		}
	})
}

func TestGenericParsersForgiveWhatFollows(t *testing.T) {
	rq := kmsg.NewPtrHeartbeatRequest()
	rq.Group, rq.Generation = "g", 7
	for version := range int16(5) {
		got, err := Request(kmsg.NewPtrHeartbeatRequest())(version, append(at(version, rq), 0), Limits{})
		if err != nil || got.Group != "g" || got.Generation != 7 {
			t.Errorf("v%d: %+v %v", version, got, err)
		}
	}
	resp := kmsg.NewPtrHeartbeatResponse()
	resp.ErrorCode = 27
	resp.Version = 4
	got, err := Response(kmsg.NewPtrHeartbeatResponse())(4, resp.AppendTo(nil), Limits{})
	if err != nil || got.ErrorCode != 27 {
		t.Errorf("%+v %v", got, err)
	}
}
