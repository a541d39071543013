package ruletest

import (
	"hash/maphash"
	"strconv"
	"strings"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// settings are words of the form name=value; what has no `=` is in rest.
type settings struct {
	s    *stage
	set  map[string]string
	rest []string
}

func (s *stage) settings(words []string) settings {
	out := settings{s, map[string]string{}, nil}
	for _, word := range words {
		if key, value, ok := strings.Cut(word, "="); ok && !strings.Contains(key, "/") {
			out.set[key] = value
		} else {
			out.rest = append(out.rest, word)
		}
	}
	return out
}

func (o settings) text(key, otherwise string) string {
	if v, ok := o.set[key]; ok {
		return v
	}
	return otherwise
}

func (o settings) duration(key string, otherwise time.Duration) time.Duration {
	o.s.t.Helper()
	if v, ok := o.set[key]; ok {
		return o.s.duration(v)
	}
	return otherwise
}

func (o settings) number(key string, otherwise int64) int64 {
	o.s.t.Helper()
	v, ok := o.set[key]
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseInt(v, 10, 64)
	o.s.must(err)
	return n
}

func (o settings) list(key string) []string {
	if v := o.set[key]; v != "" {
		return strings.Split(v, ",")
	}
	return nil
}

// partition reads TOPIC/PARTITION.
func (s *stage) topicPartition(text string) rules.TopicPartition {
	s.t.Helper()
	topic, number, ok := strings.Cut(text, "/")
	if !ok {
		s.t.Fatalf("cannot read %q; want TOPIC/PARTITION", text)
	}
	return rules.TopicPartition{Topic: topic, Partition: int32(s.number(number))}
}

func (s *stage) topicPartitions(words []string) (list []rules.TopicPartition) {
	s.t.Helper()
	for _, w := range words {
		list = append(list, s.partitionsIn(w)...)
	}
	return list
}

// partitionsIn reads TOPIC/PARTITION, or TOPIC/FIRST-LAST for several.
func (s *stage) partitionsIn(text string) (list []rules.TopicPartition) {
	s.t.Helper()
	topic, numbers, _ := strings.Cut(text, "/")
	first, last, several := strings.Cut(numbers, "-")
	if !several {
		return []rules.TopicPartition{s.topicPartition(text)}
	}
	for p := s.number(first); p <= s.number(last); p++ {
		list = append(list, rules.TopicPartition{Topic: topic, Partition: int32(p)})
	}
	return list
}

// offsets reads TOPIC/PARTITION=OFFSET, or TOPIC/FIRST-LAST=OFFSET.
func (s *stage) offsets(words []string) (list []rules.PartitionOffset) {
	s.t.Helper()
	for _, w := range words {
		target, offset, ok := strings.Cut(w, "=")
		if !ok {
			s.t.Fatalf("cannot read %q; want TOPIC/PARTITION=OFFSET", w)
		}
		n, err := strconv.ParseInt(offset, 10, 64)
		s.must(err)
		for _, tp := range s.partitionsIn(target) {
			list = append(list, rules.PartitionOffset{TopicPartition: tp, Offset: n})
		}
	}
	return list
}

// membership is that of a client in a group.
func (s *stage) membership(c *client, group string) rules.Membership {
	return rules.Membership{Group: group, MemberID: c.memberID, InstanceID: c.instance, Generation: c.generation[group]}
}

// round is the last generation of a group that members were seen to join, all at
// the same time.
type round struct {
	generation int32
	at         time.Time
}

// nextGeneration is the one that an answer to JoinGroup begins now.
func (s *stage) nextGeneration(group string) int32 {
	r := s.rounds[group]
	if !r.at.Equal(s.now) {
		r = round{r.generation + 1, s.now}
		s.rounds[group] = r
	}
	return r.generation
}

// askToJoin is a JoinGroup request on its way.
func (s *stage) askToJoin(c *client, words []string) {
	s.t.Helper()
	group, o := s.named(words), s.settings(words[1:])
	c.instance = o.text("instance", c.instance)
	ev := rules.JoinRequested{
		At: s.now, Client: c.identity, Membership: s.membership(c, group), ProtocolType: "consumer",
		SessionTimeout: o.duration("session", 45*time.Second), RebalanceTimeout: o.duration("poll", 5*time.Minute),
		Protocols: strings.Split(o.text("assignor", "range"), ","), Topics: o.list("topics"), Reason: strings.Join(o.rest, " "),
	}
	ev.Generation = -1
	if c.generation[group] == 0 {
		ev.MemberID = ""
	}
	ev.Metadata = maphash.String(s.seed, o.text("topics", ""))
	c.waits[group] = true
	s.emit(ev)
}

// join is the coordinator's answer to JoinGroup. The first of members leads.
func (s *stage) join(c *client, words []string) {
	s.t.Helper()
	group, o := s.named(words), s.settings(words[1:])
	ev := rules.Joined{
		At: s.now, Client: c.identity, Requested: s.now, Protocol: o.text("assignor", "range"), ErrorCode: int16(o.number("error", 0)),
	}
	c.waits[group] = false
	if c.generation[group] != 0 {
		ev.RequestedID = c.memberID
	}
	switch ev.ErrorCode {
	case 0:
		if n := o.number("generation", 0); n > 0 {
			s.rounds[group] = round{int32(n), s.rounds[group].at}
			c.generation[group] = int32(n)
		} else {
			c.generation[group] = s.nextGeneration(group)
		}
	case memberIDRequired:
		c.generation[group] = -1
	}
	ev.Membership = s.membership(c, group)
	members := o.list("members")
	if len(members) > 0 {
		ev.Leader = s.client(members[0]).memberID
	}
	if ev.Leader == c.memberID {
		for _, m := range members {
			ev.Members = append(ev.Members, rules.GroupMember{MemberID: s.client(m).memberID, InstanceID: s.client(m).instance})
		}
	}
	s.emit(ev)
}

// memberIDRequired is the error by which a new member learns its id (KIP-394).
const memberIDRequired = 79

// sync is the coordinator's answer to SyncGroup, with the assignment.
func (s *stage) sync(c *client, words []string) {
	s.t.Helper()
	s.emit(rules.Synced{
		At: s.now, Client: c.identity, Membership: s.membership(c, s.named(words)), Requested: s.now,
		Assigned: s.topicPartitions(words[1:]), Readable: true,
	})
}

// beat is the coordinator's answer to Heartbeat, with an error if there is a
// number.
func (s *stage) beat(c *client, words []string) {
	s.t.Helper()
	ev := rules.Heartbeat{At: s.now, Client: c.identity, Membership: s.membership(c, s.named(words)), Requested: s.now}
	if len(words) > 1 {
		ev.ErrorCode = int16(s.number(words[1]))
	}
	s.emit(ev)
}

func (s *stage) leave(c *client, words []string) {
	s.t.Helper()
	group := s.named(words)
	s.emit(rules.Left{
		At: s.now, Client: c.identity, Group: group, Requested: s.now,
		Members: []rules.LeavingMember{{MemberID: c.memberID, InstanceID: c.instance, Reason: strings.Join(words[1:], " ")}},
	})
	c.generation[group] = 0
}

// consumerBeat is a ConsumerGroupHeartbeat with its answer (KIP-848), or that of a
// share group (KIP-932) or a Streams group (KIP-1071) for `in share` and `in streams`.
func (s *stage) consumerBeat(c *client, words []string) {
	s.t.Helper()
	if words[0] == "in" {
		c.protocol, words = words[1], words[2:]
	}
	group, o := s.named(words), s.settings(words[1:])
	c.instance = o.text("instance", c.instance)
	m := s.membership(c, group)
	m.Generation = int32(o.number("epoch", int64(m.Generation)))
	ev := rules.ConsumerHeartbeat{
		At: s.now, Client: c.identity, Membership: m, Requested: s.now, RebalanceTimeout: o.duration("poll", 0),
		Topics: o.list("topics"), Said: o.set["topics"] != "", Epoch: int32(o.number("answered", int64(m.Generation))),
		HeartbeatInterval: o.duration("interval", 5*time.Second), ErrorCode: int16(o.number("error", 0)),
		Assigned: s.topicPartitions(o.rest), AssignedSaid: len(o.rest) > 0, Protocol: epochProtocols[c.protocol],
	}
	c.generation[group], c.epochs[group] = max(ev.Epoch, 0), true
	s.emit(ev)
}

// epochProtocols by the word for them.
var epochProtocols = map[string]rules.EpochProtocol{"share": rules.ShareEpochs, "streams": rules.StreamsEpochs}

// lose is the end of the connection to the coordinator.
func (s *stage) lose(c *client, words []string) {
	s.t.Helper()
	group := s.named(words)
	s.emit(rules.MemberGone{At: s.now, Client: c.identity, Membership: s.membership(c, group), ByClient: true, Left: c.generation[group] == 0})
}

// die ends the process of a client without a word. Its next one is a new member.
func (s *stage) die(c *client, words []string) {
	s.t.Helper()
	group := s.named(words)
	s.lose(c, words)
	c.lives++
	c.generation[group], c.waits[group], c.memberID = 0, false, c.name+"-"+strconv.Itoa(c.lives+1)
}

// commitOffsets reads `offsets of G: TOPIC/P=OFFSET …`.
func (s *stage) commitOffsets(c *client, words []string) {
	s.t.Helper()
	s.emit(rules.Committed{
		At: s.now, Client: c.identity, Membership: s.membership(c, s.named(words)), Requested: s.now, Offsets: s.offsets(words[1:]),
	})
}

// setOffsets is an administrator's commit, which speaks for no member.
func (s *stage) setOffsets(c *client, words []string) {
	s.t.Helper()
	s.emit(rules.Committed{
		At: s.now, Client: c.identity, Membership: rules.Membership{Group: s.named(words), Generation: -1}, Requested: s.now, Offsets: s.offsets(words[1:]),
	})
}

// fetchOffsets is the coordinator's answer to OffsetFetch; -1 is none.
func (s *stage) fetchOffsets(c *client, words []string) {
	s.t.Helper()
	s.emit(rules.OffsetsFetched{At: s.now, Client: c.identity, Group: s.named(words), Offsets: s.offsets(words[1:])})
}

// lookAtGroup is what the cluster answers to warder's own questions about a group.
func (s *stage) lookAtGroup(words []string) {
	s.t.Helper()
	group, o := s.named(words), s.settings(words[1:])
	protocolType := "consumer"
	if o.text("type", "") == "simple" {
		protocolType = ""
	}
	s.emit(rules.GroupDescribed{
		At: s.now, Group: group, State: o.text("state", "Stable"), Members: int(o.number("members", 0)), ProtocolType: protocolType,
		Consumer: o.text("type", "classic") == "consumer", Every: o.duration("every", 30*time.Second),
	})
	s.emit(rules.OffsetsFetched{At: s.now, Client: &rules.Identity{}, Group: group, Offsets: s.offsets(o.rest), Looked: true, All: true})
}

// lookUp is ListOffsets of a member: `looks G: TOPIC/P latest 500`.
func (s *stage) lookUp(c *client, words []string) {
	s.t.Helper()
	if len(words) != 4 {
		s.t.Fatalf("looks: want GROUP: TOPIC/P latest|earliest|MILLISECONDS OFFSET, have %q", words)
	}
	timestamp := rules.LatestTimestamp
	switch words[2] {
	case "latest":
	case "earliest":
		timestamp = rules.EarliestTimestamp
	default:
		timestamp = int64(s.number(words[2]))
	}
	for _, tp := range s.partitionsIn(words[1]) {
		s.emit(rules.OffsetsListed{
			At: s.now, Client: c.identity, Membership: s.membership(c, s.named(words)), TopicPartition: tp,
			Timestamp: timestamp, Offset: int64(s.number(words[3])),
		})
	}
}

// deleteOffsets is OffsetDelete, or DeleteGroups when no partition is named.
func (s *stage) deleteOffsets(c *client, words []string) {
	s.t.Helper()
	s.emit(rules.OffsetsDeleted{At: s.now, Client: c.identity, Group: s.named(words), Partitions: s.topicPartitions(words[1:])})
}

// get is a Fetch of a member: `gets G: TOPIC/P at=10 bytes=1000 end=500 start=0 stable=480 error=1`.
// What it says of the log is known from then on. `read=5` is the offset that it was given the records for, if it has asked for another since.
func (s *stage) get(c *client, words []string) {
	s.t.Helper()
	group := s.named(words)
	if len(words) < 2 {
		s.t.Fatal("gets: TOPIC/PARTITION is missing")
	}
	o := s.settings(words[2:])
	for _, tp := range s.partitionsIn(words[1]) {
		ev := rules.MemberFetched{
			At: s.now, Client: c.identity, Membership: s.membership(c, group), TopicPartition: tp,
			FetchOffset: o.number("at", 0), HighWatermark: o.number("end", -1), LastStableOffset: o.number("stable", -1),
			LogStartOffset: o.number("start", -1), Bytes: o.number("bytes", 0), ReadOffset: -1, ErrorCode: int16(o.number("error", 0)),
		}
		if ev.Bytes > 0 {
			ev.ReadOffset = o.number("read", ev.FetchOffset)
		}
		s.logs.Learn(ev.TopicPartition, s.ends(ev.HighWatermark, ev.LastStableOffset, ev.LogStartOffset))
		s.emit(ev)
	}
}

// logIs says where a log is, by traffic of others: `log TOPIC/P end=500 start=20`.
func (s *stage) logIs(words []string) {
	s.t.Helper()
	o := s.settings(words[1:])
	for _, tp := range s.partitionsIn(words[0]) {
		s.logs.Learn(tp, s.ends(o.number("end", -1), o.number("stable", -1), o.number("start", -1)))
	}
}

func (s *stage) ends(end, stable, start int64) state.LogEnds {
	return state.LogEnds{HighWatermark: end, At: s.now, LastStableOffset: stable, LogStartOffset: start, StartAt: s.now}
}
