package e2e

import (
	"testing"
	"time"
)

func TestOffsets(t *testing.T) {
	for _, client := range []string{"java", "librdkafka"} {
		for name, run := range map[string]func([]*side){"deleted": recordsDeleted} {
			playRule(t, rulePlay{rule: "retention-loss", name: name, clients: []string{client}, through: "groups", run: run})
		}
		playRule(t, rulePlay{rule: "offset-reset", clients: []string{client}, through: "groups", run: placeLost})
		playRule(t, rulePlay{rule: "offset-rewind", clients: []string{client}, through: "groups", run: goesBack})
	}
	playRule(t, rulePlay{rule: "offset-reset", name: "defaults", clients: []string{"kafkajs"}, through: "groups", run: placeLost})
	playRule(t, rulePlay{rule: "offset-reset", name: "defaults", clients: []string{"sarama"}, through: "groups", run: placeLost})
	playRule(t, rulePlay{rule: "offset-reset", name: "defaults", clients: []string{"franz-go"}, through: "groups", run: placeLost})
	playRule(t, rulePlay{rule: "retention-loss", name: "retention", clients: []string{"java"}, through: "groups", run: retentionComes})
}

// stops lets a member read all there is of a topic, commit and leave.
func (p play) stops(topic, clientID string, records int, more M) {
	m := p.joins(topic, clientID, more)
	p.received(records, m)
	m.commit()
	m.close()
}

// recordsDeleted: records are deleted that a group has not read, while it is away. The twin has read them.
func recordsDeleted(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("t"), 1, 1, nil)
	p, twin := s.groupPlay("g"), s.groupPlay("twin")
	s.records(topic, 1, 20)
	p.stops(topic, "billing", 20, nil)
	s.records(topic, 1, 80)
	twin.stops(topic, "audit", 100, nil)
	s.must("delete_records", M{"topic": topic, "partition": 0, "offset": 60}, nil)
	s.records(topic, 1, 1)
	f := p.finds("retention-loss", "critical", "has lost 40 records of topic "+topic, "it has no members")
	wantEvidence(s, f, M{"lost": 40, "committed": 20, "log_start": 60, "members": 0})
	back := p.joins(topic, "billing", M{"auto_commit_ms": 500})
	s.received(41, back)
	back.close()
	p.quiet("offset-reset")
	twin.quiet("retention-loss", "offset-reset")
}

// retentionComes: retention deletes a segment each second, comes nearer to where a group has stopped, and gets there. The twin keeps up.
func retentionComes(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("t"), 1, 1, M{"retention.ms": "6000", "segment.ms": "1000"})
	p, twin := s.groupPlay("g"), s.groupPlay("twin")
	reader, keepsUp := p.joins(topic, "billing", nil), twin.joins(topic, "audit", M{"auto_commit_ms": 500})
	together(func() {
		producer := s.producer(nil)
		s.generate(producer, topic, gen{Count: 600, Size: 30, Partitions: 1}, M{"rate": 30})
		s.closeProducer(producer)
	}, func() {
		reader.reaches(270, of(topic, 0)...)
		reader.commit()
		reader.close()
		// Whether retention.ms or the pace of deletion says so first depends on when segments are deleted.
		p.awaits("retention-loss", "danger", func(f finding) bool {
			return !f.Resolved && f.says("is about to lose records of topic "+topic, "on partition 0")
		})
		p.finds("retention-loss", "critical", "has lost", "of topic "+topic, "it has no members")
	})
	twin.quiet("retention-loss")
	keepsUp.close()
}

