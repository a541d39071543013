package proxy

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/protocol/messages"
	"warder/rules"
)

// ShareFetch (78) and ShareAcknowledge (79), KIP-932.
//
// Behaviour: requests pass unchanged. What they say of records that the member was
// given before is told to those who follow share groups, and so is which records a
// ShareFetch is answered with and how often these were delivered. Answers carry the
// addresses of brokers, which are rewritten. A ShareFetch answer passes while it
// arrives, like that of a Fetch: its records are never held.
//
// Version notes: the request names records by their offsets and topics by id; those whose
// name nobody knows are left out. Acknowledgements are one for a whole range or one for
// each offset in it. NodeEndpoints is no tagged field here but an array behind
// the topics, which is padded by tags where the answer is under way already, see
// protocol.ShareFetchResponseStream.

var shareKinds = []rules.Kind{rules.KindAcquired, rules.KindAcknowledged, rules.KindMemberPolled}

var (
	parseShareFetch       = messages.Request(kmsg.NewPtrShareFetchRequest())
	parseShareAcknowledge = messages.Request(kmsg.NewPtrShareAcknowledgeRequest())
)

// maxShareRanges bounds what one request or answer is told of. A member has at most
// max.poll.records in hand, and those next to each other are one range.
const maxShareRanges = 2000

func onShareFetch(s *session, rq *request) error {
	ex := s.exchange(rq, onShareFetchAnswer)
	if !s.srv.wantsAny(shareKinds) {
		return s.forward(rq, ex)
	}
	asked, ok, err := glance(s, rq, parseShareFetch)
	if err != nil {
		return err
	}
	if !ok {
		return s.forward(rq, ex)
	}
	m := rules.Membership{Group: text(asked.GroupID), MemberID: text(asked.MemberID), Generation: -1}
	ex.state = &m
	said := s.acknowledgements(m)
	for i := range asked.Topics {
		for j := range asked.Topics[i].Partitions {
			p := &asked.Topics[i].Partitions[j]
			for k := range p.AcknowledgementBatches {
				b := &p.AcknowledgementBatches[k]
				said.add(asked.Topics[i].TopicID, p.Partition, b.FirstOffset, b.LastOffset, b.AcknowledgeTypes)
			}
		}
	}
	said.tell() // before the broker can give the same records to somebody
	s.tellSharePolled(m)
	return s.forward(rq, ex)
}

func onShareAcknowledge(s *session, rq *request) error {
	ex := s.exchange(rq, onEndpoints)
	if !s.srv.engine.Wants(rules.KindAcknowledged) {
		return s.forward(rq, ex)
	}
	asked, ok, err := glance(s, rq, parseShareAcknowledge)
	if err != nil {
		return err
	}
	if !ok {
		return s.forward(rq, ex)
	}
	said := s.acknowledgements(rules.Membership{Group: text(asked.GroupID), MemberID: text(asked.MemberID), Generation: -1})
	for i := range asked.Topics {
		for j := range asked.Topics[i].Partitions {
			p := &asked.Topics[i].Partitions[j]
			for k := range p.AcknowledgementBatches {
				b := &p.AcknowledgementBatches[k]
				said.add(asked.Topics[i].TopicID, p.Partition, b.FirstOffset, b.LastOffset, b.AcknowledgeTypes)
			}
		}
	}
	said.tell()
	return s.forward(rq, ex)
}

// acknowledging gathers what one request acknowledges.
type acknowledging struct {
	s  *session
	ev rules.Acknowledged
}

func (s *session) acknowledgements(m rules.Membership) *acknowledging {
	return &acknowledging{s, rules.Acknowledged{At: s.in.readAt, Client: s.identity.Load(), Membership: m}}
}

