package builtin

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"warder/rules"
)

// tenRequests is a rule that says a thing of each part with more than ten requests.
func tenRequests(window time.Duration) *adviser[int] {
	return &adviser[int]{
		window: window, fewest: 20, requests: func(n *int) int { return *n },
		kinds: []adviceKind[int]{{
			"ten", func(n *int, _ time.Duration) bool { return *n > 10 },
			func(of adviceOf[int]) rules.Report { return rules.Report{Summary: fmt.Sprint(*of.part)} }, "asks ten times",
		}},
	}
}

// adviceStory is what the instances of one client do, second by second.
type adviceStory struct {
	t *testing.T
	a *adviser[int]
	w rules.Watch
}

func (s *adviceStory) requests(second, address, n int) *adviceStory {
	s.w.Now = epoch.Add(time.Duration(second) * time.Second)
	id := &rules.Identity{ClientID: "shop", Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(address)}), 5000)}
	if p := s.a.count(&s.w, id); p != nil {
		*p += n
	}
	return s
}

func (s *adviceStory) said(second int, want ...string) *adviceStory {
	s.t.Helper()
	s.w.Now = epoch.Add(time.Duration(second) * time.Second)
	if s.a.tick(&s.w); s.w.State == nil && want == nil {
		return s
	}
	var got []string
	reports, _ := s.w.Left()
	for _, r := range reports {
		text := r.Summary
		if r.Resolved {
			text = "resolved: " + text
		}
		got = append(got, text)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		s.t.Errorf("at %d s: %q, want %q", second, got, want)
	}
	return s
}

func newAdvice(t *testing.T) *adviceStory {
	t.Helper()
	return &adviceStory{t: t, a: tenRequests(5 * time.Second)}
}

// Three parts of five are needed, the last one among them.
func TestAdviceNeedsThreePartsOfFive(t *testing.T) {
	newAdvice(t).requests(0, 1, 11).requests(1, 1, 11).said(2).requests(2, 1, 10).requests(3, 1, 10).said(4).requests(4, 1, 12).said(5, "12")
	newAdvice(t).requests(0, 1, 11).requests(1, 1, 11).requests(2, 1, 1).requests(3, 1, 1).requests(4, 1, 1).requests(5, 1, 11).said(6).
		requests(6, 1, 11).said(7).requests(7, 1, 12).said(8, "12")
	s := newAdvice(t)
	s.a.fewest = 35
	s.requests(0, 1, 11).requests(1, 1, 11).requests(2, 1, 11).said(3).requests(3, 1, 11).said(4, "11")
}

// It is over when no part of the window was so, and said again after half an hour.
func TestAdviceEnds(t *testing.T) {
	s := newAdvice(t)
	s.requests(0, 1, 11).requests(1, 1, 11).requests(2, 1, 11).said(3, "11")
	s.requests(3, 1, 1).requests(4, 1, 1).requests(5, 1, 1).requests(6, 1, 1).said(7).requests(7, 1, 1).said(8, "resolved: shop no longer asks ten times")
	s.said(20)
	if s.w.State != nil {
		t.Errorf("of a client that is gone %+v is left", s.w.State)
	}
	s = newAdvice(t)
	for second := range 1900 {
		s.requests(second, 1, 11)
	}
	s.said(1900, "11", "11").said(1904).said(1905, "resolved: shop has stopped: for 5 s nothing came from it")
}

// An incident belongs to the client: it is over when it is over for all instances.
// Of more than eight only eight are looked at, and others when one has gone.
func TestAdviceOfManyInstances(t *testing.T) {
	s := newAdvice(t)
	for second := range 3 {
		for address := range 20 {
			s.requests(second, address, 11)
		}
	}
	s.said(3, "11")
	if c := s.w.State.(*advised[int]); len(c.instances) != adviceInstances {
		t.Errorf("%d instances", len(c.instances))
	}
	for second := 3; second < 12; second++ {
		s.requests(second, 5, 11).requests(second, 1, 1).said(second)
	}
	s.requests(12, 15, 1).requests(13, 15, 1).said(13)
	if c := s.w.State.(*advised[int]); len(c.instances) != 3 {
		t.Errorf("%d instances are left", len(c.instances))
	}
	s.requests(14, 15, 1).requests(15, 15, 1).requests(16, 15, 1).said(17, "resolved: shop no longer asks ten times")
}

// What comes late counts where it comes, and a window that is changed begins anew.
func TestAdviceClockAndKnobsChange(t *testing.T) {
	newAdvice(t).requests(10, 1, 11).requests(11, 1, 11).requests(9, 1, 1).requests(12, 1, 11).said(13, "11")
	s := newAdvice(t).requests(0, 1, 11).requests(1, 1, 11)
	s.a.window = time.Minute
	s.requests(2, 1, 11).said(12).requests(13, 1, 11).said(24).requests(25, 1, 12).said(36, "12")
}

// The advice is written for people who know one library: each has its own names.
func TestAdviceNamesSettingsOfTheLibrary(t *testing.T) {
	names := map[string][4]string{
		"apache-kafka-java":   {"linger.ms", "compression.type=lz4", "get()", "KafkaProducer"},
		"librdkafka":          {"batch.num.messages", "compression.codec=lz4", "flush()", "Producer"},
		"sarama":              {"Producer.Flush.Frequency", "Producer.Compression", "AsyncProducer", "sarama.Client"},
		"kgo":                 {"kgo.ProducerLinger", "kgo.ProducerBatchCompression", "Produce with a promise", "kgo.Client"},
		"kafkajs":             {"sendBatch()", "compression:", "producer.send()", "producer"},
		"kafka-python":        {"linger_ms", "compression_type", "add_callback", "KafkaProducer"},
		"kafka-go":            {"Writer.BatchTimeout", "Writer.Compression", "Writer.Async", "Writer"},
		"something-else-here": {"linger.ms", "compression.type", "the answer", "producer"},
	}
	for software, want := range names {
		id := &rules.Identity{SoftwareName: software}
		tuning := tunings[id.Library()]
		for i, text := range []string{batchAdvice(id), tuning.compress, tuning.together, keepAdvice(id)} {
			if !strings.Contains(text, want[i]) || strings.Contains(text, "%") {
				t.Errorf("%s: %q does not name %s", software, text, want[i])
			}
		}
	}
}

func TestLingerDefaults(t *testing.T) {
	for software, want := range map[string]string{
		"apache-kafka-java 4.1.0": " (5 by default)", "apache-kafka-java 3.9.1": " (0 by default)", "apache-kafka-java unknown": "",
		"kgo v1.22.2": " (10 ms by default)", "kgo v1.19.5": " (0 by default)", "kgo": "", "kgo unknown": "",
	} {
		name, version, _ := strings.Cut(software, " ")
		if got := lingerDefault(&rules.Identity{SoftwareName: name, SoftwareVersion: version}); got != want {
			t.Errorf("%s: %q, want %q", software, got, want)
		}
	}
}

func TestSizeText(t *testing.T) {
	for n, want := range map[int64]string{1: "1 byte", 64: "64 bytes", 1024: "1 KiB", 1536: "1.5 KiB", 3 << 20: "3 MiB"} {
		if got := sizeText(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