// placeLost: the offsets of a group are deleted while it is away, and a hundred records are written. It comes back with latest, and another with
// earliest. The twins are a group that starts for the first time, and clients that ask where the log ends, as exporters do.
func placeLost(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("t"), 2, 1, nil)
	skips, repeats, kept, fresh := s.groupPlay("skips"), s.groupPlay("repeats"), s.groupPlay("kept"), s.groupPlay("fresh")
	s.records(topic, 2, 20)
	for _, p := range []play{skips, repeats, kept} {
		p.stops(topic, p.group, 40, nil)
	}
	s.must("delete_group", M{"group": skips.group}, nil)
	s.must("delete_group", M{"group": repeats.group}, nil)
	s.records(topic, 2, 50)
	latest := skips.joins(topic, skips.group, M{"offset_reset": "latest"})
	earliest := repeats.joins(topic, repeats.group, M{"offset_reset": "earliest"})
	returns, begins := kept.joins(topic, kept.group, M{"offset_reset": "latest"}), fresh.joins(topic, fresh.group, nil)
	s.received(140, earliest)
	s.received(140, begins)
	s.received(100, returns)
	for range 5 {
		s.offsets(topic, "latest")
	}
	f := skips.finds("offset-reset", "critical", "2 partitions of topic "+topic, "somebody deleted its offsets", "auto.offset.reset=latest", "100 records")
	wantEvidence(s, f, M{"kind": "reset-latest", "records": 100, "from": 20, "to": 70, "cause": "deleted"})
	f = repeats.finds("offset-reset", "warning", "2 partitions of topic "+topic, "auto.offset.reset=earliest", "40 records are read again")
	wantEvidence(s, f, M{"kind": "reset-earliest", "records": 40, "cause": "deleted"})
	skips.finds("offset-rewind", "info", "deleted the offsets of group "+skips.group)
	kept.quiet("offset-reset", "offset-rewind")
	fresh.quiet("offset-reset", "offset-rewind")
	for _, m := range []*member{latest, earliest, returns, begins} {
		m.close()
	}
}

// goesBack: a consumer seeks back and commits; an administrator sets a group's offsets forward, and back. The twin hands its partitions from one member
// to another.
func goesBack(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("t"), 2, 1, nil)
	p, forward, back, twin := s.groupPlay("g"), s.groupPlay("forward"), s.groupPlay("back"), s.groupPlay("twin")
	s.records(topic, 2, 100)
	one := twin.joins(topic, "audit", M{"auto_commit_ms": 500})
	s.received(200, one)
	other := twin.joins(topic, "audit", M{"auto_commit_ms": 500})
	s.share([]int{1, 1}, one, other)
	one.close()
	for _, set := range []struct {
		group play
		to    int64
	}{{forward, 90}, {back, 10}} {
		m := set.group.joins(topic, "billing", nil)
		s.received(200, m)
		s.must("consumer_commit", M{"handle": m.handle, "offsets": M{of(topic, 0)[0]: 50, of(topic, 1)[0]: 50}}, nil)
		m.close()
		conn := s.named("ops-laptop")
		s.until("the group to be empty", 20*time.Second, func() error {
			return s.ask("alter_offsets", M{"conn": conn, "group": set.group.group, "offsets": M{of(topic, 0)[0]: set.to, of(topic, 1)[0]: set.to}}, nil)
		})
	}
	m := p.joins(topic, "billing", nil)
	s.received(200, m)
	m.commit()
	s.must("consumer_commit", M{"handle": m.handle, "offsets": M{of(topic, 0)[0]: 10, of(topic, 1)[0]: 10}}, nil)
	f := p.finds("offset-rewind", "warning", "billing committed an earlier offset than before", "180 records are read again")
	wantEvidence(s, f, M{"kind": "rewound", "records": 180, "from": 100, "to": 10, "partitions": 2})
	f = forward.finds("offset-rewind", "warning", "ops-laptop set the offsets of group "+forward.group, "80 records are skipped")
	wantEvidence(s, f, M{"kind": "set-by-admin", "records": 80, "from": 50, "to": 90})
	f = back.finds("offset-rewind", "info", "ops-laptop set the offsets of group "+back.group, "80 records are read again")
	wantEvidence(s, f, M{"kind": "set-by-admin", "records": 80, "from": 50, "to": 10})
	twin.quiet("offset-rewind", "offset-reset")
	m.close()
	other.close()
}
