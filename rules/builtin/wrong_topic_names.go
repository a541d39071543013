package builtin

import (
	"warder/rules/state"
)

const (
	// maxTopicNames bounds the names that look-alikes are looked for among. One
	// takes some 250 bytes; beyond the bound the name that was not heard of for
	// the longest is forgotten.
	maxTopicNames = 100_000
	// maxCompared bounds how many names one search compares letter by letter.
	maxCompared = 2000
	// maxTopicName is Kafka's own limit (Topic.MAX_NAME_LENGTH).
	maxTopicName = 249
)

// topicNames is the set of topic names of the cluster, made to be searched for
// look-alikes: names of like length are compared, and of them only those that are
// made of nearly the same letters.
type topicNames struct {
	byName   *state.LRU[string, *listedName]
	byLength [maxTopicName + 1]nameList
}

// nameList is all names with one number of letters. What is looked at first lies
// together in memory.
type nameList struct {
	masks []uint64
	names []*listedName
}

type listedName struct {
	topicForm
	at int // in its nameList
}

func newTopicNames(limit int) *topicNames {
	return &topicNames{byName: state.NewLRU[string, *listedName](limit)}
}

// learn adds a name, or notes that it is still in use.
func (t *topicNames) learn(name string) {
	if _, known := t.byName.Get(name); known || name == "" || len(name) > maxTopicName {
		return
	}
	n := &listedName{topicForm: newTopicForm(name)}
	if gone, evicted := t.byName.Put(name, n); evicted {
		t.unlist(gone)
	}
	list := &t.byLength[n.letters]
	n.at = len(list.names)
	list.names, list.masks = append(list.names, n), append(list.masks, n.mask)
}

func (t *topicNames) forget(name string) {
	if n, known := t.byName.Peek(name); known {
		t.byName.Delete(name)
		t.unlist(n)
	}
}

func (t *topicNames) unlist(n *listedName) {
	list := &t.byLength[n.letters]
	last := len(list.names) - 1
	moved := list.names[last]
	list.names[n.at], list.masks[n.at], moved.at = moved, list.masks[last], n.at
	list.names[last] = nil
	list.names, list.masks = list.names[:last], list.masks[:last]
}

// lookAlike is a name that another looks like.
type lookAlike struct {
	name  string
	how   likeness
	slips int
}

// find gives the accepted name that looks most like the given one, which need not
// be known; name "" when there is none.
func (t *topicNames) find(name string, accept func(lookAlike) bool) (best lookAlike) {
	form := newTopicForm(name)
	compared := 0
	for length := max(form.letters-2, 0); length <= min(form.letters+2, maxTopicName); length++ {
		list := &t.byLength[length]
		for i, mask := range list.masks {
			if onesBetween(mask, form.mask) > 4 {
				continue
			}
			if compared++; compared > maxCompared {
				return best
			}
			other := list.names[i]
			how, slips := form.compare(&other.topicForm)
			found := lookAlike{other.name, how, slips}
			if how != unlike && (best.name == "" || found.closer(&best)) && accept(found) {
				best = found
			}
		}
	}
	return best
}

// closer orders look-alikes; names decide between what is equally close, so that
// the same events make the same finding.
func (l *lookAlike) closer(than *lookAlike) bool {
	if l.how != than.how {
		return l.how < than.how
	}
	if l.slips != than.slips {
		return l.slips < than.slips
	}
	return l.name < than.name
}
