package builtin

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"warder/rules"
	"warder/rules/format"
	"warder/rules/state"
)

// Bounds of what is remembered of schema ids.
const (
	// schemaLimit is the most ids that one side of a topic is followed for: a
	// topic with more of them is meant to hold many.
	schemaLimit = 16
	// schemaOwnerLimit is the most ids whose topics are known; the ones that
	// were met least recently go. One takes about 250 bytes, all 4 MB.
	schemaOwnerLimit = 16_384
	// ownersNamed is the most topics of one id. A schema that as many topics share
	// says nothing about where a record belongs.
	ownersNamed = 3
	// schemaHits makes an id known: five bytes of something else may look like
	// a frame once.
	schemaHits = 3
)

// schemaIDs is the ids that were seen on one side of a topic. It takes 90 bytes.
type schemaIDs struct {
	ids     [schemaLimit]int32
	hits    [schemaLimit]uint8
	n       int
	settled bool // what comes now is new
	many    bool // too many to be followed
}

// see counts an id and says whether it is now known.
func (s *schemaIDs) see(id int32) bool {
	if s.many {
		return false
	}
	i := slices.Index(s.ids[:s.n], id)
	if i < 0 {
		if s.n == schemaLimit {
			s.many = true
			return false
		}
		i = s.n
		s.ids[i], s.n = id, s.n+1
	}
	if s.hits[i] < schemaHits {
		s.hits[i]++
		return s.hits[i] == schemaHits
	}
	return false
}

// settle takes the ids so far for those of the topic, now that it is known what
// the topic holds.
func (s *schemaIDs) settle(t *topicFormats) {
	s.settled = true
	for i, id := range s.ids[:s.n] {
		if s.hits[i] = schemaHits; !s.many {
			t.store.owners.add(id, t.name)
		}
	}
}

// schema takes note of a schema id, and tells the watcher of one that is new to the
// topic.
func (s *sighting) schema(side int, id int32) {
	t := &s.topic.sides[side]
	if !t.schemas.see(id) {
		return
	}
	before := slices.DeleteFunc(slices.Clone(t.schemas.ids[:t.schemas.n]), func(other int32) bool { return other == id })
	others := s.topic.store.owners.add(id, s.topic.name)
	if s.b.Fetched || !t.schemas.settled || !t.norm.Has(format.Confluent) {
		return
	}
	shared := len(others) >= ownersNamed || s.topic.store.owners.related(others, before)
	s.c.Observe(rules.ByTopic, s.topic.name, newSchema{
		id: id, side: side, partition: s.b.Partition, others: others, shared: shared, before: before,
	})
}

// schemaOwners knows which topics use which schema ids.
type schemaOwners struct {
	mu   sync.Mutex // taken while a topic is locked; guards the following
	byID *state.LRU[int32, *schemaOwner]
}

type schemaOwner struct{ topics []string }

// add notes that a topic uses the id, and gives the others that do.
func (o *schemaOwners) add(id int32, topic string) (others []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	owner, ok := o.byID.Get(id)
	if !ok {
		owner = &schemaOwner{}
		o.byID.Put(id, owner)
	}
	for _, t := range owner.topics {
		if t != topic {
			others = append(others, t)
		}
	}
	if len(others) == len(owner.topics) && len(others) < ownersNamed {
		owner.topics = append(owner.topics, topic)
	}
	return others
}

// related says whether one of the topics uses one of the ids: topics that share
// schemas, such as a topic and that of its retries, will share the next one too.
func (o *schemaOwners) related(topics []string, ids []int32) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		owner, ok := o.byID.Peek(id)
		if ok && slices.ContainsFunc(owner.topics, func(t string) bool { return slices.Contains(topics, t) }) {
			return true
		}
	}
	return false
}

// newSchema is what is observed: an id that is new to a topic.
type newSchema struct {
	id        int32
	side      int
	partition int32
	others    []string // topics that use it, at most ownersNamed
	shared    bool     // with so many, or with such, that it proves nothing
	before    []int32  // ids that the topic had
	client    *rules.Identity
}

// askedSchemas is what waits for an answer of the registry, of one topic.
type askedSchemas struct{ waiting []newSchema }

