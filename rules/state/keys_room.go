package state

import "time"

// add makes a topic, in the place of others if the store is full; nil if even
// that gives no room. k.mu is held.
func (k *Keys) add(name string, now time.Time) *keyTopic {
	t := &keyTopic{name: name, ref: Java, last: now, bytes: topicBytes + len(name) + minSlots*slotBytes}
	if !k.room(t.bytes, now, false, nil) {
		return nil
	}
	t.table = newKeyTable(minSlots)
	t.used.Store(true)
	t.slot = len(k.ring)
	k.ring = append(k.ring, t)
	k.byName[name] = t
	k.bytes += t.bytes
	return t
}

// grow gives a topic's table more room if there is any.
func (k *Keys) grow(t *keyTopic, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t.mu.Lock()
	more, crowded := t.table.bytes()*(growth-1), t.table.crowded()
	t.mu.Unlock()
	if !crowded || t.gone.Load() {
		return // another session was quicker
	}
	ok := k.room(more, now, true, t)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !ok {
		t.full = now.Add(restedFor)
		return
	}
	before := t.table.bytes()
	t.table.grow()
	t.bytes += t.table.bytes() - before
	k.bytes += t.table.bytes() - before
}

// room drops topics until so many bytes are free, and says whether they are. Of
// rested ones only, or of any but the one that must stay. k.mu is held, and the
// lock of the topic that must stay may be.
func (k *Keys) room(bytes int, now time.Time, rested bool, stay *keyTopic) bool {
	for turns := 2 * len(k.ring); k.bytes+bytes > k.limit; turns-- {
		if turns <= 0 || len(k.ring) == 0 {
			return false
		}
		k.hand %= len(k.ring)
		t := k.ring[k.hand]
		if t == stay || rested && !t.rested(now) || !rested && t.used.Swap(false) {
			k.hand++
			continue
		}
		k.remove(t)
		k.evicted.Add(1)
	}
	return true
}

func (t *keyTopic) rested(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return now.Sub(t.last) >= restedFor
}

// remove drops a topic. k.mu is held.
func (k *Keys) remove(t *keyTopic) {
	delete(k.byName, t.name)
	last := len(k.ring) - 1
	k.ring[t.slot] = k.ring[last]
	k.ring[t.slot].slot = t.slot
	k.ring[last] = nil
	k.ring = k.ring[:last]
	k.bytes -= t.bytes
	t.gone.Store(true)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.table = newKeyTable(slotWays) // for a session that is just about to settle
	t.writers = nil
}
