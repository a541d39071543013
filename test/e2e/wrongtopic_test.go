package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestWrongTopic(t *testing.T) {
	playRule(t, rulePlay{rule: "wrong-topic", name: "look-alike", clients: []string{"java", "librdkafka"}, run: lookAlike})
	playRule(t, rulePlay{rule: "wrong-topic", name: "bypassed", clients: []string{"java", "librdkafka"}, run: readElsewhere})
	for _, protocol := range []string{"classic", "consumer"} {
		playRule(t, rulePlay{rule: "wrong-topic", name: "silent-" + protocol, clients: []string{"java", "librdkafka"}, run: func(sides []*side) { silentTopic(sides, protocol) }})
	}
	for _, client := range []string{"java", "librdkafka", "kafka-python", "franz-go"} {
		playRule(t, rulePlay{rule: "wrong-topic", name: "subscribed", clients: []string{client}, run: subscribedInVain})
	}
	for _, client := range []string{"java", "librdkafka", "kafka-python", "kafkajs", "sarama"} {
		playRule(t, rulePlay{rule: "wrong-topic", name: "created", clients: []string{client}, through: "one", run: createdByTypo})
	}
	for _, client := range clientNames() {
		playRule(t, rulePlay{rule: "wrong-topic", name: "unknown", clients: []string{client}, run: unknownName})
	}
}

// lookAlike: a group reads one topic, the producer writes to its second version, which nobody reads. The twin's producer and group agree.
func lookAlike(sides []*side) {
	reader, writer := sides[0], sides[1]
	twin := reader.create(reader.topic("invoices"), 2, 1, nil)
	orders := reader.create(reader.topic("orders"), 2, 1, nil)
	wrong := reader.create(orders+"-v2", 2, 1, nil)
	members := reader.readers(twin, orders)
	sent := writer.writesUnread(wrong, orders, twin)
	reader.received(sent, members...)
	reader.silent("wrong-topic", twin)
	for _, m := range members {
		m.close()
	}
}

// readers are members, each of a group of its own that reads one of the topics.
func (s *side) readers(topics ...string) (members []*member) {
	for i, topic := range topics {
		m := s.member(s.topic("g"+itoa(i)), topic, "classic")
		s.share([]int{2}, m)
		members = append(members, m)
	}
	return members
}

// writesUnread writes to both topics until the one is found to be unread while what looks like it is read, and gives how many records each got.
func (s *side) writesUnread(wrong, alike, fine string) (sent int) {
	load := gen{Count: 20, Size: 40, Partitions: 2}
	s.until("the finding", 40*time.Second, func() error {
		s.put(fine, load)
		s.put(wrong, load)
		sent += load.Count
		return s.toldOf(wrong, func(f finding) bool {
			return f.Severity == "critical" && f.says(alike) && f.Evidence["cluster_asked"] == true && f.Subject.ClientID == "e2e-"+s.client
		})
	})
	return sent
}

// toldOf says what is missing while no finding about a topic is ok.
func (s *side) toldOf(topic string, ok func(finding) bool) error {
	found, err := findingsOf(s.ctx, warderNamed(s.through), about("wrong-topic", topic))
	if err == nil && !slices.ContainsFunc(found, ok) {
		err = fmt.Errorf("%s about %s", listed(found), topic)
	}
	return err
}

// readElsewhere: two topics are written while what looks like them is read. The group that reads the one does not come through warder, which
// asks the cluster before it says that nobody does; the other is unread. It comes last, so that warder has been through with the first.
func readElsewhere(sides []*side) {
	reader, writer := sides[0], sides[1]
	returns, orders := reader.create(reader.topic("returns"), 2, 1, nil), reader.create(reader.topic("orders"), 2, 1, nil)
	elsewhere := reader.create(returns+"-v2", 2, 1, nil)
	if err := w.admin.Call(reader.ctx, "alter_offsets", M{"conn": threeDirect(), "group": reader.topic("nightly"), "offsets": M{elsewhere + "/0": 0}}, nil); err != nil {
		reader.fail("%w", err)
	}
	members := reader.readers(returns, orders)
	for _, version := range []string{"-v2", "-v3"} {
		writer.writesUnread(reader.create(orders+version, 2, 1, nil), orders, elsewhere)
	}
	reader.silent("wrong-topic", elsewhere)
	for _, m := range members {
		m.close()
	}
}

