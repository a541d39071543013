package messages

import (
	"math"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func init() {
	for _, key := range []int16{8, 21, 42, 47} { // no version has room for a text
		messageSince[key] = math.MaxInt16
	}
}

// asksForOffsets is asksFor of requests about records and offsets. OffsetDelete is
// answered by one error for the whole.
func asksForOffsets(m any) (list []entry, ok bool) {
	switch m := m.(type) {
	case *kmsg.DeleteRecordsRequest:
		for i := range m.Topics {
			for _, p := range m.Topics[i].Partitions {
				list = append(list, entry{name: m.Topics[i].Topic + "/" + strconv.Itoa(int(p.Partition))})
			}
		}
	case *kmsg.DeleteGroupsRequest:
		for _, group := range m.Groups {
			list = append(list, entry{name: group})
		}
	case *kmsg.OffsetDeleteRequest:
		list = append(list, entry{})
	case *kmsg.OffsetCommitRequest:
		for i := range m.Topics {
			for _, p := range m.Topics[i].Partitions {
				list = append(list, entry{name: m.Topics[i].Topic + "/" + strconv.Itoa(int(p.Partition)), id: m.Topics[i].TopicID})
			}
		}
	default:
		return nil, false
	}
	return list, true
}

// answersToOffsets lists the entries of an answer to one of them.
func answersToOffsets(m any) (list []entry, throttle int32) {
	switch m := m.(type) {
	case *kmsg.DeleteRecordsResponse:
		for i := range m.Topics {
			for _, p := range m.Topics[i].Partitions {
				list = append(list, entry{name: m.Topics[i].Topic + "/" + strconv.Itoa(int(p.Partition)), code: p.ErrorCode, kind: int8(p.LowWatermark + 1)})
			}
		}
		return list, m.ThrottleMillis
	case *kmsg.DeleteGroupsResponse:
		for i := range m.Groups {
			list = append(list, entry{name: m.Groups[i].Group, code: m.Groups[i].ErrorCode})
		}
		return list, m.ThrottleMillis
	case *kmsg.OffsetDeleteResponse:
		return append(list, entry{code: m.ErrorCode, kind: int8(len(m.Topics))}), m.ThrottleMillis
	case *kmsg.OffsetCommitResponse:
		for i := range m.Topics {
			for _, p := range m.Topics[i].Partitions {
				list = append(list, entry{name: m.Topics[i].Topic + "/" + strconv.Itoa(int(p.Partition)), id: m.Topics[i].TopicID, code: p.ErrorCode})
			}
		}
		return list, m.ThrottleMillis
	}
	return nil, -1
}
