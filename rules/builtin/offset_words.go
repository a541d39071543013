package builtin

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// counted writes a number for people: 31,000.
func counted[N int | int64 | uint32](n N) string {
	if n < 0 {
		return "-" + counted(-n)
	}
	digits := strconv.FormatInt(int64(n), 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// recordCount is a number of records.
func recordCount(n int64) string { return several(n, "record") }

// several is a number of things.
func several[N int | int64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return counted(n) + " " + thing + "s"
}

// twoUnits writes a duration in its two largest units: 3d4h, 2h10m, 5m30s, 45s.
func twoUnits(d time.Duration) string {
	d = d.Round(time.Second)
	units := []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.of && i < len(units)-1 {
			continue
		}
		text := strconv.FormatInt(int64(d/u.of), 10) + u.name
		if i < len(units)-1 {
			if rest := d % u.of / units[i+1].of; rest > 0 {
				text += strconv.FormatInt(int64(rest), 10) + units[i+1].name
			}
		}
		return text
	}
	return d.String()
}

func excerptTopic(topic string) string { return rules.Excerpt(topic, 249) }

// partitionText names a partition in a sentence.
func partitionText(p rules.TopicPartition) string {
	return fmt.Sprintf("partition %d of topic %s", p.Partition, excerptTopic(p.Topic))
}

// behindText says how old the next record to be read is, as well as it is known.
func behindText(p *state.GroupPartition, now time.Time) string {
	if age, ok := p.TimeLag(now); ok {
		return twoUnits(age) + " behind"
	}
	if waits := p.Waiting(now); waits > 0 {
		return "at least " + twoUnits(waits) + " behind"
	}
	return "for how long is not known"
}

// behindFact is behindText for evidence: milliseconds, -1 when not known.
func behindFact(p *state.GroupPartition, now time.Time) rules.Fact {
	age, ok := p.TimeLag(now)
	if !ok {
		age = max(p.Waiting(now), -1)
	}
	if !ok && age == 0 {
		return rules.Fact{Name: "lag_ms", Value: int64(-1)}
	}
	return rules.Fact{Name: "lag_ms", Value: age.Milliseconds()}
}

// sinceFact is for how long something has been so, in milliseconds; -1 when that
// is not known.
func sinceFact(name string, at, now time.Time) rules.Fact {
	if at.IsZero() {
		return rules.Fact{Name: name, Value: int64(-1)}
	}
	return rules.Fact{Name: name, Value: now.Sub(at).Milliseconds()}
}

// partitionList writes numbers of partitions, at most listedPartitions of them.
func partitionList(numbers []int32, all int) string {
	var b strings.Builder
	for i, n := range numbers[:min(len(numbers), listedPartitions)] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d", n)
	}
	if all > listedPartitions {
		fmt.Fprintf(&b, " and %d more", all-listedPartitions)
	}
	return b.String()
}

// listedPartitions is how many partitions a finding names.
const listedPartitions = 10
