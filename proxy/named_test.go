package proxy

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/configs"
	"warder/protocol"
	"warder/proxy/tap"
	"warder/rules"
	"warder/test/fakebroker"
)

// fill gives every field of a message a value that says where it stands, and every list one element.
func fill(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(path)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(path))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), path)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Name != "UnknownTags" && f.IsExported() {
				fill(v.Field(i), path+"."+f.Name)
			}
		}
	case reflect.Int8:
		v.SetInt(2) // topic, as the type of a resource; allow; literal
	default: // stays 0
	}
}

// linesOf lists what an exchange names.
func linesOf(x *tap.Exchange) (list []string) {
	for _, p := range x.Partitions {
		list = append(list, strings.TrimSpace(fmt.Sprintf("topic=%s/%d %s", p.Topic, p.Partition, strings.Join(p.Configs, " "))))
	}
	for _, r := range x.Resources {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s=%s %s", r.Type, r.Name, strings.Join(r.Configs, " "))))
	}
	slices.Sort(list)
	return list
}

// The file lists, for every API, which fields of its requests are shown. A field that holds a value, a password or a
// token must not stand in it.
func TestWhatOfEachRequestIsShown(t *testing.T) {
	r := newRig(t, nil)
	s := r.sessionOf(r.dial())
	var got strings.Builder
	for key := range int16(numAPIs) {
		rq := kmsg.RequestForKey(key)
		if api := protocol.LookupAPI(key); rq == nil || api == nil || api.Treatment == protocol.TreatRefuse || key == protocol.Produce || key == protocol.Fetch {
			continue
		}
		fill(reflect.ValueOf(rq).Elem(), "")
		n := naming{s, &tap.Exchange{}}
		n.request(rq)
		for _, line := range linesOf(n.x) {
			fmt.Fprintln(&got, protocol.APIName(key), line)
		}
	}
	path := filepath.Join("testdata", "shown.txt")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s\nUPDATE=1 go test writes the file anew", diff)
	}
	for _, secret := range []string{".Value", "Bytes", "Salt", "HMAC", ".Metadata"} {
		if strings.Contains(got.String(), secret) {
			t.Errorf("something is shown of a field called %s", secret)
		}
	}
}

// sessionOf is the session of a client that waits for nothing.
func (r *rig) sessionOf(c *fakebroker.Client) *session {
	r.t.Helper()
	c.Do(kmsg.NewPtrApiVersionsRequest())
	return r.session(c)
}

func answerWith(m kmsg.Response) fakebroker.Handler {
	return func(*fakebroker.Frame) []byte { return m.AppendTo(nil) }
}

// tapped subscribes to what passes, and gives the next exchange of an API.
func (r *rig) tapped(f tap.Filter) func(api string) *tap.Exchange {
	r.t.Helper()
	sub, err := r.tap.Subscribe(f, 100)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(sub.Close)
	return func(api string) *tap.Exchange {
		r.t.Helper()
		for x := range sub.C() {
			if x.API == api {
				return x
			}
		}
		r.t.Fatal("the hub is closed")
		return nil
	}
}

func TestWhoseCoordinatorIsAskedFor(t *testing.T) {
	for want, rq := range map[string]*kmsg.FindCoordinatorRequest{
		"group=billing":          {CoordinatorKey: "billing"},
		"transactional_id=txn-1": {CoordinatorType: 1, CoordinatorKeys: []string{"txn-1"}},
		"group=a:b":              {CoordinatorType: 2, CoordinatorKeys: []string{"a:b:3Db5QLSqSZieL3rJBUUegA:0"}},
	} {
		n := naming{x: &tap.Exchange{}}
		n.request(rq)
		if got := linesOf(n.x); !slices.Equal(got, []string{want}) {
			t.Errorf("%q, want %s", got, want)
		}
	}
}

func TestTapShowsGroups(t *testing.T) {
	r := newRig(t, nil)
	next := r.tapped(tap.Filter{Group: func(id string) bool { return id == "billing" }})
	c := r.dial()
	heartbeat := kmsg.NewPtrHeartbeatRequest()
	heartbeat.Version, heartbeat.Group, heartbeat.MemberID = 4, "audit", "m"
	r.broker.Handle(protocol.Heartbeat, answerWith(&kmsg.HeartbeatResponse{Version: 4, ErrorCode: 27}))
	c.Do(heartbeat)
	heartbeat.Group = "billing"
	c.Do(heartbeat)
	x := next("Heartbeat")
	want := []tap.Resource{{Type: "group", Name: "billing"}}
	if diff := cmp.Diff(want, x.Resources); diff != "" || x.Outcome != "REBALANCE_IN_PROGRESS" {
		t.Errorf("%s: %s", x.Outcome, diff)
	}

	deleted := kmsg.NewPtrDeleteGroupsRequest()
	deleted.Version, deleted.Groups = 1, []string{"audit", "billing"}
	r.broker.Handle(protocol.DeleteGroups, answerWith(&kmsg.DeleteGroupsResponse{Version: 1, Groups: []kmsg.DeleteGroupsResponseGroup{
		{Group: "audit"}, {Group: "billing", ErrorCode: 68},
	}}))
	c.Do(deleted)
	want = []tap.Resource{{Type: "group", Name: "audit"}, {Type: "group", Name: "billing", Error: "NON_EMPTY_GROUP"}}
	if x = next("DeleteGroups"); x.Outcome != "NON_EMPTY_GROUP" || !cmp.Equal(want, x.Resources) {
		t.Errorf("%s: %+v", x.Outcome, x.Resources)
	}
}

