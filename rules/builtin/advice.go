package builtin

import (
	"fmt"
	"math/bits"
	"net/netip"
	"time"

	"warder/rules"
)

// What the rules have in common that give advice about how a client is set up. None
// of it is an alarm: what they speak of costs something and breaks nothing. So it
// must have gone on for a while (an application that starts, a broker that comes
// back, a test that is over soon are no news), is said seldom, and once for all
// instances of a client.

const (
	// adviceParts is how many parts the window has, each judged for itself, and
	// adviceNeeds in how many of the last ones something must have been so.
	adviceParts = 5
	adviceNeeds = 3
	// adviceAgain is how often it is said again: an incident that nobody speaks
	// of for an hour is closed.
	adviceAgain = 30 * time.Minute
	// adviceInstances is how many instances of a client are looked at. They have
	// one configuration: whoever else there is waits for one of them to go.
	adviceInstances = 8
	// adviceKinds is how many things one rule can say.
	adviceKinds = 5
)

// adviser is one of the rules. P is what it counts of one instance in one part of
// the window; the zero value is nothing.
type adviser[P any] struct {
	window   time.Duration
	fewest   int // requests in the window, below which nothing is said
	requests func(p *P) int
	kinds    []adviceKind[P]
}

// adviceKind is one thing that a rule can say.
type adviceKind[P any] struct {
	name string
	// is says whether a part of that length calls for it.
	is func(p *P, length time.Duration) bool
	// report puts it into words, about the part that called for it last.
	report func(of adviceOf[P]) rules.Report
	// over completes "it no longer".
	over string
}

// adviceOf is what there is to be said something about.
type adviceOf[P any] struct {
	client *rules.Identity
	part   *P
	length time.Duration
}

// perSecond is so many in a part, as a rate.
func perSecond(n int, length time.Duration) float64 { return float64(n) / length.Seconds() }

// advised is a client: at most 8 instances, each of what P takes and 100 bytes.
type advised[P any] struct {
	instances []*advisedInstance[P] // in the order in which they were seen
	told      [adviceKinds]adviceTold
	extra     any // what a rule keeps of the client as a whole
}

// adviceTold is something that was said and is not over; the zero value was not.
type adviceTold struct {
	at      time.Time
	subject rules.Subject
}

type advisedInstance[P any] struct {
	address  netip.Addr
	client   *rules.Identity // as it was seen last
	now      P               // of the part that has begun
	requests [adviceParts]int
	so       [adviceKinds]uint8 // a bit for each part that called for it, the latest the lowest
	length   time.Duration      // of a part
	part     int64              // number of the part that has begun, since the epoch
}

// clientOf gives what is known of the client of w, and closes the parts that are
// over.
func (a *adviser[P]) clientOf(w *rules.Watch) *advised[P] {
	c, _ := w.State.(*advised[P])
	if c == nil {
		c = &advised[P]{}
		w.State = c
	}
	kept := c.instances[:0]
	for _, in := range c.instances {
		if over := a.turn(w, c, in); !over || in.requests != [adviceParts]int{} {
			kept = append(kept, in)
		}
	}
	clear(c.instances[len(kept):])
	c.instances = kept
	return c
}

// count gives what is counted of an instance; nil when there are too many.
func (a *adviser[P]) count(w *rules.Watch, client *rules.Identity) *P {
	c := a.clientOf(w)
	address := client.Remote.Addr()
	for _, in := range c.instances {
		if in.address == address {
			in.client = client
			return &in.now
		}
	}
	if len(c.instances) == adviceInstances {
		return nil
	}
	in := &advisedInstance[P]{address: address, client: client, length: a.length(), part: a.partAt(w.Now)}
	c.instances = append(c.instances, in)
	return &in.now
}

// tick closes what is over and forgets a client of which there is nothing to say.
func (a *adviser[P]) tick(w *rules.Watch) {
	if w.State == nil {
		return
	}
	c := a.clientOf(w)
	a.settle(w, c)
	if len(c.instances) == 0 && c.told == ([adviceKinds]adviceTold{}) {
		w.State = nil
	}
}

func (a *adviser[P]) length() time.Duration      { return a.window / adviceParts }
func (a *adviser[P]) partAt(now time.Time) int64 { return now.UnixNano() / int64(a.length()) }

// turn closes the part of an instance that is over, and says whether it is.
func (a *adviser[P]) turn(w *rules.Watch, c *advised[P], in *advisedInstance[P]) bool {
	part, length := a.partAt(w.Now), a.length()
	if in.length != length { // the configuration has changed: begin anew
		*in = advisedInstance[P]{address: in.address, client: in.client, length: length, part: part}
		return false
	}
	if part <= in.part {
		return false // what comes late counts where it comes
	}
	a.close(w, c, in)
	in.shift(min(part-in.part, adviceParts) - 1) // parts in which it did nothing
	in.part = part
	return true
}

// shift makes room for n parts without anything.
func (in *advisedInstance[P]) shift(n int64) {
	for range n {
		copy(in.requests[1:], in.requests[:])
		in.requests[0] = 0
		for k := range in.so {
			in.so[k] = in.so[k] << 1 & (1<<adviceParts - 1)
		}
	}
}

// close judges the part that is over.
func (a *adviser[P]) close(w *rules.Watch, c *advised[P], in *advisedInstance[P]) {
	in.shift(1)
	in.requests[0] = a.requests(&in.now)
	all := 0
	for _, n := range in.requests {
		all += n
	}
	for k := range a.kinds {
		if !a.kinds[k].is(&in.now, in.length) {
			continue
		}
		in.so[k] |= 1
		if told := &c.told[k]; bits.OnesCount8(in.so[k]) >= adviceNeeds && all >= a.fewest && (told.at.IsZero() || w.Now.Sub(told.at) >= adviceAgain) {
			a.tell(w, told, k, in)
		}
	}
	in.now = *new(P)
}

func (a *adviser[P]) tell(w *rules.Watch, told *adviceTold, k int, in *advisedInstance[P]) {
	*told = adviceTold{w.Now, rules.SubjectOf(in.client)}
	r := a.kinds[k].report(adviceOf[P]{in.client, &in.now, in.length})
	r.Aspect, r.Subject = a.kinds[k].name, told.subject
	r.Evidence = append(rules.Evidence{{Name: "kind", Value: a.kinds[k].name}}, r.Evidence...)
	if library := in.client.Library(); library != rules.UnknownLibrary {
		r.Evidence = append(r.Evidence, rules.Fact{Name: "library", Value: library.String()})
	}
	w.Report(r)
}

// settle says that something is over of which no part of any instance within the
// window speaks.
func (a *adviser[P]) settle(w *rules.Watch, c *advised[P]) {
	for k := range a.kinds {
		told := &c.told[k]
		if told.at.IsZero() || c.still(k) {
			continue
		}
		summary := fmt.Sprintf("%s no longer %s", clientNamed(told.subject.ClientID), a.kinds[k].over)
		if len(c.instances) == 0 {
			summary = fmt.Sprintf("%s has stopped: for %s nothing came from it", clientNamed(told.subject.ClientID), spaced(a.window))
		}
		w.Report(rules.Report{
			Subject: told.subject, Aspect: a.kinds[k].name, Resolved: true, Summary: summary,
			Evidence: rules.Evidence{{Name: "kind", Value: a.kinds[k].name}}, Advice: "Nothing is left to do.",
		})
		*told = adviceTold{}
	}
}

func (c *advised[P]) still(k int) bool {
	for _, in := range c.instances {
		if in.so[k] != 0 {
			return true
		}
	}
	return false
}
