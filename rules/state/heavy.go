package state

import (
	"cmp"
	"slices"
)

const (
	heavyKeys  = 256 // counters; a place among them fits into a byte
	heavyIndex = 512 // places of the hash table; at most half of them are taken
)

// HeavyKey is a key that carries much of the weight.
type HeavyKey struct {
	Hash uint64
	// Count is at least the weight of the key and exceeds it by at most Error.
	Count, Error float64
	// Name is for the caller to set. It is empty again when the counter has
	// gone to another key.
	Name string
}

// Least is what the key weighs at least.
func (k *HeavyKey) Least() float64 { return k.Count - k.Error }

// Heavy finds the keys that carry the most weight in a stream, each given as a
// 64-bit hash: space-saving (Metwally, Agrawal, El Abbadi, 2005) with 256
// counters. Of a total of N, every key that weighs more than N/256 has a counter,
// and no count is wrong by more than N/256; a key that is new when all counters
// are taken inherits the smallest of them as its error.
//
// It takes 12 KiB, never more, besides the names that the caller sets. Adding
// costs a look into a hash table and at most eight steps in a heap. Whoever
// chooses hashes that fall on one place of the table makes that a search through
// 256 of them, no worse. The zero value is empty; it is not safe for concurrent
// use.
type Heavy struct {
	keys  [heavyKeys]HeavyKey
	heap  [heavyKeys]uint8   // places in keys, the smallest count first
	above [heavyKeys]uint8   // for each of keys, its place in heap
	index [heavyIndex]uint16 // place in keys plus one, by hash; 0 is free
	used  int
	total float64
}

// Add shows it a key of some weight and gives the key's counter, which is valid
// until the next call of Add.
func (h *Heavy) Add(hash uint64, weight float64) *HeavyKey {
	h.total += weight
	at := h.find(hash)
	if h.index[at] != 0 {
		i := h.index[at] - 1
		h.keys[i].Count += weight
		h.sink(int(h.above[i]))
		return &h.keys[i]
	}
	if h.used < heavyKeys {
		i := h.used
		h.used++
		h.keys[i] = HeavyKey{Hash: hash, Count: weight}
		h.index[at] = uint16(i + 1)
		h.heap[i], h.above[i] = uint8(i), uint8(i)
		h.rise(i)
		return &h.keys[i]
	}
	i := h.heap[0]
	k := &h.keys[i]
	h.remove(k.Hash)
	*k = HeavyKey{Hash: hash, Count: k.Count + weight, Error: k.Count}
	h.index[h.find(hash)] = uint16(i) + 1
	h.sink(0)
	return k
}

// Total is the weight of everything that was added.
func (h *Heavy) Total() float64 { return h.total }

// Halve halves every weight, so that the past counts ever less.
func (h *Heavy) Halve() {
	h.total /= 2
	for i := range h.keys[:h.used] {
		h.keys[i].Count /= 2
		h.keys[i].Error /= 2
	}
}

// Above gives copies of the keys that may weigh more than that, the heaviest
// first.
func (h *Heavy) Above(weight float64) []HeavyKey {
	var keys []HeavyKey
	for i := range h.keys[:h.used] {
		if h.keys[i].Count > weight {
			keys = append(keys, h.keys[i])
		}
	}
	slices.SortFunc(keys, func(a, b HeavyKey) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Hash, b.Hash))
	})
	return keys
}

// find gives the place in index that holds the hash, or that is free for it.
func (h *Heavy) find(hash uint64) int {
	at := home(hash)
	for h.index[at] != 0 && h.keys[h.index[at]-1].Hash != hash {
		at = (at + 1) % heavyIndex
	}
	return at
}

// home is where the search for a hash begins.
func home(hash uint64) int { return int(hash % heavyIndex) }

// remove frees the place of a hash and moves up what stands behind it, so that
// no search ends too early.
func (h *Heavy) remove(hash uint64) {
	hole := h.find(hash)
	for at := (hole + 1) % heavyIndex; h.index[at] != 0; at = (at + 1) % heavyIndex {
		from := home(h.keys[h.index[at]-1].Hash)
		if (at-from+heavyIndex)%heavyIndex >= (at-hole+heavyIndex)%heavyIndex {
			h.index[hole] = h.index[at]
			hole = at
		}
	}
	h.index[hole] = 0
}

// sink moves what stands at a place of the heap down to where it belongs.
func (h *Heavy) sink(at int) {
	for {
		least := at
		for child := 2*at + 1; child <= 2*at+2 && child < h.used; child++ {
			if h.count(child) < h.count(least) {
				least = child
			}
		}
		if least == at {
			return
		}
		h.swap(at, least)
		at = least
	}
}

// rise moves what stands at a place of the heap up to where it belongs.
func (h *Heavy) rise(at int) {
	for at > 0 && h.count(at) < h.count((at-1)/2) {
		h.swap(at, (at-1)/2)
		at = (at - 1) / 2
	}
}

func (h *Heavy) count(at int) float64 { return h.keys[h.heap[at]].Count }

func (h *Heavy) swap(a, b int) {
	h.heap[a], h.heap[b] = h.heap[b], h.heap[a]
	h.above[h.heap[a]], h.above[h.heap[b]] = uint8(a), uint8(b)
}