// silentTopic: a group subscribes to a topic that nobody writes, while its plural is written. The twin's topic is written.
func silentTopic(sides []*side, protocol string) {
	reader, writer := sides[0], sides[1]
	twin := reader.create(reader.topic("twin"), 1, 1, nil)
	signup := reader.create(reader.topic("signup"), 1, 1, nil)
	signups := reader.create(signup+"s", 1, 1, nil)
	members := []*member{reader.member(reader.topic("g1"), twin, protocol), reader.member(reader.topic("g2"), signup, protocol)}
	load := gen{Count: 20, Size: 40}
	writer.until("the finding", 40*time.Second, func() error {
		writer.put(twin, load)
		writer.put(signups, load)
		return writer.toldOf(signup, func(f finding) bool {
			return f.Severity == "warning" && f.says(signups) && f.Subject.Group == reader.topic("g2")
		})
	})
	reader.silent("wrong-topic", twin)
	for _, m := range members {
		m.close()
	}
}

// subscribedInVain: one of the topics that a group subscribes to does not exist. The twin's are there. librdkafka and franz-go ask for it only
// when they refresh their metadata, of themselves every five minutes.
func subscribedInVain(sides []*side) {
	s := sides[0]
	twin, missing := s.create(s.topic("refunds"), 1, 1, nil), s.topic("refnuds")
	other := s.create(s.topic("returns"), 1, 1, nil)
	fine, waits := s.groupPlay("g1"), s.groupPlay("g2")
	members := []*member{
		fine.joins(twin, "e2e-fine-"+s.client, M{"topics": []string{twin, other}, "metadata_refresh_ms": 2000}),
		waits.joins(missing, "e2e-waits-"+s.client, M{"topics": []string{missing, other}, "metadata_refresh_ms": 2000}),
	}
	waits.finds("wrong-topic", "warning", "e2e-waits-"+s.client, "asks for topic "+missing, "did you mean "+twin)
	if found := fine.findingsAbout("wrong-topic"); len(found) > 0 {
		s.fail("the twin: %s", listed(found))
	}
	for _, m := range members {
		m.close()
	}
}

// createdByTypo: the broker makes a topic out of a typing error, as brokers do unless told otherwise. The twin was made by its owner.
func createdByTypo(sides []*side) {
	s := sides[0]
	twin := s.create(s.topic("payments"), 1, 1, nil)
	typo := s.topic("paymnets")
	s.put(twin, gen{Count: 5, Size: 40})
	s.put(typo, gen{Count: 5, Size: 40})
	s.await("wrong-topic", typo, "warning", "e2e-"+s.client, twin)
	s.silent("wrong-topic", twin)
}

// unknownName: a client asks for a topic that is not there, again and again; of the twin, which is, it asks as often.
func unknownName(sides []*side) {
	s := sides[0]
	twin, missing := s.create(s.topic("twin"), 1, 1, nil), s.topic("missing")
	if s.client == "java" { // its admin client asks with DescribeTopicPartitions, which only admin clients do
		m := s.member(s.topic("g"), missing, "classic")
		defer m.close()
	}
	s.until("the finding", 30*time.Second, func() error {
		if _, err := s.describe(twin); err != nil {
			return err
		}
		if _, err := s.describe(missing); err == nil {
			s.fail("%s was described", missing)
		}
		return s.toldOf(missing, func(finding) bool { return true })
	})
	s.silent("wrong-topic", twin)
}
