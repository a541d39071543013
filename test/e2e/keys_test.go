package e2e

import (
	"math"
	"slices"
	"testing"
)

// defaultPartitioners are what the libraries use when told nothing, and the word for it that a finding is to have.
var defaultPartitioners = map[string]struct {
	word      string
	partition func(key string, n int) int
}{
	"java":         {"murmur2", javaPartition},
	"franz-go":     {"murmur2", javaPartition},
	"kafka-python": {"murmur2", javaPartition},
	"kafkajs":      {"murmur2", javaPartition},
	"librdkafka":   {"crc", crcPartition},
	"sarama":       {"fnv", fnvPartition},
}

func TestKeys(t *testing.T) {
	for _, client := range clientNames() {
		other := "java"
		if defaultPartitioners[client].word == "murmur2" {
			other = "librdkafka"
		}
		playRule(t, rulePlay{rule: "partitioner-mix", name: "defaults", clients: []string{client, other}, run: mixOfDefaults})
	}
	playRule(t, rulePlay{rule: "partitioner-mix", name: "legacy", clients: []string{"kafkajs", "java"}, run: mixOfVersions})
	playRule(t, rulePlay{rule: "partitioner-mix", name: "twins", clients: []string{"java", "franz-go", "librdkafka"}, run: noMix})
	playRule(t, rulePlay{rule: "key-drift", clients: []string{"java"}, run: keysThatMove})
	playRule(t, rulePlay{rule: "partition-count-change", clients: []string{"java"}, run: morePartitions})
	playRule(t, rulePlay{rule: "hot-partition", clients: []string{"java", "franz-go"}, run: hotKey})
}

// names makes n keys.
func names(prefix string, n int) []string {
	var all []string
	for i := range n {
		all = append(all, prefix+itoa(i+1))
	}
	return all
}

// write sends a record for each key through a producer with that partitioner, and gives the partitions; where says them to a manual one.
func (s *side) write(topic, partitioner string, keys []string, where func(i int) int) []int {
	var records []record
	for i, key := range keys {
		r := record{key: []byte(key), value: []byte("v-" + itoa(i))}
		if where != nil {
			r.partition = where(i)
		}
		records = append(records, r)
	}
	p := s.producer(M{"partitioner": partitioner})
	got := s.send(p, topic, "async", records)
	s.closeProducer(p)
	if got.Failed > 0 {
		s.fail("%s", got.firstErrors())
	}
	var chosen []int
	for _, o := range got.Results {
		chosen = append(chosen, o.P)
	}
	return chosen
}

var users = names("user-", 50)

const twelve = 12

// writeByDefault writes the users with the library's own partitioner, which must be what it is known to be.
func (s *side) writeByDefault(topic string) {
	var want []int
	for _, key := range users {
		want = append(want, defaultPartitioners[s.client].partition(key, twelve))
	}
	if got := s.write(topic, "default", users, nil); !slices.Equal(got, want) {
		s.fail("%s chose partitions %v, not %v", s.client, got, want)
	}
}

// mixOfDefaults: two libraries, told nothing, write the same keys to one topic.
func mixOfDefaults(sides []*side) {
	s, other := sides[0], sides[1]
	topic := s.create(s.topic("t"), twelve, 1, nil)
	s.writeByDefault(topic)
	other.writeByDefault(topic)
	s.await("partitioner-mix", topic, "critical", defaultPartitioners[s.client].word, defaultPartitioners[other.client].word, "e2e-"+s.client, "e2e-"+other.client)
}

// mixOfVersions: kafkajs with the partitioner that it had before version 2, beside Java.
func mixOfVersions(sides []*side) {
	js, java := sides[0], sides[1]
	topic := js.create(js.topic("t"), twelve, 1, nil)
	java.writeByDefault(topic)
	js.write(topic, "LegacyPartitioner", users, nil)
	js.await("partitioner-mix", topic, "critical", "legacy", "murmur2")
}

// noMix: libraries that agree, and one that was told to.
func noMix(sides []*side) {
	java, franz, rd := sides[0], sides[1], sides[2]
	twin, topic := java.create(java.topic("twin"), twelve, 1, nil), java.create(java.topic("t"), twelve, 1, nil)
	java.writeByDefault(twin)
	franz.writeByDefault(twin)
	rd.write(twin, "murmur2_random", users, nil)
	java.writeByDefault(topic)
	rd.writeByDefault(topic)
	java.await("partitioner-mix", topic, "critical", "murmur2", "crc")
	java.silent("partitioner-mix", twin)
	java.silent("key-drift", twin)
}

