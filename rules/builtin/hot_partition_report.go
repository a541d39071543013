package builtin

import (
	"fmt"
	"math"
	"strings"
	"time"

	"warder/rules"
)

// report puts a hot partition into words.
func (h *hotPartition) report(t *hotTopic, s *hotSuspect) rules.Report {
	share := s.taken / s.whole
	keys := h.keysOf(s, share)
	return rules.Report{
		OwnSubject: true,
		Subject:    rules.Subject{Topic: t.name, Partition: new(s.partition)},
		Summary: fmt.Sprintf("partition %d of topic %s took %d %% of the %s over the last %s (%d partitions, next %d %%): %s",
			s.partition, rules.Excerpt(t.name, 249), percent(share), hotMeasureNames[s.by], spanText(time.Duration(s.windows)*h.Window),
			len(t.loads), percent(s.next/s.whole), keys.text()),
		Evidence: rules.Evidence{
			{Name: "measure", Value: hotMeasureNames[s.by]},
			{Name: "share_percent", Value: percent(share)},
			{Name: "next_percent", Value: percent(s.next / s.whole)},
			{Name: "limit_percent", Value: percent(h.limit(len(t.loads)))},
			{Name: "partitions", Value: len(t.loads)},
			{Name: "windows", Value: s.windows},
			{Name: "keys", Value: keys.list},
			{Name: "keys_error_percent", Value: keys.bound},
			{Name: "samples", Value: s.samples},
		},
		Advice: keys.advice(s.partition),
	}
}

// hotKeys is what is known of the keys of a hot partition.
type hotKeys struct {
	known bool     // enough of them were seen
	feeds string   // the key that feeds it, "" when none does
	part  int      // percent of the partition that feeds makes up
	list  []string // of keys with their shares
	bound float64  // percent of the partition by which these are too small at most
}

// hotFewestSamples are enough to tell a key of half of the records from one of a
// quarter.
const hotFewestSamples = 20

// keysOf finds the keys that are worth a word, in a partition that took a share
// of its topic.
func (h *hotPartition) keysOf(s *hotSuspect, share float64) hotKeys {
	keys := hotKeys{list: []string{}, known: s.samples >= hotFewestSamples}
	if !keys.known {
		return keys
	}
	whole := s.keys.Total()
	listed := min(float64(h.KeyPercent), float64(h.ListPercent)/share) / 100 // of the partition
	for _, k := range s.keys.Above(listed * whole) {
		if k.Name == "" {
			continue // so much of its count may be others' that it is not heavy for sure
		}
		part := k.Least() / whole
		keys.list = append(keys.list, fmt.Sprintf("%s %d %% of the partition, %d %% of the topic", k.Name, percent(part), percent(part*share)))
		keys.bound = max(keys.bound, math.Ceil(1000*k.Error/whole)/10)
		if keys.feeds == "" && part*100 >= float64(h.KeyPercent) {
			keys.feeds, keys.part = k.Name, percent(part)
		}
	}
	return keys
}

// text is what feeds the partition, and what comes of it.
func (k *hotKeys) text() string {
	feeds := "no single key feeds it"
	switch {
	case !k.known:
		feeds = "too few records were looked at to say which keys feed it"
	case k.feeds != "":
		feeds = fmt.Sprintf("key %s is %d %% of it", k.feeds, k.part)
	}
	return feeds + ", and one consumer of each group has to read it all"
}

func (k *hotKeys) advice(partition int32) string {
	switch {
	case !k.known:
		return fmt.Sprintf("Read some of partition %d with kafka-console-consumer and print.key=true to see whether one key feeds it.", partition)
	case k.feeds == "":
		return fmt.Sprintf("Look for producers that name partition %d themselves or with a partitioner.class of their own, and for keys with few different values, such as a country: a key with more values in it spreads.", partition)
	case strings.HasSuffix(k.feeds, hotEmptyKey):
		return "An empty key is a key like any other: all its records go to one partition. Send a null key instead, and the producer spreads the records."
	}
	return "More partitions will not spread one key. Add a suffix to it (key#0 to key#7) where its records need no common order, let a partitioner.class give this tenant several partitions, or move it to a topic of its own."
}

// over says that a reported partition takes its share again, given the lead of
// the last window.
func (h *hotPartition) over(t *hotTopic, s *hotSuspect, l *hotLead) rules.Report {
	measure, topic := hotMeasureNames[s.by], rules.Excerpt(t.name, 249)
	r := rules.Report{
		OwnSubject: true, Resolved: true,
		Subject:  rules.Subject{Topic: t.name, Partition: new(s.partition)},
		Summary:  fmt.Sprintf("partition %d of topic %s is no longer hot: the topic has hardly any traffic", s.partition, topic),
		Evidence: rules.Evidence{{Name: "measure", Value: measure}, {Name: "calm_windows", Value: s.calm}},
		Advice:   "Nothing to do.",
	}
	if l.whole > 0 && int(s.partition) < len(t.loads) {
		share := percent(t.loads[s.partition][s.by] / l.whole)
		r.Summary = fmt.Sprintf("partition %d of topic %s is no longer hot: it took %d %% of the %s over the last %s",
			s.partition, topic, share, measure, spanText(h.Window))
		r.Evidence = append(r.Evidence, rules.Fact{Name: "share_percent", Value: share})
	}
	return r
}

func percent(share float64) int { return int(math.Round(100 * share)) }

// spanText is a length of time as people say it.
func spanText(d time.Duration) string {
	if d%time.Minute != 0 {
		return fmt.Sprintf("%d seconds", d/time.Second)
	}
	if d == time.Minute {
		return "minute"
	}
	return fmt.Sprintf("%d minutes", d/time.Minute)
}
