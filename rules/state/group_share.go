package state

import (
	"cmp"
	"slices"
	"time"

	"warder/rules"
)

// What is kept of a partition as a share group reads it (KIP-932).
const (
	// keptRedelivered ranges of records that were given back or given to members
	// again, at about 100 bytes each; beyond them those that were so the fewest times, and
	// of these the oldest, are forgotten.
	keptRedelivered = 64
	// allRedelivered is how many ranges all groups together remember: 24 MiB.
	allRedelivered = 200_000
	// endedKept is how long it is remembered how the story of a record ended.
	endedKept = time.Minute
	// redeliveredKept is how long a record is remembered that nobody says anything
	// of.
	redeliveredKept = time.Hour
)

// SharePartition is what is known of a partition as a share group reads it: there is
// no owner and no committed offset, members acknowledge each record.
type SharePartition struct {
	// Start is the share-partition start offset: all before it is done with. It is
	// the broker's, and known only when somebody asked for it or set it, at
	// StartAt; -1 before.
	Start   int64
	StartAt time.Time
	// Delivered is the highest offset that a member was given, -1 before the
	// first, and DeliveredAt when one was given last.
	Delivered   int64
	DeliveredAt time.Time
	// Accepted, Released and Rejected count records of which members said so;
	// AcknowledgedAt is when one was accepted or rejected last.
	Accepted, Released, Rejected int64
	AcknowledgedAt               time.Time

	again   []Redelivered // in the order of their offsets
	counted int64         // of them, in the room that all groups share
}

// Redelivered are records that a member gave back, or that were given to members again
// and again.
type Redelivered struct {
	// First and Last are their offsets, both included.
	First, Last int64
	// Deliveries is how often they were given to somebody.
	Deliveries int
	// Releases is how often a member was seen to give them back; where it did not
	// their lock ran out.
	Releases int
	// Since is when the first of these was seen, At when anything was heard of them
	// last.
	Since, At time.Time
	// Waits says that nobody has them now.
	Waits bool
	// MemberID is who was given them last.
	MemberID string
	Client   *rules.Identity
	// Outcome is what they were told to be at last, AckAccept or AckReject;
	// AckGap while it is open.
	Outcome rules.Acknowledgement
}

// Records is how many they are.
func (r *Redelivered) Records() int64 { return r.Last - r.First + 1 }

// Open says that they have neither been accepted nor rejected.
func (r *Redelivered) Open() bool { return r.Outcome == rules.AckGap }

// Share is what is known of it as a share group reads it, nil in all others.
func (p *GroupPartition) Share() *SharePartition { return p.share }

// Again gives the records that were given back or given to members again, in the order
// of their offsets.
func (s *SharePartition) Again() []Redelivered { return s.again }

// Find gives those of them that begin at an offset, nil when there are none.
func (s *SharePartition) Find(first int64) *Redelivered {
	for i := range s.again {
		if s.again[i].First == first {
			return &s.again[i]
		}
	}
	return nil
}

// sharePartition gives what is known of a partition of a share group, nil when there
// are too many.
func (g *Group) sharePartition(tp rules.TopicPartition) *SharePartition {
	p := g.partition(tp)
	if p == nil {
		return nil
	}
	if p.share == nil {
		p.share = &SharePartition{Start: -1, Delivered: -1}
	}
	return p.share
}

// acquired takes in what a member was given.
func (g *Group) acquired(ev *rules.Acquired) {
	for i := range ev.Records {
		r := &ev.Records[i]
		s := g.sharePartition(r.TopicPartition)
		if s == nil {
			continue
		}
		s.Delivered, s.DeliveredAt = max(s.Delivered, r.Last), ev.At
		known := s.take(r.First, r.Last)
		if r.DeliveryCount < 2 {
			continue // what was known of them was before the group was set back
		}
		for _, k := range uncovered(known, r.First, r.Last) {
			known = append(known, Redelivered{First: k.First, Last: k.Last, Since: ev.At})
		}
		for _, k := range known {
			k.Deliveries, k.At, k.MemberID, k.Client, k.Waits, k.Outcome = int(r.DeliveryCount), ev.At, ev.MemberID, ev.Client, false, rules.AckGap
			s.put(k)
		}
		g.bound(s)
	}
}

// acknowledged takes in what a member says of what it was given. Only who polls says
// anything.
func (g *Group) acknowledged(ev *rules.Acknowledged) {
	if m := g.members[ev.MemberID]; m != nil {
		m.Progress = ev.At
	}
	for i := range ev.Records {
		r := &ev.Records[i]
		s := g.sharePartition(r.TopicPartition)
		if s == nil {
			continue
		}
		s.count(r, ev.At)
		known := s.take(r.First, r.Last)
		if r.Type == rules.AckRelease { // for the first time
			for _, k := range uncovered(known, r.First, r.Last) {
				known = append(known, Redelivered{First: k.First, Last: k.Last, Deliveries: 1, Since: ev.At, MemberID: ev.MemberID, Client: ev.Client})
			}
		}
		for _, k := range known {
			k.At = ev.At
			switch r.Type {
			case rules.AckRelease:
				k.Releases++
				k.Waits = true
			case rules.AckAccept, rules.AckReject:
				k.Outcome, k.Waits = r.Type, false
			case rules.AckGap:
				continue // there is no record
			case rules.AckRenew:
			}
			s.put(k)
		}
		g.bound(s)
	}
}

