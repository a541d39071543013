package e2e

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"testing"
	"time"

	"warder/test/e2e/driver"
)

func TestDangerousAdmin(t *testing.T) {
	for _, client := range []string{"java", "librdkafka"} {
		for name, run := range map[string]func(*side){
			"retention": retentionRefused, "topic": topicRefused, "records": recordsRefused, "group": groupRefused, "offsets": offsetsRefused, "safety": safetyRefused,
		} {
			playRule(t, rulePlay{rule: "dangerous-admin", name: name, clients: []string{client}, through: "guard", run: func(sides []*side) { run(sides[0]) }})
		}
	}
}

// reading is a topic with 300 records, and a group of one member that was given them all and has committed the first 100.
type reading struct {
	*side
	topic, group string
	m            *member
}

// reads makes one, and waits until warder knows that the group lags, for so long.
func (s *side) reads(name string, lag time.Duration) *reading {
	r := &reading{side: s, topic: s.create(s.topic(name), 1, 1, M{"retention.ms": "604800000", "min.insync.replicas": "1"}), group: s.topic("g-" + name)}
	s.put(r.topic, gen{Count: 100, Size: 40})
	r.m = s.member(r.group, r.topic, "classic")
	s.received(100, r.m)
	r.m.commit()
	r.lags("be at the end", func(lag int64, _ *int64) bool { return lag == 0 }) // since when more is there is known from then on
	s.put(r.topic, gen{Count: 200, Size: 40})
	s.received(300, r.m)
	r.lags("lag", func(records int64, ms *int64) bool { return records == 200 && ms != nil && *ms >= lag.Milliseconds() })
	return r
}

// lags waits until warder knows the group to be where it should.
func (r *reading) lags(what string, ok func(records int64, ms *int64) bool) {
	r.until("warder to know the group to "+what, 60*time.Second, func() error {
		known, err := r.groupKnown(r.group)
		if err != nil || len(known.Members) != 1 || len(known.Partitions) != 1 {
			return fmt.Errorf("%+v, %w", known, err)
		}
		if p := known.Partitions[0]; p.Lag == nil || !ok(*p.Lag, p.LagMs) {
			return fmt.Errorf("%+v", known)
		}
		return nil
	})
}

// groupView is what the admin interface of warder shows of a group.
type groupView struct {
	Members    []struct{ ID string }
	Partitions []struct {
		Lag   *int64
		LagMs *int64 `json:"lag_ms"`
	}
}

func (s *side) groupKnown(group string) (view groupView, err error) {
	err = warderNamed("guard").shows(s.ctx, "/api/v1/groups/"+url.PathEscape(group), &view)
	return view, err
}

// denied wants an operation to be refused as somebody's policy, and a finding about it.
func (r *reading) denied(kind, op string, args M) {
	const policyViolation = 44
	args["conn"] = r.ops()
	err := r.ask(op, args, nil)
	refused, ok := errors.AsType[*driver.Error](err)
	if !ok || refused.Code == nil || *refused.Code != policyViolation {
		r.fail("%s: %w", op, err)
	}
	r.note("%s: %s", op, refused.Message)
	r.until("a finding of "+kind, 20*time.Second, func() error {
		found, err := r.found()
		if !slices.ContainsFunc(found, func(f finding) bool {
			return f.Action == "block" && f.Evidence["kind"] == kind && f.Subject.ClientID == "ops"
		}) {
			return fmt.Errorf("there are %s, %w", listed(found), err)
		}
		return nil
	})
}

// ops is the connection of somebody who is no member of the group: what a client that is one commits by itself is not judged.
func (r *reading) ops() M {
	conn := maps.Clone(r.conn)
	conn["client_id"] = "ops"
	return conn
}

// found are the findings about the group.
func (r *reading) found() ([]finding, error) {
	return findingsOf(r.ctx, warderNamed("guard"), url.Values{"rule": {"dangerous-admin"}, "group": {r.group}, "limit": {"100"}})
}

// twin wants an operation to pass, without a word about the group that was not said before.
func (r *reading) twin(op string, args M) {
	before, err := r.found()
	if err != nil {
		r.fail("%w", err)
	}
	args["conn"] = r.ops()
	r.must(op, args, nil)
	if after, err := r.found(); err != nil || len(after) != len(before) {
		r.fail("%s: %s, %w", op, listed(after), err)
	}
}

// direct asks the brokers themselves.
func (r *reading) direct(op string, args M, result any) {
	args["conn"] = threeDirect()
	if err := w.admin.Call(r.ctx, op, args, result); err != nil {
		r.fail("%s: %w", op, err)
	}
}

