package builtin

import (
	"slices"
	"time"

	"warder/rules"
	"warder/rules/format"
)

// sighting is one sample while it is judged, with its topic locked.
type sighting struct {
	rule   *formatDrift
	c      *rules.Case
	b      *rules.Batch
	r      *rules.Record
	topic  *topicFormats
	pins   topicPins
	early  bool          // the topic has not been looked at for long
	writer *formatWriter // nil of what was fetched: who wrote it is not known
}

// counts says whether the sample counts: what is fetched does not while producers
// of the topic come through here, since it is what they wrote.
func (s *sighting) counts(writer uint64) bool {
	t, now := s.topic, s.b.Time
	if t.gone {
		return false
	}
	if t.begun.IsZero() {
		t.begun = now
	}
	s.early = now.Sub(t.begun) < s.rule.FirstLook
	if s.b.Fetched {
		return t.produced.IsZero() || now.Sub(t.produced) > producedLately
	}
	t.produced = now
	s.writer = t.writer(writer, s.b)
	return true
}

// judge counts one side of the record and compares it with what is usual.
func (s *sighting) judge(side int, k format.Kind) {
	if k.Class == format.Null || k.Class == format.Empty {
		return
	}
	t := &s.topic.sides[side]
	odd := t.norm != 0 && k.Fits&t.norm == 0
	if s.b.Fetched && odd && t.again(s.b.Partition, s.b.Header.BaseOffset+int64(s.r.OffsetDelta)) {
		return
	}
	if before, changed := t.count(k, s.rule, s.early, s.rule.Rare); changed {
		s.newNorm(side, before)
	}
	if k.Class == format.Confluent {
		s.schema(side, k.Schema)
	}
	if s.pins[side].set != 0 {
		return // whose formats are not a matter of opinion
	}
	if s.writer != nil {
		s.writer.sides[side].take(k, s.rule, s.early)
	}
	s.compare(side, k)
	if s.writer != nil {
		s.compareWithWriter(side, k)
	}
}

// take counts a sample of one producer.
func (w *writerSide) take(k format.Kind, d *formatDrift, early bool) {
	before, changed := w.count(k, d, early, d.RareOwn)
	switch {
	case changed && before == 0:
		w.accepted |= w.rest
	case changed && before&w.norm == 0:
		w.accepted |= before
	}
}

// newNorm draws the consequences when something else has become usual.
func (s *sighting) newNorm(side int, before format.Set) {
	t, now := &s.topic.sides[side], s.b.Time
	if before == 0 {
		t.accept(t.rest, now)
		t.schemas.settle(s.topic)
	} else if before&t.norm == 0 {
		t.accept(before, now) // stragglers are no news
	}
	for i, d := range slices.Backward(t.drifts) {
		if t.norm.Has(d.class) {
			s.c.Report(s.topic.end(side, i, d.asNorm(t)))
		}
	}
}

// compare finds what is odd for the topic.
func (s *sighting) compare(side int, k format.Kind) {
	t, c, now := &s.topic.sides[side], k.Class, s.b.Time
	if d := t.drift(c, s.writer); d != nil {
		s.goesOn(side, d)
		return
	}
	if t.norm == 0 || k.Fits&t.norm != 0 || t.isAccepted(c, now) {
		return
	}
	hits := t.maybe(c)
	if s.writer != nil && t.hasDrift(c) {
		hits = s.writer.sides[side].maybe(c) // this one has to show for itself
	}
	if hits >= s.rule.Hits {
		s.begin(side, c, &t.picture, false)
	}
}

// compareWithWriter finds what is odd for a producer where it is not for its topic,
// and producers that do not agree.
func (s *sighting) compareWithWriter(side int, k format.Kind) {
	t, p, c := &s.topic.sides[side], &s.writer.sides[side], k.Class
	odd := p.norm != 0 && k.Fits&p.norm == 0 && !p.accepted.Has(c)
	if odd && p.maybe(c) >= s.rule.Hits && t.drift(c, s.writer) == nil && (t.norm == 0 || k.Fits&t.norm == 0) {
		s.begin(side, c, &p.picture, true)
	}
	if p.n()%s.rule.ProducerSamples == 0 {
		s.disagree(side)
	}
}

// goesOn takes note of another record of an incident, tells it again now and then,
// and accepts in the end what does not go away.
func (s *sighting) goesOn(side int, d *drift) {
	t, now := &s.topic.sides[side], s.b.Time
	d.hits++
	d.last = now
	if !d.disjoint && t.all-d.begun >= uint64(s.rule.Window) && now.Sub(d.first) >= s.rule.AcceptAfter {
		s.accept(side, d.class)
		return
	}
	if now.Sub(d.told) >= driftRepeat {
		d.told = now
		s.c.Report(d.report())
	}
}