func (s *SharePartition) count(r *rules.AcknowledgedRecords, at time.Time) {
	n := r.Last - r.First + 1
	switch r.Type {
	case rules.AckAccept:
		s.Accepted, s.AcknowledgedAt = s.Accepted+n, at
	case rules.AckReject:
		s.Rejected, s.AcknowledgedAt = s.Rejected+n, at
	case rules.AckRelease:
		s.Released += n
	case rules.AckGap, rules.AckRenew:
	}
}

// take takes out what is known of the records from first to last. Ranges that go
// beyond are divided.
func (s *SharePartition) take(first, last int64) (known []Redelivered) {
	if len(s.again) == 0 {
		return nil
	}
	kept := make([]Redelivered, 0, len(s.again)+1)
	for _, k := range s.again {
		if k.Last < first || k.First > last {
			kept = append(kept, k)
			continue
		}
		if k.First < first {
			before := k
			before.Last, k.First = first-1, first
			kept = append(kept, before)
		}
		if k.Last > last {
			behind := k
			behind.First, k.Last = last+1, last
			kept = append(kept, behind)
		}
		known = append(known, k)
	}
	s.again = kept
	return known
}

// uncovered gives what of first to last is in none of the ranges, which are in
// order.
func uncovered(ranges []Redelivered, first, last int64) (gaps []Redelivered) {
	for _, k := range ranges {
		if first < k.First {
			gaps = append(gaps, Redelivered{First: first, Last: k.First - 1})
		}
		first = k.Last + 1
	}
	if first <= last {
		gaps = append(gaps, Redelivered{First: first, Last: last})
	}
	return gaps
}

// put puts a range where no other is, and makes room for it.
func (s *SharePartition) put(k Redelivered) {
	if len(s.again) >= keptRedelivered {
		s.forgetLeast()
	}
	at, _ := slices.BinarySearchFunc(s.again, k.First, func(o Redelivered, first int64) int { return cmp.Compare(o.First, first) })
	s.again = slices.Insert(s.again, at, k)
}

// forgetLeast forgets the range that matters least.
func (s *SharePartition) forgetLeast() {
	least := 0
	for i := range s.again {
		if s.again[i].lessThan(&s.again[least]) {
			least = i
		}
	}
	s.again = slices.Delete(s.again, least, least+1)
}

// bound takes the room that the ranges need, or gives it back. What has none is
// forgotten.
func (g *Group) bound(s *SharePartition) {
	for s.counted < int64(len(s.again)) {
		if g.again.take() {
			s.counted++
		} else {
			s.forgetLeast()
		}
	}
	g.again.taken.Add(int64(len(s.again)) - s.counted)
	s.counted = int64(len(s.again))
}

// lessThan says which of two is forgotten sooner.
func (r *Redelivered) lessThan(other *Redelivered) bool {
	if r.Open() != other.Open() {
		return other.Open()
	}
	if r.Deliveries != other.Deliveries {
		return r.Deliveries < other.Deliveries
	}
	return r.At.Before(other.At)
}

// prune forgets what is over.
func (s *SharePartition) prune(now time.Time) {
	s.again = slices.DeleteFunc(s.again, func(k Redelivered) bool {
		return now.Sub(k.At) > redeliveredKept || !k.Open() && now.Sub(k.At) > endedKept
	})
}

// shareOffsets takes in where the group has still to read from.
func (g *Group) shareOffsets(ev *rules.ShareOffsets) {
	if g.Protocol == UnknownProtocol {
		g.Protocol = ShareProtocol
	}
	for i := range ev.Offsets {
		o := &ev.Offsets[i]
		if s := g.sharePartition(o.TopicPartition); s != nil && o.ErrorCode == 0 {
			g.setStart(s, o, ev)
		}
	}
	for _, topic := range ev.Topics {
		g.EachPartition(func(p *GroupPartition) {
			if p.Topic == topic && p.share != nil {
				g.setStart(p.share, &rules.PartitionOffset{TopicPartition: p.TopicPartition, Offset: -1}, ev)
			}
		})
	}
}

// setStart notes a start offset. One that was set from outside begins a new story.
func (g *Group) setStart(s *SharePartition, o *rules.PartitionOffset, ev *rules.ShareOffsets) {
	if ev.Set {
		s.again = nil
		g.bound(s)
		if s.Start != o.Offset {
			m := Move{Kind: SetByAdmin, At: ev.At, From: s.Start, To: o.Offset, Client: ev.Client}
			if o.Offset < 0 {
				m.Kind = Deleted
			}
			g.move(g.partitions[o.TopicPartition], m)
		}
	}
	s.Start, s.StartAt = o.Offset, ev.At
}