func (r *reading) config(key string) string {
	var c struct{ Configs map[string]string }
	r.direct("describe_configs", M{"type": "topic", "name": r.topic, "keys": []string{key}}, &c)
	return c.Configs[key]
}

// committed is the group's offset.
func (r *reading) committed() int64 {
	var o struct{ Offsets map[string]int64 }
	r.direct("group_offsets", M{"group": r.group}, &o)
	return o.Offsets[r.topic+"/0"]
}

// retentionRefused: retention is lowered below what the group is behind; the twin stays above it.
func retentionRefused(s *side) {
	r := s.reads("t", 4*time.Second)
	r.twin("alter_configs", M{"name": r.topic, "set": M{"retention.ms": "7200000"}})
	r.denied("retention.ms", "alter_configs", M{"name": r.topic, "set": M{"retention.ms": "1000"}})
	if now := r.config("retention.ms"); now != "7200000" {
		r.fail("retention.ms is %s", now)
	}
	r.m.commit()
	s.until("the group to have caught up", 30*time.Second, func() error {
		known, err := s.groupKnown(r.group)
		if err != nil || *known.Partitions[0].Lag != 0 {
			return fmt.Errorf("%+v, %w", known, err)
		}
		return s.ask("alter_configs", M{"name": r.topic, "set": M{"retention.ms": "2000"}}, nil)
	})
	r.m.close()
}

// topicRefused: a topic is deleted while a group reads it; the twin has no reader.
func topicRefused(s *side) {
	r := s.reads("t", 0)
	twin := s.create(s.topic("twin"), 1, 1, nil)
	r.denied("topic-deleted", "delete_topic", M{"name": r.topic})
	r.twin("delete_topic", M{"name": twin})
	r.direct("describe_topic", M{"name": r.topic}, nil)
	r.m.close()
}

// recordsRefused: records are deleted that the group has not read; the twin deletes those that it has.
func recordsRefused(s *side) {
	r := s.reads("t", 0)
	r.denied("records-deleted", "delete_records", M{"topic": r.topic, "partition": 0, "offset": 150})
	r.denied("records-deleted", "delete_records", M{"topic": r.topic, "partition": 0, "offset": -1})
	r.twin("delete_records", M{"topic": r.topic, "partition": 0, "offset": 100})
	var earliest struct{ Offsets map[string]int64 }
	r.direct("list_offsets", M{"topic": r.topic, "spec": "earliest"}, &earliest)
	if earliest.Offsets["0"] != 100 {
		r.fail("the log begins at %v", earliest.Offsets)
	}
	r.m.close()
}

// groupRefused: a group is deleted while it has a member, which the coordinator would refuse as well, and while it restarts, which it would not; the twin
// has been given up.
func groupRefused(s *side) {
	r := s.reads("t", 0)
	r.denied("group-deleted", "delete_group", M{"group": r.group})
	r.m.close()
	r.denied("group-deleted", "delete_group", M{"group": r.group})
	if at := r.committed(); at != 100 {
		r.fail("its offset is %d", at)
	}
	s.until("the group to be given up", 60*time.Second, func() error { return s.ask("delete_group", M{"group": r.group}, nil) })
}

// offsetsRefused: the offsets of a group are set and deleted while it has a member, and while it has none set far ahead or back; the twin goes back a few.
func offsetsRefused(s *side) {
	r := s.reads("t", 0)
	tp := r.topic + "/0"
	r.denied("offsets-set", "alter_offsets", M{"group": r.group, "offsets": M{tp: 0}})
	if s.client == "java" {
		r.denied("offsets-deleted", "delete_offsets", M{"group": r.group, "offsets": M{tp: 0}})
	}
	r.m.close()
	s.until("warder to know that the member has gone", 30*time.Second, func() error {
		known, err := s.groupKnown(r.group)
		if err != nil || len(known.Members) > 0 {
			return fmt.Errorf("%+v, %w", known, err)
		}
		return nil
	})
	r.denied("offsets-set", "alter_offsets", M{"group": r.group, "offsets": M{tp: 0}})
	r.denied("offsets-set", "alter_offsets", M{"group": r.group, "offsets": M{tp: 300}})
	if at := r.committed(); at != 100 {
		r.fail("its offset is %d", at)
	}
	s.until("the rule to know that too", 20*time.Second, func() error {
		return s.ask("alter_offsets", M{"conn": r.ops(), "group": r.group, "offsets": M{tp: 95}}, nil)
	})
	if at := r.committed(); at != 95 {
		r.fail("its offset is %d", at)
	}
}

