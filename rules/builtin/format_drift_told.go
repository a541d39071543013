package builtin

import (
	"cmp"
	"slices"
	"time"

	"warder/rules"
	"warder/rules/format"
)

// TellTopic tells how the records of a topic are serialized.
func (f *formatStore) TellTopic(topic string, _ time.Time, told *rules.TopicTold) {
	f.mu.Lock()
	t, ok := f.topics.Peek(topic)
	f.mu.Unlock()
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	formats := &rules.FormatsTold{
		Keys: t.sides[keySide].told(), Values: t.sides[valueSide].told(), Clients: make([]rules.FormatClient, 0, len(t.producers)),
	}
	for _, p := range t.producers {
		formats.Clients = append(formats.Clients, rules.FormatClient{
			Client: p.client, Software: p.software, Last: p.last, Keys: p.sides[keySide].name(), Values: p.sides[valueSide].name(),
		})
	}
	told.Formats = formats
}

// name is the format of nearly all samples, "" where there is none.
func (t *formatTally) name() string {
	usual := t.usual()
	if usual == 0 {
		return ""
	}
	return usual.First().String()
}

// told copies a tally. What every sample may be besides the usual format is not
// worth a word: four letters are four bytes too.
func (t *formatTally) told() rules.FormatTold {
	n, usual := t.n(), t.usual()
	v := rules.FormatTold{Samples: n, Usual: t.name(), Seen: []rules.FormatShare{}}
	for c := range format.NumClasses {
		if m := t.maybe(c); m > 0 && (!usual.Has(c) || c == usual.First()) {
			v.Seen = append(v.Seen, rules.FormatShare{Format: c.String(), Share: float64(m) / float64(n)})
		}
	}
	slices.SortStableFunc(v.Seen, func(a, b rules.FormatShare) int { return cmp.Compare(b.Share, a.Share) })
	return v
}
