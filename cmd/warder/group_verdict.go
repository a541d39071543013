package main

import (
	"fmt"
	"slices"
	"strings"

	"warder/configs"
	"warder/rules"
	"warder/rules/state"
)

// judge says what became of the records, and what to do.
func (t *teller) judge(s *groupStory, reads []string) {
	t.wrongName(s, reads)
	s.lost()
	s.skipped()
	s.elsewhere()
	s.unreadable()
	s.repeated()
	s.stuck(t)
	switch {
	case shares(&s.Group):
		t.judgeShare(s)
	case len(s.Verdict) == 0:
		s.fine(t)
	}
	for i := range s.Findings {
		if f := &s.Findings[i]; !f.Resolved && !s.advised(f) {
			s.advise(f.Advice)
		}
	}
}

// advised says whether the story itself says what to do about what a finding tells.
func (s *groupStory) advised(f *rules.Finding) bool {
	total := func(of func(*partitionStory) int64) int64 {
		n, _ := s.sum(of)
		return n
	}
	switch f.Rule {
	case "retention-loss":
		return total(lostIn) > 0
	case "offset-reset":
		return total(skippedIn)+total(repeatedIn) > 0
	case "offset-rewind": // some of its findings say to set the offsets anew
		switch f.Evidence.Get("kind") {
		case state.SetByAdmin.String():
			return total(skippedIn) > 0
		case state.Deleted.String():
			return total(skippedIn)+total(repeatedIn) > 0
		}
	}
	return false
}

// What happened to records of a partition, to be summed up.
func lostIn(p *partitionStory) int64     { return p.Lost }
func skippedIn(p *partitionStory) int64  { return p.Skipped }
func repeatedIn(p *partitionStory) int64 { return p.Repeated }

func (s *groupStory) say(format string, args ...any) {
	s.Verdict = append(s.Verdict, fmt.Sprintf(format, args...))
}

// advise adds a piece of advice that is not there yet.
func (s *groupStory) advise(text string) {
	if text != "" && !slices.Contains(s.Advice, text) {
		s.Advice = append(s.Advice, text)
	}
}

// sum adds up a number of every partition, and counts those in which it is not 0.
func (s *groupStory) sum(of func(*partitionStory) int64) (total int64, partitions int) {
	for i := range s.Partitions {
		if n := of(&s.Partitions[i]); n > 0 {
			total, partitions = total+n, partitions+1
		}
	}
	return total, partitions
}

// worst gives the partition with the largest number.
func (s *groupStory) worst(of func(*partitionStory) int64) *partitionStory {
	worst := &s.Partitions[0]
	for i := range s.Partitions {
		if p := &s.Partitions[i]; of(p) > of(worst) {
			worst = p
		}
	}
	return worst
}

// wrongName says that the group does not read the topic that was asked about.
func (t *teller) wrongName(s *groupStory, reads []string) {
	if t.topic == "" || len(reads) == 0 || slices.Contains(reads, t.topic) {
		return // of a group that has just begun to join nothing is known
	}
	text := fmt.Sprintf("Wrong topic: group %s does not read topic %s, as far as is seen here; it reads %s", excerpt(s.Group.ID), excerpt(t.topic), nameList(reads))
	if near, ok := configs.Nearest(t.topic, reads); ok {
		text += ". Did you mean " + excerpt(near) + "?"
		s.advise("Compare the name of the topic in the configurations of producer and consumer letter by letter.")
	}
	s.say("%s", text)
}

func (s *groupStory) lost() {
	n, in := s.sum(lostIn)
	if n == 0 {
		return
	}
	s.say("Retention expired: %s in %s had been removed from the log before the group read them.", counted(n, "record"), counted(in, "partition"))
	if p := s.outOfLog(); p != nil {
		s.advise(fmt.Sprintf("Where the group had committed is not in the log any more, so auto.offset.reset decides where it goes on, and latest skips all that is left. Before its consumers start, set it to the beginning, partition %d with: %s --to-earliest --execute",
			p.Partition, s.resetCommand(p)))
	}
	s.advise(fmt.Sprintf("What retention removed is gone here; only the producer, a mirror or a backup still has it. Let retention.ms of %s be longer than the group may stand still, or bound what may pile up.", excerpt(s.worst(lostIn).Topic)))
}

func (s *groupStory) skipped() {
	n, in := s.sum(skippedIn)
	if n == 0 {
		return
	}
	s.say("Skipped: the group passed by %s in %s.", counted(n, "record"), counted(in, "partition"))
	p := s.worst(skippedIn)
	first := orZero(p.skip.To) - p.skip.Records
	if start := s.logStart(p); start > first {
		s.advise(fmt.Sprintf("The first of what was skipped in %s-%d has left the log meanwhile, which begins at %d.", excerpt(p.Topic), p.Partition, start))
		first = start
	}
	s.advise(fmt.Sprintf("To read again what was skipped, stop the group and set it back, for partition %d with: %s --to-offset %d --execute", p.Partition, s.resetCommand(p), first))
	if strings.HasPrefix(p.skip.Kind, "reset-") {
		s.advise("auto.offset.reset=earliest reads too much rather than too little; offsets.retention.minutes of the brokers should be longer than the group may be away.")
	}
}

// outOfLog gives a partition whose committed offset is before the beginning of its
// log, where nobody reads for the group; nil when there is none.
func (s *groupStory) outOfLog() *partitionStory {
	if s.Group.Empty.IsZero() {
		return nil // its consumers have gone on, or will do so before anybody can help
	}
	for i := range s.Partitions {
		if p := &s.Partitions[i]; p.removed > 0 {
			return p
		}
	}
	return nil
}