// add adds a range of records. types are one for all of it, or one for each offset;
// offsets next to each other of which the same is said stay together.
func (a *acknowledging) add(topicID [16]byte, partition int32, first, last int64, types []int8) {
	t := a.s.srv.topics.FindID(topicID)
	if t == nil || len(types) == 0 || !sensible(first, last) {
		return
	}
	r := rules.AcknowledgedRecords{TopicPartition: rules.TopicPartition{Topic: t.Name, Partition: partition}, First: first, Last: last, Type: rules.Acknowledgement(types[0])}
	for i := 1; i < len(types) && first+int64(i) <= last; i++ {
		if next := rules.Acknowledgement(types[i]); next != r.Type {
			r.Last = first + int64(i) - 1
			a.keep(r)
			r.First, r.Last, r.Type = first+int64(i), last, next
		}
	}
	a.keep(r)
}

// sensible says whether a range can be one of offsets that a member was given: more than
// a million records at once nobody is.
func sensible(first, last int64) bool { return first >= 0 && first <= last && last-first < 1_000_000 }

func (a *acknowledging) keep(r rules.AcknowledgedRecords) {
	if len(a.ev.Records) < maxShareRanges {
		a.ev.Records = append(a.ev.Records, r)
	}
}

func (a *acknowledging) tell() {
	if len(a.ev.Records) > 0 {
		a.s.emit(a.ev)
	}
}

// tellSharePolled tells a group that its member fetches, as tellPolled does.
func (s *session) tellSharePolled(m rules.Membership) {
	if at := s.in.readAt; at.Sub(s.sharePolled) >= rules.FetchedEvery {
		s.sharePolled = at
		s.emit(rules.MemberPolled{At: at, Client: s.identity.Load(), Membership: m})
	}
}

// onShareFetchAnswer sends the answer on, and tells what it gives to the member whose
// request was read.
func onShareFetchAnswer(s *session, ex *exchange, a *answer) error {
	m, _ := ex.state.(*rules.Membership)
	given := acquiring{s: s}
	if a.size > windowSize {
		err := s.streamShareFetchAnswer(ex, a, &given)
		given.tell(m)
		return err
	}
	body, err := s.read(ex, a)
	if err != nil {
		return err
	}
	if m != nil {
		var f protocol.ShareFetchResponseStream
		if f.Reset(ex.version, protocol.NewMemoryCursor(body)) == nil && f.Walk(given.add) == nil {
			given.tell(m) // one that is malformed is counted below
		}
	}
	return onEndpoints(s, ex, a)
}

// streamShareFetchAnswer walks a large answer while it passes.
func (s *session) streamShareFetchAnswer(ex *exchange, a *answer, given *acquiring) error {
	c := &frameCursor{w: s.out, left: a.size}
	if err := s.passResponseHeader(ex, c); err != nil {
		return err
	}
	var f protocol.ShareFetchResponseStream
	var patch protocol.TailPatch
	err := f.Reset(ex.version, c)
	if err == nil {
		err = f.Walk(given.add)
	}
	if err == nil {
		patch, err = f.PatchEndpoints(s.mapEndpoint)
	}
	if err == nil && len(patch.Replace) > 0 {
		err = c.replace(patch.Replace)
	}
	if err != nil && !s.malformedFetchAnswer(ex, a, err) {
		return s.deliveryError(err)
	}
	return s.deliveryError(c.Advance(c.left))
}

// acquiring gathers what one answer gives to a member.
type acquiring struct {
	s       *session
	records []rules.AcquiredRecords
	id      [16]byte // of the topic at hand
	topic   string
}

func (g *acquiring) add(a protocol.Acquired) {
	if a.TopicID != g.id {
		g.id, g.topic = a.TopicID, ""
		if t := g.s.srv.topics.FindID(a.TopicID); t != nil {
			g.topic = t.Name
		}
	}
	if g.topic == "" || !sensible(a.First, a.Last) || len(g.records) >= maxShareRanges {
		return
	}
	g.records = append(g.records, rules.AcquiredRecords{
		TopicPartition: rules.TopicPartition{Topic: g.topic, Partition: a.Partition}, First: a.First, Last: a.Last, DeliveryCount: a.DeliveryCount,
	})
}

func (g *acquiring) tell(m *rules.Membership) {
	if m != nil && len(g.records) > 0 {
		g.s.emit(rules.Acquired{At: g.s.out.readAt, Client: g.s.identity.Load(), Membership: *m, Records: g.records})
	}
}
