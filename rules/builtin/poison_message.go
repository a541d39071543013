package builtin

import (
	"time"

	"warder/rules"
	"warder/rules/state"
)

// poisonMessage finds the record that a consumer cannot get past: it fails, does not
// commit, and is given the same record again, for ever. It shows in four ways.
//
//	refetch       the same offset is fetched again and again, with records in
//	              each answer: the application seeks back to it
//	crash loop    one member after the other reads the partition and ends, and
//	              none commits anything while a record waits
//	stuck commit  the member lives and gets on with its other partitions, and
//	              this one's offset does not move
//	redelivery    in a share group, the broker gives it to a member again and
//	              again, see tickShare
type poisonMessage struct{ poisonKnobs }

// poisonKnobs are the keys below `rules.poison-message` that only it knows.
type poisonKnobs struct {
	// How often the same offset must be fetched again.
	Refetches int `yaml:"refetches" min:"2" max:"1000"`
	// Over how long.
	RefetchFor time.Duration `yaml:"refetch_for" min:"1s" max:"1h"`
	// How many members in a row must read the partition and end without a commit.
	Restarts int `yaml:"restarts" min:"2" max:"100"`
	// Within how long.
	RestartsWithin time.Duration `yaml:"restarts_within" min:"1m" max:"1d"`
	// How long an offset must not move while its member gets on with others; ten
	// times the usual time between commits when that is longer.
	StuckFor time.Duration `yaml:"stuck_for" min:"10s" max:"1d"`
	// How often a record of a share group must be delivered.
	Deliveries int `yaml:"deliveries" min:"2" max:"100"`
	// What group.share.delivery.count.limit of the brokers is set to.
	DeliveryLimit int `yaml:"delivery_limit" min:"2" max:"100"`
}

const (
	// poisonFew partitions at once may each have a bad record; if it is more,
	// their consumer is at fault, or one record stops them all.
	poisonFew = 3
	// poisonIntervals are how many usual times between commits are long.
	poisonIntervals = 10
	// poisonOthers is how lately other partitions must have moved.
	poisonOthers = time.Minute
)

func poisonMessageSpec() rules.Spec {
	return rules.Spec{
		ID:       "poison-message",
		Summary:  "a record that its consumer cannot get past, and reads again and again",
		Severity: rules.Critical,
		Needs:    rules.NeedSamples | rules.NeedFetched,
		Default:  rules.Alert,
		Doc:      "docs/rules/poison-message.md",
		Example:  "poison-message:\n  refetches: 10\n  refetch_for: 2m\n",
		FoldBy:   rules.FieldGroup | rules.FieldTopic | rules.FieldPartition,
		Watches:  append(offsetEvents(), rules.Interest{Kind: rules.KindAcquired, By: rules.ByGroup}, rules.Interest{Kind: rules.KindAcknowledged, By: rules.ByGroup}),
		New:      newPoisonMessage,
	}
}

func newPoisonMessage(decode func(any) error) (rules.Rule, error) {
	r := &poisonMessage{poisonKnobs{
		Refetches: 5, RefetchFor: 30 * time.Second, Restarts: 3, RestartsWithin: 30 * time.Minute, StuckFor: 5 * time.Minute,
		Deliveries: 3, DeliveryLimit: 5,
	}}
	if err := decode(&r.poisonKnobs); err != nil {
		return nil, err
	}
	return r, nil
}

// poisonShape is how it shows, from the weakest sign to the strongest.
type poisonShape uint8

const (
	notPoisoned poisonShape = iota
	stuckCommit
	crashLoop
	refetched
)

var poisonShapes = [...]string{"", "stuck-commit", "crash-loop", "refetch"}

// poisonedGroup is the state of one group: 100 bytes for each partition that lags.
// The model bounds how many there are. Of a share group it is 250 bytes
// for each partition with records that were told of.
type poisonedGroup struct {
	partitions map[rules.TopicPartition]*poisoned
	many       poisoned // more than poisonFew crash loops at once
	found      []poisonFound
	getsOn     map[*state.Member]bool // of one tick: whether it commits anything
	// of share groups: what was told, and what one look found
	shared map[rules.TopicPartition]*sharedPoison
	again  []redelivered
}

// poisoned is one partition that lags.
type poisoned struct {
	left    int       // GroupPartition.Abandoned when it began to lag
	since   time.Time // that
	shape   poisonShape
	offset  int64
	toldAt  time.Time // zero when it was not
	subject rules.Subject
}

// poisonFound is what one look found.
type poisonFound struct {
	p     *state.GroupPartition
	known *poisoned
	shape poisonShape
}

// Watch begins the state of a group.
func (r *poisonMessage) Watch(w *rules.Watch, _ rules.Event) {
	if w.State == nil {
		w.State = &poisonedGroup{partitions: map[rules.TopicPartition]*poisoned{}}
	}
}

