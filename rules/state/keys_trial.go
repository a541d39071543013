package state

import (
	"time"

	"warder/rules"
)

// How many different keys it takes to know a partitioner. The wrong one puts a
// key where it is with probability 1/n: with 3 partitions 20 keys agree by chance
// once in 3e9, with 2 it takes 40 for 1e12. While either of two numbers of
// partitions may be meant, chance is twice as likely.
const (
	enoughKeys    = 20
	trialKeys     = 256 // after so many it is undecided
	matchPercent  = 98
	customPercent = 50 // with n above 6; see custom
	// trialEvery is how long after a trial the next may begin, which bounds
	// what a client can make it cost that does now this, now that.
	trialEvery = 10 * time.Second
	// compareEvery: one record of so many is compared with what is known.
	compareEvery = 32
)

// trial tries all partitioners on keys that were not seen before.
type trial struct {
	open    bool
	keys    int // that were tried
	matches [numPartitioners]int
	seen    [1024 / 64]uint64 // by ten bits of the hash
}

// first says whether the key is seen for the first time.
func (t *trial) first(hash uint64) bool {
	word, bit := &t.seen[hash>>6&15], uint64(1)<<(hash&63)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}

// reopen begins another trial, if the last is long enough ago. A trial that is
// open goes on.
func (w *KeyWriter) reopen(now time.Time) {
	if !w.trial.open && !now.Before(w.next) {
		w.trial = trial{open: true}
	}
}

// try is one more key of a trial.
func (w *KeyWriter) try(key []byte, partition, n, before int32) {
	w.trial.keys++
	here := places(key, n)
	var there [numPartitioners]int32
	if before > 0 {
		there = places(key, before)
	}
	for p := Java; p < numPartitioners; p++ {
		if here[p] == partition || before > 0 && there[p] == partition {
			w.trial.matches[p]++
		}
	}
}

// verdict is what a trial has come to.
type verdict uint8

const (
	undecided verdict = iota
	decided
	custom
	given // up
)

// verdict judges the trial as it stands. Partitioners that n partitions cannot
// tell apart count as one.
func (t *trial) verdict(n, before int32) (Partitioner, verdict) {
	need := enoughKeys
	if n == 2 {
		need *= 2
	}
	if before > 0 {
		need *= 2
	}
	if t.keys < need {
		return NoPartitioner, undecided
	}
	best, candidates := NoPartitioner, 0
	for p := Java; p < numPartitioners; p++ {
		if t.matches[p] > t.matches[best] {
			best = p
		}
		if t.matches[p]*100 >= t.keys*matchPercent && p.Plainest(n) == p {
			candidates++
		}
	}
	best = best.Plainest(n)
	switch {
	case candidates == 1 || candidates > 1 && t.keys >= trialKeys:
		return best, decided
	case candidates == 0 && t.custom(best, n):
		return best, custom
	case t.keys >= trialKeys:
		return best, given
	}
	return NoPartitioner, undecided
}

// custom says whether even the best partitioner is no better than chance could
// be: a half of the keys, or three times the share of one partition if that is
// more; where that is all of them, nine in ten.
func (t *trial) custom(best Partitioner, n int32) bool {
	limit := min(max(300/int(n), customPercent), 90)
	return t.matches[best]*100 <= t.keys*limit
}

// conclude looks whether the trial has come to an end, and gives what was used
// before if that changed.
func (w *KeyWriter) conclude(now time.Time, n, before int32) (news bool, was string) {
	best, v := w.trial.verdict(n, before)
	if v == undecided {
		return false, ""
	}
	w.trial.open, w.next, w.left = false, now.Add(trialEvery), compareEvery
	if v == given {
		return false, ""
	}
	uses := best
	if v == custom {
		uses = NoPartitioner
		// Some keys of a client that usually hashes may be placed by hand.
		if w.customs++; w.known && w.uses != NoPartitioner && w.customs < 2 {
			return false, ""
		}
	} else {
		w.customs = 0
	}
	w.keys, w.matches = w.trial.keys, w.trial.matches[best]
	if w.known && w.uses == uses {
		return false, ""
	}
	if w.known {
		was = w.uses.String()
	}
	w.uses, w.known = uses, true
	w.topic.prefer(uses, now)
	return true, was
}

// prefer makes hashes of a partitioner what the table keeps, unless those of one
// that is still in use are kept already.
func (t *keyTopic) prefer(p Partitioner, now time.Time) {
	if p == NoPartitioner || t.found && t.ref == p {
		return
	}
	if t.found {
		for _, w := range t.writers {
			if w.known && w.uses == t.ref && now.Sub(w.last) < time.Hour {
				return
			}
		}
	}
	t.ref, t.found = p, true
}

// foundEvent says what the client uses. key is the example.
func (w *KeyWriter) foundEvent(key []byte, now time.Time, n int32, was string) rules.PartitionerFound {
	w.told = now
	ev := rules.PartitionerFound{
		At: now, Client: w.client, Topic: w.topic.name, Partitions: n, Partitioner: w.uses.String(),
		Keys: w.keys, Matches: w.matches, Before: was,
		Example: rules.KeyPlaces{Key: rules.KeyText(key), Shown: rules.Excerpt(key, shownBytes), Places: map[string]int32{}},
	}
	all := places(key, n)
	for p := Java; p < numPartitioners; p++ {
		ev.Example.Places[p.String()] = all[p]
	}
	return ev
}

// shownBytes is how much of a key an event carries for rules that may reveal it.
const shownBytes = 64