// begin opens an incident and tells it; p is whose usual format it is held
// against.
func (s *sighting) begin(side int, c format.Class, p *picture, own bool) {
	usual := p.norm.First()
	d := s.newDrift(side, c, s.writer)
	if d == nil {
		return
	}
	d.own, d.usual = own, usual
	d.hits, d.usualHits, d.samples = p.maybe(c), p.fits(usual), p.n()
	if s.writer == nil {
		d.offset, d.reader = s.b.Header.BaseOffset+int64(s.r.OffsetDelta), clientText(s.b.Identity)
	}
	s.c.Report(d.report())
}

// newDrift opens an incident of a producer, or of nobody in particular; nil if
// there are too many already.
func (s *sighting) newDrift(side int, c format.Class, by *formatWriter) *drift {
	t, now := &s.topic.sides[side], s.b.Time
	if len(t.drifts) == driftLimit {
		return nil
	}
	d := &drift{
		side: side, class: c, topic: s.topic.name, partition: s.b.Partition, begun: t.all, first: now, last: now, told: now,
		subject: rules.Subject{Topic: s.topic.name},
	}
	if by != nil {
		d.client, d.software, d.writer, d.partition = by.client, by.software, by.writer, by.partition
		d.subject.ClientID, d.subject.Software = by.client, by.software
		if by == s.writer {
			d.subject = rules.SubjectOf(s.b.Identity)
			d.subject.Topic = s.topic.name
		}
	}
	t.drifts = append(t.drifts, d)
	s.topic.store.open.Add(1)
	return d
}

// disagree looks for another producer with a format that excludes this one's.
func (s *sighting) disagree(side int) {
	mine, norm := s.writer.sides[side].dominant(s.rule), s.topic.sides[side].held
	if mine == 0 || norm == 0 && s.early || s.topic.collects(side, s.rule) {
		return
	}
	for _, other := range s.topic.producers {
		theirs := other.sides[side].dominant(s.rule)
		if other == s.writer || theirs == 0 || s.b.Time.Sub(other.last) > s.rule.AcceptAfter || agree(&s.writer.sides[side].picture, mine, &other.sides[side].picture, theirs) {
			continue
		}
		odd, right := s.writer, other
		if norm&mine != 0 || norm&theirs == 0 && s.topic.before(s.writer, other) {
			odd, right = other, s.writer
		}
		s.escalate(side, odd, right)
		return
	}
}

// escalate makes an incident of two producers that do not agree, or a worse one
// of what is open already.
func (s *sighting) escalate(side int, odd, right *formatWriter) {
	p, q := &odd.sides[side], &right.sides[side]
	class := p.dominant(s.rule).First()
	d := s.topic.sides[side].drift(class, odd)
	if d == nil {
		d = s.newDrift(side, class, odd)
	}
	if d == nil || d.disjoint {
		return
	}
	d.disjoint, d.told = true, s.b.Time
	d.other, d.otherSoftware = right.client, right.software
	d.usual, d.usualHits = q.dominant(s.rule).First(), q.n()
	d.hits, d.samples = max(d.hits, p.maybe(class)), p.n()
	s.c.Report(d.report())
}

// dominant is the formats that nearly all samples of a producer have, once there
// are some.
func (w *writerSide) dominant(d *formatDrift) format.Set {
	if w.n() < d.ProducerSamples {
		return 0
	}
	return w.usual()
}

// agree says whether a consumer could read what both write: there is a format that
// both have, or that one has and what the other writes passes for. JSON passes for
// text only among text: two producers of which one writes nothing but JSON do not agree.
func agree(a *picture, mine format.Set, b *picture, theirs format.Set) bool {
	for c := range format.NumClasses {
		if !(mine | theirs).Has(c) || a.fits(c)*100 < a.n()*95 || b.fits(c)*100 < b.n()*95 {
			continue
		}
		if c != format.Text || mine.Has(c) && theirs.Has(c) {
			return true
		}
	}
	return false
}

// collects says whether producers write so many different formats that the topic
// must be meant to take them all. One that has just begun counts: two of three would
// be said not to agree if the third is slower.
func (t *topicFormats) collects(side int, d *formatDrift) bool {
	var kinds format.Set
	n := 0
	for _, p := range t.producers {
		w := &p.sides[side]
		if usual := w.usual(); w.n() >= d.Hits && usual&kinds == 0 && usual != 0 {
			kinds |= usual
			n++
		}
	}
	return n > 2
}

// before says whether one producer was seen before another.
func (t *topicFormats) before(a, b *formatWriter) bool {
	for _, p := range t.producers {
		switch p {
		case a:
			return true
		case b:
			return false
		}
	}
	return false
}

// driftRepeat is how often an incident that goes on is told again: more often
// than the hour after which a silent one is taken for over.
const driftRepeat = 30 * time.Minute