// Tick looks at all partitions that lag.
func (r *poisonMessage) Tick(w *rules.Watch) {
	g, s := groupOf(w), w.State.(*poisonedGroup)
	switch {
	case g == nil:
		return
	case !g.Protocol.Exclusive():
		if g.Refreshed.Equal(w.Now) {
			r.tickShare(w, g, s)
		}
		return
	case !judgeable(g, w.Now):
		return
	}
	s.found = s.found[:0]
	clear(s.getsOn)
	loops := 0
	g.EachPartition(func(p *state.GroupPartition) {
		k := r.known(w, g, s, p)
		if k == nil {
			return
		}
		if shape := r.shape(g, s, p, k); shape != notPoisoned {
			s.found = append(s.found, poisonFound{p, k, shape})
			if shape == crashLoop {
				loops++
			}
		}
	})
	for _, f := range s.found {
		if f.shape == crashLoop && loops > poisonFew {
			continue
		}
		r.tell(w, g, f)
	}
	s.tellMany(w, g, loops, func() rules.Report { return r.reportMany(g, s.found, loops) })
}

// known gives what is known of a partition that lags, nil when it does not. It takes
// back what was told when the group has got past it.
func (r *poisonMessage) known(w *rules.Watch, g *state.Group, s *poisonedGroup, p *state.GroupPartition) *poisoned {
	lag, ok := p.Lag()
	k := s.partitions[p.TopicPartition]
	lags := ok && lag > 0 && !readToEnd(p)
	past := k != nil && (!lags || p.Committed > k.offset)
	if past && !k.toldAt.IsZero() {
		w.Report(pastIt(g, p, k))
	}
	if !lags {
		delete(s.partitions, p.TopicPartition)
		return nil
	}
	if k == nil {
		k, past = &poisoned{}, true
		s.partitions[p.TopicPartition] = k
	}
	if past {
		*k = poisoned{left: p.Abandoned, since: w.Now, offset: p.Committed}
	}
	return k
}

// shape says whether a record seems to stop the partition, and how that shows.
func (r *poisonMessage) shape(g *state.Group, s *poisonedGroup, p *state.GroupPartition, k *poisoned) poisonShape {
	owner, now := g.Owner(p), g.Refreshed
	if owner != nil && p.ReadOffset >= p.Committed && p.Refetched >= r.Refetches && now.Sub(p.RefetchedSince) >= r.RefetchFor && now.Sub(p.RefetchedAt) < r.RefetchFor {
		return refetched
	}
	if p.Abandoned-k.left >= r.Restarts {
		if now.Sub(k.since) <= r.RestartsWithin || k.shape == crashLoop {
			return crashLoop
		}
		k.left, k.since = p.Abandoned, now // too slow: counted anew
	}
	if owner == nil || rebalancing(g) || !ownerAlive(owner, now) || looksPaused(g, p, now) {
		return notPoisoned
	}
	still := max(r.StuckFor, poisonIntervals*p.CommitInterval())
	if p.Waiting(now) >= still && now.Sub(p.RoseAt) >= still && now.Sub(p.OwnedSince) >= still && s.commits(g, owner) {
		return stuckCommit
	}
	return notPoisoned
}

// commits says that a member has committed some partition further lately.
func (s *poisonedGroup) commits(g *state.Group, m *state.Member) bool {
	does, known := s.getsOn[m]
	if known {
		return does
	}
	if s.getsOn == nil {
		s.getsOn = map[*state.Member]bool{}
	}
	for _, tp := range m.Assigned {
		if p := g.Partition(tp); p != nil && !p.RoseAt.IsZero() && g.Refreshed.Sub(p.RoseAt) < poisonOthers {
			does = true
			break
		}
	}
	s.getsOn[m] = does
	return does
}

// tell reports a partition when it is new, shows in a stronger way, or lasts.
func (r *poisonMessage) tell(w *rules.Watch, g *state.Group, f poisonFound) {
	k := f.known
	if !k.toldAt.IsZero() && f.shape <= k.shape && w.Now.Sub(k.toldAt) < offsetRepeat {
		return
	}
	k.shape, k.toldAt, k.subject = max(f.shape, k.shape), w.Now, partitionSubject(g, f.p)
	out := r.report(g, f, w.Now)
	if record, ok := w.Shared.(*fetchedForms).of(f.p.TopicPartition, f.stopsAt()); ok {
		out.Summary += record.words()
		out.Evidence = append(out.Evidence, record.facts()...)
	}
	w.Report(out)
}

// tellMany reports that so many places stop at once that it is the consumers that are
// at fault, and when that is over.
func (s *poisonedGroup) tellMany(w *rules.Watch, g *state.Group, n int, report func() rules.Report) {
	m := &s.many
	switch {
	case n > poisonFew && (m.toldAt.IsZero() || w.Now.Sub(m.toldAt) >= offsetRepeat):
		m.toldAt = w.Now
		w.Report(report())
	case n == 0 && !m.toldAt.IsZero():
		m.toldAt = time.Time{}
		w.Report(manyPast(g))
	}
}
