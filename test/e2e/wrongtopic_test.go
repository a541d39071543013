package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestWrongTopic(t *testing.T) {
	playRule(t, rulePlay{rule: "wrong-topic", name: "look-alike", clients: []string{"java", "librdkafka"}, run: lookAlike})
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
	members := []*member{reader.member(reader.topic("g1"), twin, "classic"), reader.member(reader.topic("g2"), orders, "classic")}
	for _, m := range members {
		reader.share([]int{2}, m)
	}
	load, sent := gen{Count: 20, Size: 40, Partitions: 2}, 0
	writer.until("the finding", 40*time.Second, func() error {
		writer.put(twin, load)
		writer.put(wrong, load)
		sent += load.Count
		found, err := findingsOf(writer.ctx, warderNamed("records"), about("wrong-topic", wrong))
		if err == nil && !slices.ContainsFunc(found, func(f finding) bool { return f.Severity == "critical" && f.says(orders) }) {
			err = fmt.Errorf("%s about %s", listed(found), wrong)
		}
		return err
	})
	reader.received(sent, members...)
	reader.silent("wrong-topic", twin)
	for _, m := range members {
		m.close()
	}
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
		found, err := findingsOf(s.ctx, warderNamed("records"), about("wrong-topic", missing))
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("there is none about %s", missing)
		}
		return err
	})
	s.silent("wrong-topic", twin)
}