func TestTapShowsTheGroupOfAFetch(t *testing.T) {
	r := newRig(t, nil)
	next := r.tapped(tap.Filter{Group: func(id string) bool { return id == "billing" }})
	c := r.dial()
	s := r.sessionOf(c)
	r.members.Assigned(s.identity.Load(), rules.Membership{Group: "billing", MemberID: "m"}, []rules.TopicPartition{{Topic: "orders"}}, true)
	r.members.Assigned(s.identity.Load(), rules.Membership{Group: "audit", MemberID: "m"}, []rules.TopicPartition{{Topic: "users"}}, true)
	for _, size := range []int{10, 2 * windowSize} { // as a whole, and while it passes
		r.broker.Handle(protocol.Fetch, answerWith(&kmsg.FetchResponse{Version: 4, Topics: []kmsg.FetchResponseTopic{
			{Topic: "orders", Partitions: []kmsg.FetchResponseTopicPartition{{RecordBatches: make([]byte, size)}, {Partition: 1, ErrorCode: 3}, {Partition: 2}}},
		}}))
		fetch := kmsg.NewPtrFetchRequest()
		fetch.Version = 4
		c.Do(fetch)
		x := next("Fetch")
		want := []tap.Partition{{Topic: "orders", Bytes: size}, {Topic: "orders", Partition: 1, Error: "UNKNOWN_TOPIC_OR_PARTITION"}}
		if diff := cmp.Diff(want, x.Partitions); diff != "" || x.Outcome != "UNKNOWN_TOPIC_OR_PARTITION" {
			t.Errorf("%s: %s", x.Outcome, diff)
		}
	}
}

func TestTapSaysWhatItHasNotRead(t *testing.T) {
	r := newRig(t, func(c *configs.Config) { c.Inspect.MaxMessage = 64 << 10 })
	next := r.tapped(tap.Filter{})
	large := &kmsg.ListGroupsResponse{Version: 0, Groups: []kmsg.ListGroupsResponseGroup{{Group: strings.Repeat("g", 30_000), ProtocolType: strings.Repeat("c", 30_000)}, {Group: strings.Repeat("g", 30_000)}}}
	r.broker.Handle(protocol.ListGroups, answerWith(large))
	c := r.dial()
	c.Do(&kmsg.ListGroupsRequest{Version: 0})
	if x := next("ListGroups"); x.Outcome != tap.OutcomeUnread {
		t.Errorf("%+v", x)
	}
	long := &kmsg.DescribeGroupsRequest{Version: 0, Groups: []string{strings.Repeat("a", 30_000), strings.Repeat("b", 30_000), strings.Repeat("c", 30_000)}}
	r.broker.Handle(protocol.DescribeGroups, answerWith(&kmsg.DescribeGroupsResponse{Version: 0}))
	c.Do(long)
	if x := next("DescribeGroups"); !x.RequestUnread || x.Outcome != tap.OutcomeOK || len(x.Resources) > 0 {
		t.Errorf("%+v", x)
	}
	long.Groups = long.Groups[:1]
	c.Do(long)
	if x := next("DescribeGroups"); x.RequestUnread || len(x.Resources) != 1 || len(x.Resources[0].Name) > tap.MaxName {
		t.Errorf("%+v", x)
	}
	large.Groups = nil
	large.ErrorCode = 15
	c.Do(&kmsg.ListGroupsRequest{Version: 0})
	if x := next("ListGroups"); x.Outcome != "COORDINATOR_NOT_AVAILABLE" {
		t.Errorf("%+v", x)
	}
}

func TestTapShowsWhatWasNotAnswered(t *testing.T) {
	r := newRig(t, nil)
	next := r.tapped(tap.Filter{})
	r.broker.Handle(protocol.ListGroups, func(*fakebroker.Frame) []byte { return nil })
	c := r.dial()
	c.Send(&kmsg.ListGroupsRequest{Version: 0})
	r.broker.Conn(t, 0).WaitFrames(t, 1)
	c.Conn().Close()
	if x := next("ListGroups"); x.Outcome != tap.OutcomeClosed || x.ResponseBytes != 0 || x.Latency != 0 {
		t.Errorf("%+v", x)
	}

	r.rules("block")
	c = r.dial()
	c.Send(produce(9, 0, "orders", []string{"forbidden"}))
	if x := next("Produce"); x.Outcome != tap.OutcomeDenied {
		t.Errorf("%+v", x)
	}
	r.closedBy(ReasonDenied)
}