// safetyRefused: fewer replicas in sync, and unclean leader election; the twin goes the other way. It speaks of the topic and of no group.
func safetyRefused(s *side) {
	topic := s.create(s.topic("t"), 1, 3, M{"min.insync.replicas": "2"})
	for key, value := range map[string]string{"min.insync.replicas": "1", "unclean.leader.election.enable": "true"} {
		refused, _ := errors.AsType[*driver.Error](s.alter(topic, key, value))
		s.refusedBy("dangerous-admin", refused)
	}
	found, err := findingsOf(s.ctx, warderNamed("guard"), about("dangerous-admin", topic))
	if err != nil || len(found) != 2 {
		s.fail("%s, %w", listed(found), err)
	}
	for key, value := range map[string]string{"min.insync.replicas": "3", "unclean.leader.election.enable": "false"} {
		if err := s.alter(topic, key, value); err != nil {
			s.fail("%s=%s: %w", key, value, err)
		}
	}
	if after, err := findingsOf(s.ctx, warderNamed("guard"), about("dangerous-admin", topic)); err != nil || len(after) != 2 {
		s.fail("%s, %w", listed(after), err)
	}
}

func TestMembersFit(t *testing.T) {
	for _, client := range []string{"java", "librdkafka"} {
		playRule(t, rulePlay{rule: "timeout-misfit", clients: []string{client}, run: func(sides []*side) { shortSessions(sides[0]) }})
		playRule(t, rulePlay{rule: "idle-member", clients: []string{client}, run: func(sides []*side) { idleMembers(sides[0]) }})
	}
}

// awaitGroup waits for a finding of the records warder about a group.
func (s *side) awaitGroup(rule, group string, ok func(finding) bool) (found finding) {
	s.until(rule+" about "+group, 60*time.Second, func() error {
		all, err := findingsOf(s.ctx, warderNamed("records"), url.Values{"rule": {rule}, "group": {group}})
		i := slices.IndexFunc(all, ok)
		if i < 0 {
			return fmt.Errorf("there are %s, %w", listed(all), err)
		}
		found = all[i]
		return nil
	})
	return found
}

// silentGroup wants no finding of the records warder about a group.
func (s *side) silentGroup(rule, group string) {
	if all, err := findingsOf(s.ctx, warderNamed("records"), url.Values{"rule": {rule}, "group": {group}}); err != nil || len(all) > 0 {
		s.fail("%s was to be silent about %s: %s %w", rule, group, listed(all), err)
	}
}

// joins opens a member with a session timeout.
func (s *side) joins(group, topic string, session time.Duration) *member {
	var r struct{ Handle string }
	s.must("consumer_open", M{"group": group, "topics": []string{topic}, "protocol": "classic", "session_timeout_ms": session.Milliseconds()}, &r)
	return &member{s: s, handle: r.Handle}
}

// shortSessions: a consumer with session.timeout.ms of six seconds; the twin has 45.
func shortSessions(s *side) {
	topic := s.create(s.topic("t"), 1, 1, nil)
	group, twin := s.topic("g"), s.topic("twin")
	long, brief := s.joins(twin, topic, 45*time.Second), s.joins(group, topic, 6*time.Second)
	s.share([]int{1}, long)
	s.share([]int{1}, brief)
	f := s.awaitGroup("timeout-misfit", group, func(f finding) bool { return f.Evidence["kind"] == "session-timeout" })
	if f.Evidence["session_timeout_ms"] != 6000. || f.Severity != "info" || f.Subject.ClientID != "e2e-"+s.client {
		s.fail("%+v", f)
	}
	s.silentGroup("timeout-misfit", twin)
	long.close()
	brief.close()
}

// idleMembers: three consumers on two partitions; the twin has two.
func idleMembers(s *side) {
	topic := s.create(s.topic("t"), 2, 1, nil)
	group, twin := s.topic("g"), s.topic("twin")
	members := []*member{s.member(twin, topic, "classic"), s.member(twin, topic, "classic")}
	s.share([]int{1, 1}, members...)
	var crowd []*member
	for range 3 {
		crowd = append(crowd, s.member(group, topic, "classic"))
	}
	f := s.awaitGroup("idle-member", group, func(f finding) bool { return !f.Resolved })
	if f.Evidence["members"] != 3. || f.Evidence["partitions"] != 2. || f.Evidence["idle"] != 1. {
		s.fail("%+v", f)
	}
	s.silentGroup("idle-member", twin)
	for _, m := range append(members, crowd...) {
		m.close()
	}
}
