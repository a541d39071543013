package builtin

import (
	"math"
	"time"
)

// rateBuckets is how many parts a window is counted in.
const rateBuckets = 6

// enoughRecords says what is usual on a busy topic before its time of learning is
// over.
const enoughRecords = 1000

// writes counts records and the tombstones among them.
type writes struct{ records, tombstones int }

// deleteRate is how much of what is written to a topic are tombstones: in the
// window that ends now, and before it as a rule. What leaves the window counts
// towards the rule, so that the two never overlap.
type deleteRate struct {
	bucket time.Duration
	head   int64 // number of the newest bucket since 1970
	first  int64 // and of the first that saw anything
	recent [rateBuckets]writes
	usual  usualWrites
	// While frozen, what leaves the window is not usual: it is summed up apart.
	frozen bool
	apart  usualWrites
}

// usualWrites are sums over the past in which everything counts the less the older
// it is, by a factor e for each `baseline`: the exponentially weighted average is
// their quotient.
type usualWrites struct {
	records, tombstones float64
	span                float64 // seconds that they are of
	learned             time.Duration
	seen                int // records, none forgotten
}

func newDeleteRate(k *spikeKnobs, at time.Time) deleteRate {
	r := deleteRate{bucket: k.Window / rateBuckets}
	r.head = r.number(at)
	r.first = r.head
	return r
}

func (r *deleteRate) number(at time.Time) int64 { return at.UnixNano() / int64(r.bucket) }

// advance moves the window to end at a time.
func (r *deleteRate) advance(k *spikeKnobs, at time.Time) {
	steps := r.number(at) - r.head
	for range min(steps, rateBuckets) {
		r.head++
		last := &r.recent[r.head%rateBuckets]
		if r.head-rateBuckets >= r.first {
			r.leaves(k, *last, 1)
		}
		*last = writes{}
	}
	if steps > rateBuckets { // nothing was written meanwhile
		r.leaves(k, writes{}, steps-rateBuckets)
		r.head = r.number(at)
	}
}

// leaves learns from a bucket that has left the window, the last of so many.
func (r *deleteRate) leaves(k *spikeKnobs, w writes, buckets int64) {
	u := &r.usual
	if r.frozen {
		u = &r.apart
	}
	passed := time.Duration(buckets) * r.bucket
	old := math.Exp(-passed.Seconds() / k.Baseline.Seconds())
	u.records = u.records*old + float64(w.records)
	u.tombstones = u.tombstones*old + float64(w.tombstones)
	// A constant rate from the beginning must come out as it is, so the span is
	// the sum of the same weights.
	each := math.Exp(-r.bucket.Seconds() / k.Baseline.Seconds())
	u.span = u.span*old + r.bucket.Seconds()*(1-old)/(1-each)
	u.learned += passed
	u.seen += w.records
}

// add counts what was written; what is older than the window is too late.
func (r *deleteRate) add(k *spikeKnobs, at time.Time, w writes) {
	r.advance(k, at)
	if n := r.number(at); r.head-n < rateBuckets && n >= 0 {
		slot := &r.recent[n%rateBuckets]
		slot.records += w.records
		slot.tombstones += w.tombstones
	}
}

// window is the sum of the window.
func (r *deleteRate) window() (sum writes) {
	for _, w := range r.recent {
		sum.records += w.records
		sum.tombstones += w.tombstones
	}
	return sum
}

// usualFraction is the share of tombstones among the records, as a rule.
func (r *deleteRate) usualFraction() float64 {
	if r.usual.records == 0 {
		return 0
	}
	return r.usual.tombstones / r.usual.records
}

// usualIn is how many tombstones there are in so much time, as a rule.
func (r *deleteRate) usualIn(d time.Duration) float64 {
	if r.usual.span == 0 {
		return 0
	}
	return r.usual.tombstones / r.usual.span * d.Seconds()
}

// freeze ends learning.
func (r *deleteRate) freeze() { r.frozen, r.apart = true, usualWrites{} }

// thaw begins it again. What came meanwhile is forgotten, or becomes the rule.
func (r *deleteRate) thaw(adopt bool) {
	if adopt {
		r.usual = r.apart
	}
	r.frozen = false
}

// sign is what makes a window a spike.
type sign uint8

const (
	noSpike   sign = iota
	unusual        // hardly anything is deleted as a rule, now much is
	manifold       // many times as much is deleted as usual
	nearlyAll      // it is not known what is usual, and hardly anything else is written
)

// sign judges the window.
func (r *deleteRate) sign(k *spikeKnobs) sign {
	now := r.window()
	if now.tombstones < k.AtLeast {
		return noSpike
	}
	fraction, usual := float64(now.tombstones)/float64(now.records), r.usualFraction()
	known := r.usual.learned >= k.Learn
	switch {
	case !known && r.usual.seen < enoughRecords:
		if fraction >= k.YoungFraction {
			return nearlyAll
		}
	// The same deletes among fewer other records are a quiet night.
	case fraction >= k.Fraction && usual <= k.UsualFraction && float64(now.tombstones) >= 2*r.usualIn(k.Window):
		return unusual
	// More of everything is no spike of deletes: their share must grow too, to
	// twice the usual or half of the way to all.
	case known && float64(now.tombstones) >= k.TimesUsual*r.usualIn(k.Window) && fraction >= min(2*usual, (1+usual)/2):
		return manifold
	}
	return noSpike
}
