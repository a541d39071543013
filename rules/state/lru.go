package state

import "container/list"

// LRU is a map of at most a fixed number of entries that forgets the one that
// was touched least recently. It is not safe for concurrent use.
type LRU[K comparable, V any] struct {
	limit   int
	byKey   map[K]*list.Element
	order   list.List // of *lruEntry[K, V], oldest first
	evicted uint64
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
}

// NewLRU makes a map of at most limit entries; limit must be positive.
func NewLRU[K comparable, V any](limit int) *LRU[K, V] {
	return &LRU[K, V]{limit: max(limit, 1), byKey: map[K]*list.Element{}}
}

// Get gives the value of a key and touches it.
func (l *LRU[K, V]) Get(key K) (V, bool) {
	e, ok := l.byKey[key]
	if !ok {
		var none V
		return none, false
	}
	l.order.MoveToBack(e)
	return e.Value.(*lruEntry[K, V]).value, true
}

// Touch gives the place of a key's value, to be changed there, and touches it; nil
// when it is not there. The place is good until the next Put or Delete.
func (l *LRU[K, V]) Touch(key K) *V {
	e, ok := l.byKey[key]
	if !ok {
		return nil
	}
	l.order.MoveToBack(e)
	return &e.Value.(*lruEntry[K, V]).value
}

// Peek gives the value of a key and does not touch it.
func (l *LRU[K, V]) Peek(key K) (V, bool) {
	e, ok := l.byKey[key]
	if !ok {
		var none V
		return none, false
	}
	return e.Value.(*lruEntry[K, V]).value, true
}

// Put sets the value of a key and touches it. When the map was full it returns
// the value that had to go, and true.
func (l *LRU[K, V]) Put(key K, value V) (gone V, evicted bool) {
	if e, ok := l.byKey[key]; ok {
		e.Value.(*lruEntry[K, V]).value = value
		l.order.MoveToBack(e)
		return gone, false
	}
	if len(l.byKey) >= l.limit {
		_, gone, evicted = l.Oldest()
		l.removeOldest()
		l.evicted++
	}
	l.byKey[key] = l.order.PushBack(&lruEntry[K, V]{key, value})
	return gone, evicted
}

// Replace changes the value of a key that is there, without touching it, and
// says whether it was.
func (l *LRU[K, V]) Replace(key K, value V) bool {
	e, ok := l.byKey[key]
	if ok {
		e.Value.(*lruEntry[K, V]).value = value
	}
	return ok
}

// Delete forgets a key.
func (l *LRU[K, V]) Delete(key K) {
	if e, ok := l.byKey[key]; ok {
		l.order.Remove(e)
		delete(l.byKey, key)
	}
}

// Oldest gives the entry that would go next.
func (l *LRU[K, V]) Oldest() (key K, value V, ok bool) {
	e := l.order.Front()
	if e == nil {
		return key, value, false
	}
	entry := e.Value.(*lruEntry[K, V])
	return entry.key, entry.value, true
}

func (l *LRU[K, V]) removeOldest() {
	if key, _, ok := l.Oldest(); ok {
		l.Delete(key)
	}
}

// Each calls f for every entry, oldest first. f may replace or delete the entry
// it was called with, and must touch none.
func (l *LRU[K, V]) Each(f func(key K, value V)) {
	for e := l.order.Front(); e != nil; {
		next, entry := e.Next(), e.Value.(*lruEntry[K, V])
		f(entry.key, entry.value)
		e = next
	}
}

// Len is the number of entries.
func (l *LRU[K, V]) Len() int { return len(l.byKey) }

// Evicted counts the entries that Put had to drop.
func (l *LRU[K, V]) Evicted() uint64 { return l.evicted }