// keysThatMove: keys are written to one partition and later to another; the twin's stay where they are.
func keysThatMove(sides []*side) {
	s := sides[0]
	keys := names("drift-", 15)
	twin, one, many := s.create(s.topic("twin"), 4, 1, nil), s.create(s.topic("one"), 4, 1, nil), s.create(s.topic("many"), 4, 1, nil)
	stay := func(i int) int { return i % 4 }
	move := func(i int) int { return (i + 1) % 4 }
	s.write(twin, "manual", keys, stay)
	s.write(twin, "manual", keys, stay)
	s.write(one, "manual", keys[:1], stay)
	s.write(one, "manual", keys[:1], move)
	s.write(many, "manual", keys, stay)
	s.write(many, "manual", keys, move)
	s.await("key-drift", one, "warning")
	s.await("key-drift", many, "critical")
	s.silent("key-drift", twin)
}

// morePartitions: a topic with keys grows from 12 to 16 partitions. That is announced with how many keys move, and their moving is then no news.
func morePartitions(sides []*side) {
	s := sides[0]
	const more = 16
	topic, drift := s.create(s.topic("t"), twelve, 1, nil), s.create(s.topic("drift"), 4, 1, nil)
	s.write(topic, "default", users, nil)
	s.must("create_partitions", M{"name": topic, "total": more}, nil)
	s.settled(topic, more, 1)
	s.write(topic, "default", users, nil)
	moved := 0
	for _, key := range users {
		if javaPartition(key, twelve) != javaPartition(key, more) {
			moved++
		}
	}
	f, err := awaitFinding(s.ctx, warderNamed("records"), "partition-count-change", topic, func(f finding) bool {
		return f.says(itoa(twelve), itoa(more)) && f.counts(moved, len(users))
	})
	if err != nil {
		s.fail("%d of %d keys move: %w", moved, len(users), err)
	}
	if f.Subject.Partition != nil {
		s.fail("a finding about a topic names partition %d", *f.Subject.Partition)
	}
	s.write(drift, "manual", users[:1], func(int) int { return 0 })
	s.write(drift, "manual", users[:1], func(int) int { return 1 })
	s.await("key-drift", drift, "warning")
	s.silent("key-drift", topic)
}

// counts tells whether some number of the evidence is part of whole, as a count, a share or a percentage.
func (f finding) counts(part, whole int) bool {
	share := float64(part) / float64(whole)
	for _, v := range f.Evidence {
		n, ok := v.(float64)
		if ok && (n == float64(part) || math.Abs(n-share) < 0.02 || math.Abs(n-100*share) < 2) {
			return true
		}
	}
	return false
}

// hotKey: every third record has one and the same key, for longer than a window takes three times over; the twin's keys are even.
func hotKey(sides []*side) {
	hot, twin := sides[0], sides[1]
	topics := [2]string{hot.create(hot.topic("t"), twelve, 1, nil), twin.create(twin.topic("twin"), twelve, 1, nil)}
	load := func(s *side, topic string, g gen) {
		p := s.producer(M{"partitioner": "default"})
		s.generate(p, topic, g, M{"rate": 500})
		s.closeProducer(p)
	}
	together(
		func() { load(twin, topics[1], gen{Count: 3000, Size: 100, Keys: 200, Prefix: "tenant-"}) },
		func() { load(hot, topics[0], gen{Count: 3000, Size: 100, Keys: 200, Prefix: "tenant-", Hot: 3}) },
	)
	f, err := awaitFinding(hot.ctx, warderNamed("records"), "hot-partition", topics[0], func(f finding) bool {
		return f.Subject.Partition != nil && *f.Subject.Partition == javaPartition("tenant-hot", twelve)
	})
	if err != nil {
		hot.fail("partition %d: %w", javaPartition("tenant-hot", twelve), err)
	}
	if !f.says("sha256:") {
		hot.fail("the key that feeds it is not named: %+v", f)
	}
	hot.silent("hot-partition", topics[1])
}
