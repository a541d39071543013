package builtin

import (
	"fmt"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// In a share group nothing stops behind a record that nobody can process: the broker
// gives it to one member after the other while the others go on, and after
// group.share.delivery.count.limit times it archives it (KIP-932), which is to say
// that the record is lost for the group without a word. The broker says with each
// delivery how often there was one.

const (
	// recordLock is the longest that a member may keep a record without a word, by
	// the default of group.share.max.record.lock.duration.ms.
	recordLock = time.Minute
	// lostShown is how long a lost record is the partition's story.
	lostShown = 5 * time.Minute
)

// redelivered is what one look found in a partition of a share group: the records
// that were delivered most often.
type redelivered struct {
	p *state.GroupPartition
	state.Redelivered
	lost bool // the broker must have archived them
}

// sharedPoison is what was told of one partition of a share group.
type sharedPoison struct {
	redelivered
	toldAt  time.Time
	subject rules.Subject
}

// tickShare looks at all partitions of a share group.
func (r *poisonMessage) tickShare(w *rules.Watch, g *state.Group, s *poisonedGroup) {
	s.again = s.again[:0]
	ranges := 0
	g.EachPartition(func(p *state.GroupPartition) {
		if p.Share() == nil {
			return
		}
		worst, n := r.redelivered(p, w.Now)
		ranges += n
		if n > 0 {
			s.again = append(s.again, worst)
		} else if told := s.shared[p.TopicPartition]; told != nil {
			delete(s.shared, p.TopicPartition)
			w.Report(shareGotPast(g, told))
		}
	})
	if ranges <= poisonFew {
		for i := range s.again {
			r.tellRedelivered(w, g, s, &s.again[i])
		}
	}
	s.tellMany(w, g, ranges, func() rules.Report { return r.reportManyRedelivered(g, s.again, ranges) })
}

// redelivered gives the records of a partition that were delivered most often, and how
// many ranges of them there are.
func (r *poisonMessage) redelivered(p *state.GroupPartition, now time.Time) (worst redelivered, ranges int) {
	for _, k := range p.Share().Again() {
		if !k.Open() || k.Deliveries < r.Deliveries {
			continue
		}
		lost := k.Deliveries >= r.DeliveryLimit && (k.Waits || now.Sub(k.At) > recordLock)
		if lost && now.Sub(k.At) > lostShown {
			continue
		}
		if ranges++; k.Deliveries > worst.Deliveries {
			worst = redelivered{p, k, lost}
		}
	}
	return worst, ranges
}

// tellRedelivered reports records when they are new, were delivered again, are lost,
// or last.
func (r *poisonMessage) tellRedelivered(w *rules.Watch, g *state.Group, s *poisonedGroup, f *redelivered) {
	told := s.shared[f.p.TopicPartition]
	if told != nil && told.First == f.First && told.Deliveries >= f.Deliveries && told.lost == f.lost && w.Now.Sub(told.toldAt) < offsetRepeat {
		return
	}
	if s.shared == nil {
		s.shared = map[rules.TopicPartition]*sharedPoison{}
	}
	subject := rules.SubjectOf(f.Client)
	subject.Group, subject.Member, subject.Topic, subject.Partition = g.ID, f.MemberID, f.p.Topic, new(f.p.Partition)
	s.shared[f.p.TopicPartition] = &sharedPoison{*f, w.Now, subject}
	w.Report(r.reportRedelivered(g, f, subject, w.Now))
}

// offsetsText names them in a sentence.
func (f *redelivered) offsetsText() string {
	if f.First == f.Last {
		return fmt.Sprintf("offset %d", f.First)
	}
	return fmt.Sprintf("offsets %d to %d", f.First, f.Last)
}

func (r *poisonMessage) reportRedelivered(g *state.Group, f *redelivered, subject rules.Subject, now time.Time) rules.Report {
	group, where := groupText(g), partitionText(f.p.TopicPartition)
	out := rules.Report{
		Severity: rules.Warning, Subject: subject, OwnSubject: true,
		Evidence: rules.Evidence{
			{Name: "shape", Value: "redelivery"},
			{Name: "offset", Value: f.First},
			{Name: "last_offset", Value: f.Last},
			{Name: "deliveries", Value: f.Deliveries},
			{Name: "delivery_limit", Value: r.DeliveryLimit},
			{Name: "given_back", Value: f.Releases},
			{Name: "archived", Value: f.lost},
			sinceFact("since_ms", f.Since, now),
		},
		Advice: r.redeliveryAdvice(f),
	}
	how := "given back " + times(f.Releases)
	if f.Releases == 0 {
		how = "never acknowledged in time"
	}
	switch {
	case f.lost:
		out.Severity, out.News = rules.Critical, true
		out.Summary = fmt.Sprintf("share group %s has lost %s on %s: after %d deliveries without success, %s, the broker has archived it, and no member is given it any more",
			group, f.offsetsText(), where, f.Deliveries, how)
	case f.Deliveries >= r.DeliveryLimit:
		out.Severity = rules.Critical
		out.Summary = fmt.Sprintf("nobody in share group %s gets %s on %s done: it was delivered %s and %s; this was the last time, and unless it is accepted now nobody is given it any more",
			group, f.offsetsText(), where, times(f.Deliveries), how)
	default:
		out.Summary = fmt.Sprintf("nobody in share group %s gets %s on %s done: it was delivered %s and %s; after %d deliveries the broker archives it, and nobody is given it any more",
			group, f.offsetsText(), where, times(f.Deliveries), how, r.DeliveryLimit)
	}
	return out
}

// redeliveryAdvice says what to do about records that were given back, or that nobody
// has acknowledged in time.
func (r *poisonMessage) redeliveryAdvice(f *redelivered) string {
	read := fmt.Sprintf("kafka-console-consumer --topic %s --partition %d --offset %d --max-messages %d", excerptTopic(f.p.Topic), f.p.Partition, f.First, f.Records())
	if f.Releases == 0 {
		return fmt.Sprintf("Its members end while they work on it, or take longer than the lock on a record (share.record.lock.duration.ms of the group, 30 s by default): raise that, take fewer records at a time, or acknowledge with RENEW. If they end, read the record: %s.", read)
	}
	return fmt.Sprintf("Read the record: %s. A consumer that cannot process it should write it to a dead letter topic and then accept it, or reject it: to release it makes sense only where another try may succeed. share.delivery.count.limit of the group is how many tries there are.", read)
}

func (r *poisonMessage) reportManyRedelivered(g *state.Group, found []redelivered, ranges int) rules.Report {
	var places []string
	for i := range found[:min(len(found), listedPartitions)] {
		f := &found[i]
		places = append(places, fmt.Sprintf("%s/%d at %d", excerptTopic(f.p.Topic), f.p.Partition, f.First))
	}
	return rules.Report{
		Subject: rules.Subject{Group: g.ID}, OwnSubject: true,
		Summary: fmt.Sprintf("share group %s gets nowhere: records in %s on %s were each delivered at least %s and not accepted; after %d deliveries the broker archives them, and nobody is given them any more",
			groupText(g), several(ranges, "place"), several(len(found), "partition"), times(r.Deliveries), r.DeliveryLimit),
		Evidence: rules.Evidence{
			{Name: "shape", Value: "redelivery"},
			{Name: "partitions", Value: len(found)},
			{Name: "places", Value: places},
			{Name: "members", Value: g.Members()},
		},
		Advice: "That is more than a record or two that cannot be processed: look at the consumers' log, at what they call, and whether they end or take longer than share.record.lock.duration.ms. Stop the group until it is mended, or its records are archived one after the other.",
	}
}

// shareGotPast says what became of records that were told of.
func shareGotPast(g *state.Group, told *sharedPoison) rules.Report {
	became := "the group does not try any more"
	switch now := told.p.Share().Find(told.First); {
	case told.lost:
		became = "it was archived, and nobody has processed it"
	case now == nil:
	case now.Outcome == rules.AckAccept:
		became = fmt.Sprintf("it was accepted after %d deliveries", now.Deliveries)
	case now.Outcome == rules.AckReject:
		became = "a member has rejected it, and nobody is given it any more"
	}
	return rules.Report{
		Subject: told.subject, OwnSubject: true, Resolved: true,
		Summary: fmt.Sprintf("share group %s is done with %s on %s: %s", groupText(g), told.offsetsText(), partitionText(told.p.TopicPartition), became),
	}
}