// Watch asks the registry about schema ids that are new to a topic, and reports
// them with its answer. Where there is no registry, that is at once.
func (d *formatDrift) Watch(w *rules.Watch, ev rules.Event) {
	s, _ := w.State.(*askedSchemas)
	if s == nil {
		s = &askedSchemas{}
	}
	switch ev := ev.(type) {
	case rules.Observation:
		seen := ev.Data.(newSchema)
		seen.client = ev.Client
		if len(s.waiting) < schemaLimit*sides {
			s.waiting = append(s.waiting, seen)
			w.Ask(rules.SubjectsOfSchema{ID: seen.id, Topic: w.Key})
		}
	case rules.SchemaSubjects:
		s.waiting = slices.DeleteFunc(s.waiting, func(seen newSchema) bool {
			if seen.id == ev.ID {
				w.Report(seen.report(w.Key, &ev))
			}
			return seen.id == ev.ID
		})
	case rules.Gap: // the answer may be what was lost
		for _, seen := range s.waiting {
			w.Report(seen.report(w.Key, &rules.SchemaSubjects{ID: seen.id}))
		}
		s.waiting = nil
	}
	w.State = s
	if len(s.waiting) == 0 {
		w.State = nil
	}
}

// report puts it into words, with what the registry says.
func (n *newSchema) report(topic string, answer *rules.SchemaSubjects) rules.Report {
	r := rules.Report{
		Severity: rules.Info, Subject: rules.SubjectOf(n.client), Aspect: fmt.Sprintf("schema %d", n.id),
		Evidence: rules.Evidence{
			{Name: "part", Value: sideNames[n.side].one},
			{Name: "schema", Value: n.id},
			{Name: "schemas_before", Value: n.idTexts()},
		},
		Advice: "A new version of a schema looks like this. If none was meant, look for auto.register.schemas=true at the producer.",
	}
	r.Subject.Topic, r.Subject.Partition = topic, new(n.partition)
	who, name, side := clientText(n.client), rules.Excerpt(topic, 249), sideNames[n.side].many
	r.Summary = fmt.Sprintf("%s writes %s with schema %d to topic %s, for the first time", who, side, n.id, name)
	if len(answer.Subjects) > 0 {
		r.Summary += fmt.Sprintf(": schema %d is %s", n.id, excerpts(answer.Subjects))
		r.Evidence = append(r.Evidence, rules.Fact{Name: "subjects", Value: answer.Subjects})
	}
	if len(n.others) > 0 {
		r.Evidence = append(r.Evidence, rules.Fact{Name: "topics", Value: n.others})
	}
	if wrong := n.wrong(topic, answer); wrong != "" {
		r.Severity, r.Summary = rules.Warning, fmt.Sprintf("%s writes %s with schema %d to topic %s, and %s", who, side, n.id, name, wrong)
		r.Advice = fmt.Sprintf("See whether %s writes to the topic that it means, and with the subject that it means (value.subject.name.strategy, use.schema.id).", who)
	}
	return r
}

// wrong says why the id does not belong here, or nothing.
func (n *newSchema) wrong(topic string, answer *rules.SchemaSubjects) string {
	own := func(subject string) bool { return ofTopic(subject, topic) }
	switch {
	case answer.Known && len(answer.Subjects) == 0:
		return fmt.Sprintf("schema %d is not in the registry: nobody can read it", n.id)
	case slices.ContainsFunc(answer.Subjects, own), n.shared:
		return ""
	case slices.ContainsFunc(answer.Subjects, ofATopic):
		return fmt.Sprintf("schema %d is %s", n.id, excerpts(answer.Subjects))
	case len(n.others) > 0:
		return fmt.Sprintf("schema %d is used by topic %s", n.id, excerpts(n.others))
	}
	return ""
}

// ofATopic says whether a subject is named after a topic (TopicNameStrategy).
func ofATopic(subject string) bool {
	return strings.HasSuffix(subject, "-value") || strings.HasSuffix(subject, "-key")
}

// ofTopic says whether it is named after this topic: orders-value, or with
// TopicRecordNameStrategy orders-Created. orders-v2-value begins like the latter, and is of
// orders-v2.
func ofTopic(subject, topic string) bool {
	rest, ok := strings.CutPrefix(subject, topic+"-")
	return ok && (rest == "value" || rest == "key" || !ofATopic(rest))
}

func (n *newSchema) idTexts() []string {
	texts := make([]string, len(n.before))
	for i, id := range n.before {
		texts[i] = fmt.Sprint(id)
	}
	return texts
}

// excerpts names a few things.
func excerpts(names []string) string {
	texts := make([]string, 0, 3)
	for _, name := range names[:min(len(names), 3)] {
		texts = append(texts, rules.Excerpt(name, 249))
	}
	text := strings.Join(texts, ", ")
	if more := len(names) - len(texts); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
