package e2e

import (
	"slices"
	"testing"
)

// defaultPartitioners are what the libraries use when told nothing, by the names that warder has for them.
var defaultPartitioners = map[string]struct {
	name      string
	partition func(key string, n int) int
}{
	"java":         {"java", javaPartition},
	"franz-go":     {"java", javaPartition},
	"kafka-python": {"java", javaPartition},
	"kafkajs":      {"java", javaPartition},
	"librdkafka":   {"crc", crcPartition},
	"sarama":       {"fnv", fnvPartition},
}

func TestKeys(t *testing.T) {
	for _, client := range clientNames() {
		other := "java"
		if defaultPartitioners[client].name == "java" {
			other = "librdkafka"
		}
		playRule(t, rulePlay{rule: "partitioner-mix", name: "defaults", clients: []string{client, other}, run: mixOfDefaults})
	}
	playRule(t, rulePlay{rule: "partitioner-mix", name: "legacy", clients: []string{"kafkajs", "java"}, run: mixOfVersions})
	playRule(t, rulePlay{rule: "partitioner-mix", name: "twins", clients: []string{"java", "franz-go", "librdkafka"}, run: noMix})
	playRule(t, rulePlay{rule: "partitioner-mix", name: "pinned", clients: []string{"java", "librdkafka"}, through: "guard", run: pinned})
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

// mixed waits for the finding that names these partitioners and the clients.
func mixed(topic string, partitioners []string, sides ...*side) {
	var clients []string
	for _, s := range sides {
		clients = append(clients, "e2e-"+s.client+" ")
	}
	f := sides[0].await("partitioner-mix", topic, "critical", clients...)
	got, _ := f.Evidence["partitioners"].([]any)
	if len(got) != len(partitioners) || !slices.Contains(got, any(partitioners[0])) || !slices.Contains(got, any(partitioners[1])) {
		sides[0].fail("partitioners %v, not %v: %+v", got, partitioners, f)
	}
}

// mixOfDefaults: two libraries, told nothing, write the same keys to one topic.
func mixOfDefaults(sides []*side) {
	s, other := sides[0], sides[1]
	topic := s.create(s.topic("t"), twelve, 1, nil)
	s.writeByDefault(topic)
	other.writeByDefault(topic)
	mixed(topic, []string{defaultPartitioners[s.client].name, defaultPartitioners[other.client].name}, s, other)
}

// mixOfVersions: kafkajs with the partitioner that it had before version 2, beside Java.
func mixOfVersions(sides []*side) {
	js, java := sides[0], sides[1]
	topic := js.create(js.topic("t"), twelve, 1, nil)
	java.writeByDefault(topic)
	js.write(topic, "LegacyPartitioner", users, nil)
	mixed(topic, []string{"java", "kjslegacy"}, java, js)
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
	mixed(topic, []string{"java", "crc"}, java, rd)
	java.silent("partitioner-mix", twin)
	java.silent("key-drift", twin)
}

// pinned: on a topic that is pinned to Java's partitioner, Java's records pass, and of librdkafka's exactly those that it happens to put where
// they belong.
func pinned(sides []*side) {
	java, rd := sides[0], sides[1]
	topic := java.create(java.topic("t"), twelve, 1, nil)
	java.writeByDefault(topic)
	var records []record
	for _, key := range users {
		records = append(records, record{key: []byte(key), value: []byte("v")})
	}
	p := rd.producer(M{"partitioner": "default", "idempotent": false, "linger_ms": 0})
	got := rd.send(p, topic, "sync", records)
	rd.closeProducer(p)
	for i, key := range users {
		if crcPartition(key, twelve) != javaPartition(key, twelve) {
			rd.refusedBy("partitioner-mix", got.Results[i].Error)
		} else if e := got.Results[i].Error; e != nil {
			rd.fail("%s is where it belongs and was refused: %w", key, e)
		}
	}
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
	f := s.await("partition-count-change", topic, "warning", itoa(twelve), itoa(more))
	if f.Evidence["keys_moving"] != float64(moved) || f.Evidence["keys_known"] != float64(len(users)) {
		s.fail("%d of %d keys move: %+v", moved, len(users), f)
	}
	if f.Subject.Partition != nil {
		s.fail("a finding about a topic names partition %d", *f.Subject.Partition)
	}
	s.write(drift, "manual", users[:1], func(int) int { return 0 })
	s.write(drift, "manual", users[:1], func(int) int { return 1 })
	s.await("key-drift", drift, "warning")
	s.silent("key-drift", topic)
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
