package e2e

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// "My messages are disappearing" is nearly always one of four things. Each happens here to a group, and `warder explain group` is asked.
func TestExplainGroup(t *testing.T) {
	for _, client := range []string{"java", "librdkafka"} {
		for _, story := range []struct {
			name string
			run  func([]*side)
		}{{"retention", retentionExpired}, {"reset", offsetsReset}, {"topic", otherTopic}, {"stuck", stuckStory}} {
			playRule(t, rulePlay{rule: "explain", name: story.name, clients: []string{client}, run: story.run})
		}
	}
	playRule(t, rulePlay{rule: "explain", name: "partition", clients: []string{"java"}, run: otherPartition})
	playRule(t, rulePlay{rule: "explain", name: "format", clients: []string{"java", "kafka-python"}, run: otherFormat})
}

// explains waits until `warder explain group` says all of these words about the group, and nothing of the others.
func (p play) explains(topic string, words []string, not ...string) {
	args := []string{"explain", "group", p.group}
	if topic != "" {
		args = append(args, "topic", topic)
	}
	args = append(args, "--admin", warderNamed(p.through).admin)
	var text string
	p.until(fmt.Sprintf("explain group to say %q", words), 60*time.Second, func() error {
		var out, problem bytes.Buffer
		cmd := exec.CommandContext(p.ctx, w.warderBin, args...)
		cmd.Stdout, cmd.Stderr = &out, &problem
		err := cmd.Run()
		text = out.String()
		if err != nil {
			return fmt.Errorf("%v: %w: %s", args, err, problem.String())
		}
		for _, word := range words {
			if !strings.Contains(text, word) {
				return fmt.Errorf("%q is missing:\n%s", word, text)
			}
		}
		return nil
	})
	for _, word := range not {
		if strings.Contains(text, word) {
			p.fail("explain group says %q:\n%s", word, text)
		}
	}
}

// verdicts of which only one is right.
const (
	expired = "Retention expired:"
	skipped = "Skipped:"
	wrong   = "Wrong topic"
	moved   = "Wrong partition:"
	unread  = "Serialization:"
	again   = "Read again:"
	stuck   = "Stuck:"
)

// retentionExpired: records were deleted while the group was away.
func retentionExpired(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("t"), 2, 1, nil)
	p := s.groupPlay("g")
	s.records(topic, 2, 20)
	p.stops(topic, "billing", 40, nil)
	s.records(topic, 2, 80)
	s.must("delete_records", M{"topic": topic, "partition": 0, "offset": 60}, nil)
	s.records(topic, 2, 1)
	p.explains(topic, []string{
		expired + " 40 records in 1 partition had been removed from the log before the group read them.",
		"0: lost 40 records (offsets 20 to 59) to retention", "committed 20 at", "the log begins at 60 and ends at 101", "retention.ms of " + topic,
		"--reset-offsets --to-earliest",
	}, skipped, wrong, moved, unread, again)
	back := p.joins(topic, "billing", M{"auto_commit_ms": 500})
	s.received(122, back)
	p.explains("", []string{
		expired + " 40 records in 1 partition had been removed from the log before the group read them.",
		"billing asked for 20, and the log had come to begin at 60",
	}, skipped, wrong, moved, unread, again, stuck)
	back.close()
}

// offsetsReset: the offsets of the group were deleted while it was away, and it starts at the end.
func offsetsReset(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("t"), 2, 1, nil)
	p := s.groupPlay("g")
	s.records(topic, 2, 20)
	p.stops(topic, "billing", 40, nil)
	s.must("delete_group", M{"conn": s.named("cleaner"), "group": p.group}, nil)
	s.records(topic, 2, 50)
	m := p.joins(topic, "billing", M{"offset_reset": "latest", "auto_commit_ms": 500})
	s.share([]int{2}, m)
	p.explains(topic, []string{
		skipped + " the group passed by 100 records in 2 partitions.",
		"skipped 50 records (offsets 20 to 69)", "billing found no committed offset and auto.offset.reset=latest sent it to the end", "was deleted at", "by cleaner",
		"--group " + p.group, "--topic " + topic + ":", "--reset-offsets --to-offset 20",
	}, expired, wrong, moved, unread, again, stuck)
	m.close()
}

// otherTopic: the producer writes to another topic than the group reads.
func otherTopic(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("orders"), 2, 1, nil)
	v2 := s.create(topic+"-v2", 2, 1, nil)
	p := s.groupPlay("g")
	m := p.joins(topic, "billing", M{"auto_commit_ms": 500})
	s.share([]int{2}, m)
	stop := make(chan struct{})
	together(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
				s.records(v2, 2, 10)
			}
		}
	}, func() {
		defer close(stop)
		p.explains(v2, []string{wrong + ": group " + p.group + " does not read topic " + v2, "it reads " + topic, "Did you mean " + topic + "?"}, expired, skipped, moved, unread, again)
		p.explains("", []string{wrong, v2, topic}, expired, skipped, moved, unread, again, stuck)
	})
	m.close()
}

// otherPartition: keys are written to another partition than before.
func otherPartition(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("t"), 4, 1, nil)
	p := s.groupPlay("g")
	m := p.joins(topic, "billing", M{"auto_commit_ms": 500})
	keys := names("customer-", 15)
	s.write(topic, "manual", keys, func(i int) int { return i % 4 })
	s.write(topic, "manual", keys, func(i int) int { return (i + 1) % 4 })
	p.explains(topic, []string{moved, "readers lose the order"}, expired, skipped, wrong, unread, again, stuck)
	m.close()
}

// otherFormat: records are serialized in another way than those before.
func otherFormat(sides []*side) {
	s, other := sides[0], sides[1]
	topic := s.create(s.topic("t"), 1, 1, nil)
	p := s.groupPlay("g")
	m := p.joins(topic, "billing", M{"auto_commit_ms": 500})
	s.slowly(topic, gen{Count: 60, Size: 60, Value: "confluent"})
	other.slowly(topic, gen{Count: 60, Value: "json"})
	p.explains(topic, []string{unread, "e2e-kafka-python", "as JSON", "as Confluent frames"}, expired, skipped, wrong, moved, again, stuck)
	m.close()
}

// stuckStory: nothing disappeared; the consumer cannot get past a record.
func stuckStory(sides []*side) {
	s := sides[0]
	topic := s.create(s.topic("t"), 1, 1, nil)
	p := s.groupPlay("g")
	s.records(topic, 1, 20)
	m := p.joins(topic, "billing", M{"auto_commit_ms": 500, "seek_at": M{of(topic, 0)[0]: 30}})
	m.reaches(20, of(topic, 0)...)
	s.records(topic, 1, 50)
	p.explains(topic, []string{stuck + " 40 records wait in 1 partition", "offset 30", "does not get past it"}, expired, skipped, wrong, moved, unread, again)
	m.close()
}
