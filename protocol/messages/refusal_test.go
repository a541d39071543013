package messages

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// entry is one entity of a request or of the answer to it.
type entry struct {
	kind    int8
	name    string
	id      [16]byte
	code    int16
	message string
}

// asksFor lists the entries of a request that can be refused; ok is false for any
// other message.
func asksFor(m any) (list []entry, ok bool) {
	switch m := m.(type) {
	case *kmsg.CreateTopicsRequest:
		for i := range m.Topics {
			list = append(list, entry{name: m.Topics[i].Topic})
		}
	case *kmsg.DeleteTopicsRequest:
		for _, name := range m.TopicNames {
			list = append(list, entry{name: name})
		}
		for i := range m.Topics {
			list = append(list, entry{name: deref(m.Topics[i].Topic), id: m.Topics[i].TopicID})
		}
	case *kmsg.CreatePartitionsRequest:
		for i := range m.Topics {
			list = append(list, entry{name: m.Topics[i].Topic})
		}
	case *kmsg.AlterConfigsRequest:
		for i := range m.Resources {
			list = append(list, entry{kind: int8(m.Resources[i].ResourceType), name: m.Resources[i].ResourceName})
		}
	case *kmsg.IncrementalAlterConfigsRequest:
		for i := range m.Resources {
			list = append(list, entry{kind: int8(m.Resources[i].ResourceType), name: m.Resources[i].ResourceName})
		}
	default:
		return asksForOffsets(m)
	}
	return list, true
}

// answersTo lists the entries of an answer and its throttle time.
func answersTo(m any) (list []entry, throttle int32) {
	switch m := m.(type) {
	case *kmsg.CreateTopicsResponse:
		for i := range m.Topics {
			e := &m.Topics[i]
			list = append(list, entry{0, e.Topic, e.TopicID, e.ErrorCode, deref(e.ErrorMessage)})
		}
		return list, m.ThrottleMillis
	case *kmsg.DeleteTopicsResponse:
		for i := range m.Topics {
			e := &m.Topics[i]
			list = append(list, entry{0, deref(e.Topic), e.TopicID, e.ErrorCode, deref(e.ErrorMessage)})
		}
		return list, m.ThrottleMillis
	case *kmsg.CreatePartitionsResponse:
		for i := range m.Topics {
			e := &m.Topics[i]
			list = append(list, entry{0, e.Topic, [16]byte{}, e.ErrorCode, deref(e.ErrorMessage)})
		}
		return list, m.ThrottleMillis
	case *kmsg.AlterConfigsResponse:
		for i := range m.Resources {
			e := &m.Resources[i]
			list = append(list, entry{int8(e.ResourceType), e.ResourceName, [16]byte{}, e.ErrorCode, deref(e.ErrorMessage)})
		}
		return list, m.ThrottleMillis
	case *kmsg.IncrementalAlterConfigsResponse:
		for i := range m.Resources {
			e := &m.Resources[i]
			list = append(list, entry{int8(e.ResourceType), e.ResourceName, [16]byte{}, e.ErrorCode, deref(e.ErrorMessage)})
		}
		return list, m.ThrottleMillis
	}
	return answersToOffsets(m)
}

// messageSince is the first version of each answer that has room for a text.
var messageSince = map[int16]int16{19: 1, 20: 5, 33: 0, 37: 0, 44: 0}

// TestRefusalAnswersEveryEntry refuses every request that Kafka's own definitions
// encode, in every version, and reads the answer along those definitions: it is
// one answer and no more, and has each entry once, in order.
func TestRefusalAnswersEveryEntry(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range fixtures(t) {
		if f.Response {
			continue
		}
		rq, err := DecodeRequest(f.Key, f.Version, f.Body, Limits{})
		want, ok := asksFor(rq)
		if err != nil || !ok {
			continue
		}
		for i := range want {
			want[i].code = policyViolation
			if f.Version >= messageSince[f.Key] {
				want[i].message = fmt.Sprint("because of ", i)
			}
		}
		body, err := AppendRefusal([]byte("head"), f.Key, f.Version, f.Body, Limits{}, func(i int) string { return fmt.Sprint("because of ", i) })
		if err != nil || string(body[:4]) != "head" {
			t.Fatalf("%s: %v", &f, err)
		}
		resp, err := DecodeResponse(f.Key, f.Version, body[4:], Limits{})
		if err != nil {
			t.Fatalf("%s: the answer is none: %v\n%x", &f, err, body[4:])
		}
		got, throttle := answersTo(resp)
		if throttle != 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: throttled by %d\n got %+v\nwant %+v", &f, throttle, got, want)
		}
		if create, ok := resp.(*kmsg.CreateTopicsResponse); ok && f.Version >= 5 && len(want) > 0 && create.Topics[0].Configs == nil {
			t.Errorf("%s: the configuration is null", &f)
		}
		if len(want) > 0 {
			seen[fmt.Sprint(f.Key, " v", f.Version)] = true
		}
	}
	for key, last := range map[int16]int16{8: 10, 19: 7, 20: 6, 21: 2, 33: 2, 37: 3, 42: 3, 44: 1, 47: 0} {
		for version := range last + 1 {
			if name := fmt.Sprint(key, " v", version); !seen[name] && !(key == 19 && version < 2) && !(key == 20 && version < 1) && !(key == 8 && version < 2) { // those 4.0 has removed
				t.Errorf("key %s was never refused", name)
			}
		}
	}
}

// TestRefusalOfOldVersions: versions that Apache Kafka 4.0 has removed have no
// fixtures.
func TestRefusalOfOldVersions(t *testing.T) {
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "a"}, {Topic: "b"}}
	del := kmsg.NewPtrDeleteTopicsRequest()
	del.TopicNames = []string{"a", "b"}
	for _, rq := range []kmsg.Request{create, del} {
		for version := range int16(2) {
			body, err := AppendRefusal(nil, rq.Key(), version, at(version, rq), Limits{}, func(int) string { return "no" })
			if err != nil {
				t.Fatal(err)
			}
			resp, err := DecodeResponse(rq.Key(), version, body, Limits{})
			got, _ := answersTo(resp)
			if err != nil || len(got) != 2 || got[0].name != "a" || got[1].code != policyViolation || (got[0].message != "") != (version >= messageSince[rq.Key()]) {
				t.Errorf("%s v%d: %v %+v", kmsg.NameForKey(rq.Key()), version, err, got)
			}
		}
	}
}

func TestRefusalOfWhatIsNoSuchRequest(t *testing.T) {
	text := func(int) string { return "" }
	if _, err := AppendRefusal(nil, 3, 12, at(12, kmsg.NewPtrMetadataRequest()), Limits{}, text); !errors.As(err, new(*VersionError)) {
		t.Errorf("Metadata: %v", err)
	}
	if _, err := AppendRefusal(nil, 20, 6, []byte{9}, Limits{}, text); !errors.As(err, new(*MalformedError)) {
		t.Errorf("malformed: %v", err)
	}
	rq := kmsg.NewPtrDeleteTopicsRequest()
	rq.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: str("a")}}
	if body, err := AppendRefusal(nil, 20, 6, append(at(6, rq), 0), Limits{}, text); err != nil || len(body) == 0 {
		t.Errorf("trailing bytes: %v", err)
	}
}
