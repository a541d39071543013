package builtin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"warder/rules"
)

// slow is how long never_null_slow samples must have taken to be enough.
const slow = time.Hour

// heldWindows is how many windows an incident lasts before what it is about
// counts as usual.
const heldWindows = 10

// learn counts one sample, with its topic locked, and reports what changed.
func (n *nullFieldDrift) learn(c *rules.Case, b *rules.Batch, t *topicFields, w *fieldWalk) {
	s := t.match(w, b.Time)
	if n.strange(t, &s) {
		return
	}
	var nulled, fallen, over, usual fieldSet
	for i := range t.fields {
		f := &t.fields[i]
		if s.excused.has(i) || !t.there(f, &s) {
			continue
		}
		f.count(s.values.has(i), s.nulls.has(i))
		bit := fieldSet(1) << i
		switch {
		case f.open:
		case s.nulls.has(i) && n.becameNull(f, b.Time):
			nulled |= bit
			continue
		case !s.values.has(i) && n.fell(f):
			fallen |= bit
			continue
		}
		if int(f.now.n) >= n.Window {
			recovered, accepted := n.turn(f)
			if recovered {
				over |= bit
			}
			if accepted {
				usual |= bit
			}
		}
	}
	t.end(c, over, "there again in nearly all values")
	t.end(c, usual, "not back in ten windows, and optional from now on")
	n.begin(c, b, t, nulled, true)
	n.begin(c, b, t, fallen, false)
}

// strange says whether the sample is a thing of another kind, with fewer than half
// of the fields that all have: a topic may hold several. When most are,
// what was learnt is worth nothing.
func (n *nullFieldDrift) strange(t *topicFields, s *shape) bool {
	usual, here := 0, 0
	for i := range t.fields {
		if f := &t.fields[i]; n.established(f) && f.parent < 0 {
			usual++
			if (s.values | s.nulls).has(i) {
				here++
			}
		}
	}
	odd := usual >= 4 && here*2 < usual
	if odd {
		t.strange++
	}
	if t.samples++; t.samples >= n.Window {
		if t.strange*2 > t.samples && len(t.incidents) == 0 {
			t.fields = t.fields[:0]
		}
		t.samples, t.strange = 0, 0
	}
	return odd
}

// established says whether nearly all samples before this window had the field.
func (n *nullFieldDrift) established(f *knownField) bool {
	return int(f.past.n) >= n.Baseline && float64(f.past.values) >= n.Before*float64(f.past.n)
}

// becameNull says whether a field that was never null has become so.
func (n *nullFieldDrift) becameNull(f *knownField, now time.Time) bool {
	enough := int(f.past.values) >= n.NeverNull ||
		int(f.past.values) >= n.NeverNullSlow && now.Unix()-f.since >= int64(slow/time.Second)
	return enough && f.past.nulls == 0 && int(f.now.nulls) == n.Nulls
}

// fell says whether so many of this window lack the field that it cannot come
// to the share any more below which it is a fall.
func (n *nullFieldDrift) fell(f *knownField) bool {
	return n.established(f) && float64(f.now.n-f.now.values) > (1-n.After)*float64(n.Window)
}

// turn ends a window of one field.
func (n *nullFieldDrift) turn(f *knownField) (recovered, accepted bool) {
	now := f.now
	f.now = fieldCounts{}
	if !f.open {
		f.past.add(now)
		return false, false
	}
	f.held++
	recovered = float64(now.values) >= n.Before*float64(now.n) && now.nulls == 0
	accepted = !recovered && f.held >= heldWindows
	if recovered || accepted {
		f.past, f.open, f.held = now, false, 0
	}
	return recovered, accepted
}

// begin opens an incident of some fields and tells it.
func (n *nullFieldDrift) begin(c *rules.Case, b *rules.Batch, t *topicFields, fields fieldSet, nulls bool) {
	if fields == 0 || len(t.incidents) == fieldIncidents {
		return
	}
	what := "missing "
	if nulls {
		what = "null "
	}
	names := t.names(fields)
	in := &fieldIncident{fields: fields, subject: rules.SubjectOf(b.Identity), aspect: what + names[0], text: fieldsText(names), nulls: nulls, topic: b.Topic.Name}
	in.subject.Topic, in.subject.Partition = b.Topic.Name, new(b.Partition)
	t.incidents = append(t.incidents, in)
	fields.each(func(i int) { t.fields[i].open = true })
	c.Report(in.report(b, names, &t.fields[t.first(fields)]))
}

// end takes fields out of incidents, and reports incidents that have none left.
func (t *topicFields) end(c *rules.Case, fields fieldSet, how string) {
	if fields == 0 {
		return
	}
	t.incidents = slices.DeleteFunc(t.incidents, func(in *fieldIncident) bool {
		if in.fields&fields == 0 {
			return false
		}
		in.fields &^= fields
		if in.fields == 0 {
			c.Report(rules.Report{
				Subject: in.subject, OwnSubject: true, Aspect: in.aspect, Resolved: true,
				Summary: fmt.Sprintf("%s of topic %s: %s", in.text, rules.Excerpt(in.topic, 249), how),
			})
		}
		return in.fields == 0
	})
}

// names gives the paths of fields; t.first is the one that the numbers are of.
func (t *topicFields) names(fields fieldSet) []string {
	var names []string
	fields.each(func(i int) { names = append(names, t.fields[i].text) })
	return names
}

func (t *topicFields) first(fields fieldSet) (first int) {
	first = -1
	fields.each(func(i int) {
		if first < 0 {
			first = i
		}
	})
	return first
}

// fieldsText names some fields.
func fieldsText(names []string) string {
	text := "field " + names[0]
	if len(names) > 1 {
		text = "fields " + strings.Join(names[:min(len(names), 3)], ", ")
	}
	if more := len(names) - 3; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// report puts it into words; f is the first of the fields.
func (in *fieldIncident) report(b *rules.Batch, names []string, f *knownField) rules.Report {
	who, topic := clientText(b.Identity), rules.Excerpt(b.Topic.Name, 249)
	r := rules.Report{
		Subject: in.subject, OwnSubject: true, Aspect: in.aspect,
		Evidence: rules.Evidence{
			{Name: "fields", Value: names[:min(len(names), 20)]},
			{Name: "rate_before", Value: f.past.rate()},
			{Name: "rate_now", Value: f.now.rate()},
			{Name: "samples_before", Value: int(f.past.n)},
			{Name: "samples_now", Value: int(f.now.n)},
			{Name: "nulls_now", Value: int(f.now.nulls)},
		},
		Advice: fmt.Sprintf("Compare the last release of %s with the one before: a renamed property, a join that finds nothing, a serializer set to write nulls. If the field is gone on purpose, nothing is to be done: this is told once.", who),
	}
	if in.nulls {
		r.Summary = fmt.Sprintf("%s writes null for %s of topic %s, never null in %s values before: %s of the last %s are", who, in.text, topic,
			counted(f.past.values), counted(f.now.nulls), counted(f.now.n))
	} else {
		r.Summary = fmt.Sprintf("%s writes values without %s to topic %s: %s of the last %s have it, %s of %s did before", who, in.text, topic,
			counted(f.now.values), counted(f.now.n), counted(f.past.values), counted(f.past.n))
	}
	if b.Topic.Cleanup.Compacts() {
		r.Summary += "; the topic is compacted, and a consumer or connector that passes the missing value on as a record without one deletes the key"
	}
	return r
}
