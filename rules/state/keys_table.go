package state

import "time"

// keySlot is where a key was seen last, in 16 bytes.
//
// The tag is the upper 48 bits of the key's xxHash64, and the lowest of those 48
// choose the set, up to 14 of them, so a table can grow without the keys. That
// leaves 34 bits to tell keys of one set apart in the largest table: too few to
// call two of them one. Further 32 bits confirm that it is the same key before
// anybody is told that it moved. They are what a partitioner makes of the key,
// which also says where it will go when partitions are added, as no other hash
// could; or, for a key that pushed another out of a table that cannot grow and
// has not come again since, the lower bits of its xxHash64, which cost nothing:
// where keys come and go by the million, most come once.
type keySlot struct {
	// tag has the tag in its upper 48 bits; then 13 bits of the fingerprint of
	// who wrote the key last, and 3 of the Partitioner that hash is of;
	// NoPartitioner when it is of xxHash64.
	tag  uint64
	hash uint32
	// partition is noPartition while the key's place is open.
	partition uint16
	// minute of the last write, see minuteOf; 0 for an empty slot.
	minute uint16
}

const (
	slotBytes   = 16
	slotWays    = 4 // a set is one cache line
	tagShift    = 16
	writerShift = 3
	writerMask  = 1<<13 - 1
	refMask     = 1<<3 - 1
	noPartition = 1<<16 - 1 // partitions from here on are not followed
	minSlots    = 1 << 8
	maxSlots    = 1 << 16
	growth      = 2 // from one size to the next
)

func (s *keySlot) writer() uint16 { return uint16(s.tag >> writerShift & writerMask) }

func (s *keySlot) ref() Partitioner { return Partitioner(s.tag & refMask) }

func (s *keySlot) setWriter(w uint16) {
	s.tag = s.tag&^(writerMask<<writerShift) | uint64(w)<<writerShift
}

// place sets what a partitioner makes of the key.
func (s *keySlot) place(ref Partitioner, hash uint32) {
	s.tag, s.hash = s.tag&^refMask|uint64(ref), hash
}

// is says whether the slot is of this very key, beyond its tag.
func (s *keySlot) is(item *keyItem) bool {
	if s.ref() == NoPartitioner {
		return s.hash == uint32(item.hash)
	}
	return s.hash == s.ref().Hash(item.key)
}

// ago is how long before now the slot was written, to the minute, modulo 45 days.
func (s *keySlot) ago(now uint16) time.Duration {
	minutes := int(now) - int(s.minute)
	if minutes < 0 {
		minutes += minutesInAll
	}
	return time.Duration(minutes) * time.Minute
}

// minutesInAll is how many minutes a slot can tell apart, some 45 days.
const minutesInAll = 1<<16 - 1

// minuteOf is the minute of a time, from 1 on.
func minuteOf(t time.Time) uint16 { return uint16(t.Unix()/60%minutesInAll) + 1 }

// keyTable remembers keys of one topic: 4-way set-associative, the least recently
// used of a set goes first. A table has 256 to 65,536 slots, 4 KiB to 1 MiB.
type keyTable struct {
	sets [][slotWays]keySlot
	used int
}

func newKeyTable(slots int) keyTable {
	return keyTable{sets: make([][slotWays]keySlot, slots/slotWays)}
}

func (t *keyTable) slots() int { return len(t.sets) * slotWays }

func (t *keyTable) bytes() int { return t.slots() * slotBytes }

// crowded says that keys begin to push each other out and a larger table exists.
// At three eighths one key in 50 finds its set full.
func (t *keyTable) crowded() bool { return t.used > t.slots()*3/8 && t.slots() < maxSlots }

// found says what touch has found.
type found uint8

const (
	knownKey   found = iota
	newKey           // in an empty slot
	pushingKey       // in the slot of another, which is forgotten
)

// touch gives the slot of a key, now the first of its set. It is empty but for
// its hashes unless the key is known.
func (t *keyTable) touch(hash uint64) (*keySlot, found) {
	set := &t.sets[(hash>>tagShift)&uint64(len(t.sets)-1)]
	for i := range set {
		if (set[i].tag^hash)>>tagShift == 0 && set[i].minute != 0 {
			if i > 0 {
				found := set[i]
				copy(set[1:i+1], set[:i])
				set[0] = found
			}
			return &set[0], knownKey
		}
	}
	what := pushingKey
	if set[slotWays-1].minute == 0 {
		t.used++
		what = newKey
	}
	set[3], set[2], set[1] = set[2], set[1], set[0]
	set[0] = keySlot{tag: hash >> tagShift << tagShift, hash: uint32(hash)}
	return &set[0], what
}

// grow gives the same keys more room.
func (t *keyTable) grow() {
	larger := newKeyTable(min(t.slots()*growth, maxSlots))
	t.each(func(s *keySlot) {
		slot, _ := larger.touch(s.tag)
		*slot = *s
	})
	*t = larger
}

// each calls f for every key, the least recently used of a set first.
func (t *keyTable) each(f func(*keySlot)) {
	for i := range t.sets {
		for j := slotWays - 1; j >= 0; j-- {
			if s := &t.sets[i][j]; s.minute != 0 {
				f(s)
			}
		}
	}
}

// moving says how many keys there are, and how many of those whose hash by a
// partitioner is known go elsewhere when the number of partitions changes. From
// then on the place of every key is open.
func (t *keyTable) moving(ref Partitioner, before, after int32) (known, moving int) {
	t.each(func(s *keySlot) {
		s.partition = noPartition
		if s.ref() != ref {
			return
		}
		known++
		if ref.Place(s.hash, before) != ref.Place(s.hash, after) {
			moving++
		}
	})
	return known, moving
}
