package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLag(t *testing.T) {
	for _, client := range []string{"java", "librdkafka"} {
		playRule(t, rulePlay{rule: "lag", clients: []string{client}, through: "groups", run: onePartition})
		playRule(t, rulePlay{rule: "poison-message", name: "crash-loop", clients: []string{client}, through: "groups", run: crashLoop})
		playRule(t, rulePlay{rule: "stuck-partition", name: "empty", clients: []string{client}, through: "groups", run: nobodyReads})
	}
	playRule(t, rulePlay{rule: "poison-message", name: "throws", clients: []string{"kafkajs"}, through: "groups", run: throws})
	playRule(t, rulePlay{rule: "stuck-partition", name: "hangs", clients: []string{"sarama"}, through: "groups", run: hangs})
}

// lagRules are those that judge how a group gets on.
var lagRules = []string{"stuck-partition", "lag-skew", "poison-message"}

const six = 6

// onePartition: of six partitions one has a record that the consumer cannot process. It seeks back to it and gets on with the others. Two twins read
// the same topic to its end, and a topic to which nothing is written any more.
func onePartition(sides []*side) {
	s := sides[0]
	topic, idle := s.create(s.topic("t"), six, 1, nil), s.create(s.topic("idle"), six, 1, nil)
	p, twin, still := s.groupPlay("g"), s.groupPlay("twin"), s.groupPlay("idle")
	s.records(topic, six, 20)
	s.records(idle, six, 20)
	auto := M{"auto_commit_ms": 1000}
	bad := of(topic, 3)[0]
	members := []*member{
		p.joins(topic, "billing-"+s.client, M{"auto_commit_ms": 1000, "seek_at": M{bad: 30}}),
		twin.joins(topic, "audit-"+s.client, auto), still.joins(idle, "archive-"+s.client, auto),
	}
	for _, m := range members {
		m.reaches(20)
	}
	producer := s.producer(nil)
	s.generate(producer, topic, gen{Count: six * 130, Size: 30, Partitions: six}, M{"rate": 100})
	s.closeProducer(producer)
	members[0].reaches(150, of(topic, 0, 1, 2, 4, 5)...)
	where := fmt.Sprintf("partition 3 of topic %s", topic)

	f := p.finds("poison-message", "critical", "offset 30 on "+where, "billing-"+s.client)
	wantEvidence(s, f, M{"shape": "refetch", "offset": 30, "committed": 30})
	f = p.finds("lag-skew", "warning", "partition 3", "the others")
	wantEvidence(s, f, M{"partitions": six})
	if share, ok := f.Evidence["share_percent"].(float64); !ok || share < 50 {
		s.fail("%v%% of the lag are on partition 3: %s", f.Evidence["share_percent"], f.Summary)
	}
	f = p.finds("stuck-partition", "warning", "partition 3")
	wantEvidence(s, f, M{"lag": 120, "committed": 30, "log_end": 150, "owner_alive": true, "paused": false, "status": map[string]string{"java": "STALL", "librdkafka": "LEARNING"}[s.client]})
	for _, rule := range lagRules {
		for _, f := range p.findingsAbout(rule) {
			if f.Subject.Partition == nil || *f.Subject.Partition != 3 || f.Subject.ClientID != "billing-"+s.client {
				s.fail("%s is about another partition or client: %+v", rule, f)
			}
		}
	}
	twin.quiet(lagRules...)
	still.quiet(lagRules...)
	p.equalsAdmin(topic)
	twin.equalsAdmin(topic)
	for _, m := range members {
		m.close()
	}
}

// wantEvidence wants these facts among those of a finding.
func wantEvidence(s *side, f finding, facts M) {
	for name, want := range facts {
		if got := f.Evidence[name]; fmt.Sprint(got) != fmt.Sprint(want) {
			s.fail("%s is %v, not %v: %s %v", name, got, want, f.Summary, f.Evidence)
		}
	}
}

// equalsAdmin wants warder's numbers of a group at rest, in the admin interface and in its metrics, to be those of Kafka's own admin client.
func (p play) equalsAdmin(topic string) {
	var committed struct{ Offsets map[string]int64 }
	var ends struct{ Offsets map[string]int64 }
	java := func(op string, args M, into any) {
		args["conn"] = threeDirect()
		if err := w.admin.Call(p.ctx, op, args, into); err != nil {
			p.fail("%s: %w", op, err)
		}
	}
	p.until("warder to show what kafka-consumer-groups shows", 20*time.Second, func() error {
		java("group_offsets", M{"group": p.group}, &committed)
		java("list_offsets", M{"topic": topic, "spec": "latest"}, &ends)
		metrics := p.admin("/metrics")
		shown := p.view()
		if len(shown) != len(ends.Offsets) {
			return fmt.Errorf("%d partitions, not %d", len(shown), len(ends.Offsets))
		}
		for _, v := range shown {
			at, end := committed.Offsets[of(topic, v.Partition)[0]], ends.Offsets[itoa(v.Partition)]
			if v.Committed == nil || v.End == nil || v.Lag == nil || *v.Committed != at || *v.End != end || *v.Lag != end-at {
				return fmt.Errorf("partition %d is committed at %d, ends at %d, and warder shows %s", v.Partition, at, end, p.admin("/api/v1/groups/"+p.group))
			}
			labels := fmt.Sprintf(`{group="%s",partition="%d",topic="%s"}`, p.group, v.Partition, topic)
			for _, line := range []string{fmt.Sprint("warder_group_lag_records", labels, " ", end-at), fmt.Sprint("warder_group_committed_offset", labels, " ", at)} {
				if !slices.Contains(strings.Split(metrics, "\n"), line) {
					return fmt.Errorf("the metrics have no line %q", line)
				}
			}
		}
		return nil
	})
}