// resetCommand is the command that sets the group's offset of a partition, but for
// where to.
func (s *groupStory) resetCommand(p *partitionStory) string {
	return fmt.Sprintf("kafka-consumer-groups --bootstrap-server ... --group %s --topic %s:%d --reset-offsets", shellWord(s.Group.ID), shellWord(p.Topic), p.Partition)
}

// logStart of a partition, 0 when it is not known.
func (s *groupStory) logStart(p *partitionStory) int64 {
	for i := range s.Group.Partitions {
		if v := &s.Group.Partitions[i]; v.Topic == p.Topic && v.Partition == p.Partition {
			return orZero(v.LogStart)
		}
	}
	return 0
}

// shellWord quotes a name for a shell if it must be.
func shellWord(name string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	if name != "" && !strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// elsewhere says that records are written where the group does not look.
func (s *groupStory) elsewhere() {
	if f := s.finding("wrong-topic"); f != nil {
		stands := "Wrong topic"
		if lost, _ := s.sum(func(p *partitionStory) int64 { return p.Lost + p.Skipped + p.lag }); lost == 0 && len(s.Partitions) > 0 {
			stands += ": the group stands at the end of all that it reads, and nothing of it was lost, so what is missing was not written there"
		}
		s.say("%s. Finding %s: %s.", stands, f.ID, f.Summary)
	}
	for _, rule := range []string{"key-drift", "partitioner-mix"} {
		if f := s.finding(rule); f != nil {
			s.say("Wrong partition: who watches one partition of topic %s may miss what moved to another. Finding %s: %s.", excerpt(f.Subject.Topic), f.ID, f.Summary)
		}
	}
}

// unreadable says that records changed their form.
func (s *groupStory) unreadable() {
	if f := s.finding("format-drift"); f != nil {
		s.say("Serialization: a consumer that expects the old form fails at such a record or drops it, and its offset rises all the same. Finding %s: %s.", f.ID, f.Summary)
	}
}

// finding gives the last finding of a rule, nil when there is none.
func (s *groupStory) finding(rule string) *rules.Finding {
	for i := range s.Findings {
		if s.Findings[i].Rule == rule {
			return &s.Findings[i]
		}
	}
	return nil
}

func (s *groupStory) repeated() {
	if n, in := s.sum(repeatedIn); n > 0 {
		s.say("Read again: the group went back by %s in %s.", counted(n, "record"), counted(in, "partition"))
		s.advise("What went back is handled twice: whoever handles it must bear that. Look at who set the offset back, below the partition.")
	}
}

func (s *groupStory) stuck(t *teller) {
	n, in := s.sum(func(p *partitionStory) int64 {
		if p.Stuck {
			return p.lag
		}
		return 0
	})
	if n == 0 {
		return
	}
	if s.Group.Empty.IsZero() {
		s.say("Stuck: %s wait in %s where the group does not move; they are not lost.", counted(n, "record"), counted(in, "partition"))
		s.advise("Look into the log of the client that reads a partition which does not move: it may fail at a record again and again, or wait for something else.")
		return
	}
	s.say("Nobody reads: the group has had no members since %s, and %s wait in %s; they are not lost.", t.clock(s.Group.Empty), counted(n, "record"), counted(in, "partition"))
	if s.outOfLog() == nil {
		s.advise("Start the consumers again: what waits is read from the committed offset on, as long as retention has not removed it.")
	}
}

// fine says that nothing is known to have gone wrong.
func (s *groupStory) fine(t *teller) {
	since := t.clock(s.Group.Since)
	switch waiting, in := s.sum(func(p *partitionStory) int64 { return p.lag }); {
	case len(s.Partitions) == 0:
		s.say("No offset of the group is known: it has committed and read nothing since %s, when warder first heard of it.", since)
	case waiting > 0:
		s.say("Nothing was lost, skipped or read again since %s, when warder first heard of the group; %s in %s are on their way.", since, counted(waiting, "record"), counted(in, "partition"))
	default:
		s.say("Nothing was lost, skipped or read again since %s, when warder first heard of the group, and it stands at the end.", since)
	}
}

// membersDo begins a sentence about what some members do.
func membersDo(n int) string {
	if n == 1 {
		return "1 member of the group does"
	}
	return fmt.Sprintf("%d members of the group do", n)
}

// reservations say what the story cannot know.
func (t *teller) reservations(g *state.GroupView) []string {
	var list []string
	switch {
	case g.Elsewhere > 0:
		list = append(list, fmt.Sprintf("%s not come through this warder: it asks the cluster every %s what they commit, last at %s.",
			membersDo(g.Elsewhere), span(g.AskedEvery), t.clock(g.Asked)))
	case g.Partial:
		list = append(list, "Members of the group do not come through this warder: what they do is not seen here.")
	}
	if !g.Restarted.IsZero() {
		list = append(list, "warder was started anew at "+t.clock(g.Restarted)+": what the group did while it was away is not seen here.")
	}
	if g.Learning && g.Restarted.IsZero() {
		list = append(list, "warder first heard of the group at "+t.clock(g.Since)+": it may not know all members yet.")
	}
	for i := range g.Members {
		for _, status := range g.Members[i].Status {
			list = append(list, fmt.Sprintf("The coordinator says of %s: %s", whoWhere(&g.Members[i].Client), status))
		}
	}
	if !g.EventsLost.IsZero() {
		list = append(list, "warder could not follow for a moment at "+t.clock(g.EventsLost)+": something may be missing here.")
	}
	return list
}