// crashLoop: the consumer ends at a record without having committed, is started again, and ends again. The twin writes such a record to a dead letter
// topic and goes on.
func crashLoop(sides []*side) {
	s := sides[0]
	topic, letters := s.create(s.topic("t"), 1, 1, nil), s.create(s.topic("t-dlq"), 1, 1, nil)
	p, twin := s.groupPlay("g"), s.groupPlay("twin")
	s.records(topic, 1, 50)
	first, handled := p.joins(topic, "billing-0", nil), twin.joins(topic, "audit-"+s.client, M{"auto_commit_ms": 500})
	first.reaches(50, of(topic, 0)...)
	first.commit()
	first.close()
	producer := s.producer(nil)
	for _, value := range []string{"not-json", `{"id":51}`, `{"id":52}`} {
		s.send(producer, topic, "sync", []record{{value: []byte(value)}})
	}
	handled.reaches(53, of(topic, 0)...)
	s.send(producer, letters, "sync", []record{{value: []byte("not-json")}})
	s.closeProducer(producer)
	for i := range 8 { // three in a row are enough; of one that ends within milliseconds it may not be seen that it read
		p.joins(topic, fmt.Sprint("billing-", i+1), M{"fail_at": M{of(topic, 0)[0]: 50}}).ended()
	}
	f := p.finds("poison-message", "critical", "offset 50 on partition 0 of topic "+topic, "ended")
	wantEvidence(s, f, M{"shape": "crash-loop", "offset": 50, "committed": 50, "lag": 3})
	twin.quiet(lagRules...)
	mended := p.joins(topic, "billing-9", M{"auto_commit_ms": 500})
	mended.reaches(53, of(topic, 0)...)
	p.resolves("poison-message", "has got past offset 50")
	mended.close()
	handled.close()
}

// throws: kafkajs fetches the same records again when the handler throws, a few times, and then starts anew by itself.
func throws(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("t"), 1, 1, nil)
	p := s.groupPlay("g")
	s.records(topic, 1, 50)
	first := p.joins(topic, "billing-0", nil)
	first.reaches(50, of(topic, 0)...)
	first.commit()
	first.close()
	s.records(topic, 1, 20)
	m := p.joins(topic, "billing-1", M{"fail_at": M{of(topic, 0)[0]: 50}})
	f := p.finds("poison-message", "critical", "offset 50 on partition 0 of topic "+topic)
	wantEvidence(s, f, M{"shape": "refetch", "offset": 50, "committed": 50, "lag": 20})
	m.close()
}

// hangs: sarama has a handler for each partition, and one of them does not return. Nobody will take the partition away, and nothing is fetched of it any more.
func hangs(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("t"), 2, 1, nil)
	p := s.groupPlay("g")
	m := p.joins(topic, "billing", M{"auto_commit_ms": 500, "hang_at": M{of(topic, 0)[0]: 10}})
	producer := s.producer(nil)
	s.generate(producer, topic, gen{Count: 600, Size: 30, Partitions: 2}, M{"rate": 15})
	s.closeProducer(producer)
	f := p.finds("poison-message", "warning", "offset 10 on partition 0 of topic "+topic, "its other partitions")
	wantEvidence(s, f, M{"shape": "stuck-commit", "offset": 10, "committed": 10})
	f = p.finds("stuck-partition", "warning", "does not move on partition 0 of topic "+topic, "lives and reads its other partitions, but not this one")
	wantEvidence(s, f, M{"committed": 10, "paused": true, "owner_alive": true})
	m.close()
}

// nobodyReads: the last member of a group leaves while records come in. The twin leaves when all is read and nothing is written any more.
func nobodyReads(sides []*side) {
	s := sides[0]
	topic, idle := s.create(s.topic("t"), 2, 1, nil), s.create(s.topic("idle"), 2, 1, nil)
	p, twin := s.groupPlay("g"), s.groupPlay("twin")
	s.records(topic, 2, 20)
	s.records(idle, 2, 20)
	archive, billing := twin.joins(idle, "archive", nil), p.joins(topic, "billing", nil)
	for _, m := range []*member{archive, billing} {
		s.received(40, m)
		m.commit()
	}
	s.records(topic, 2, 30)
	archive.close()
	billing.close()
	f := p.finds("stuck-partition", "warning", "nobody reads for group "+p.group, "60 records wait on 2 partitions")
	wantEvidence(s, f, M{"lag": 60, "partitions": 2, "members": 0})
	f = p.finds("group-expiry", "warning", "has had no members for", "will forget its offsets on 1 topic in", "will read again all that is there")
	wantEvidence(s, f, M{"offsets_retention_ms": 15000, "partitions": 2, "topics": 1, "lag": 60})
	if empty, ok := f.Evidence["empty_ms"].(float64); !ok || empty < 10500 || empty > 15000 {
		s.fail("it was told after %v ms, not at 70%% of 15 s", f.Evidence["empty_ms"])
	}
	back := p.joins(topic, "billing", nil)
	p.resolves("stuck-partition", "has members again")
	p.resolves("group-expiry", "has members again")
	twin.quiet("stuck-partition")
	back.close()
}
