package builtin

import (
	"fmt"

	"warder/rules"
)

// empties is what was found in one batch.
type empties struct {
	client    string
	topic     rules.Topic
	partition int32
	firstEmpty
	records int
	count   int
	before  float64 // share of empty values
	known   int     // of so many values of the topic
	denied  bool
	by      producerEpoch
}

func (s empties) written() heldFacts { return heldFacts{s.by, s.topic.Name, s.partition, s.count} }

// takes is false: each batch is told by itself.
func (empties) takes(empties) bool { return false }

func emptyOutcome(w *rules.Watch, h *heldBatch[empties], outcome string) {
	s := h.seen
	s.count = h.count
	r := s.report(false)
	r.Subject = h.subject
	r.WouldBlock = s.denied && s.topic.Cleanup.Known()
	r.Evidence = append(r.Evidence, h.outcomeFacts(outcome)...)
	w.Report(r)
}

// report puts it into words.
func (s *empties) report(blocked bool) rules.Report {
	r := rules.Report{
		Summary: fmt.Sprintf("%s wrote %s to %s: %s", clientNamed(s.client), s.what(), topicText(&s.topic), s.consequence()),
		Evidence: rules.Evidence{
			{Name: "kind", Value: emptyWords[s.kind].name},
			{Name: "offset_in_batch", Value: s.at},
			{Name: "records", Value: s.records},
			{Name: "empties", Value: s.count},
			{Name: "keys", Value: s.keys},
			{Name: "cleanup_policy", Value: s.topic.Cleanup.String()},
			{Name: "share_before", Value: places(s.before, 4)},
			{Name: "values_before", Value: s.known},
		},
		Advice: s.advice(blocked),
	}
	if s.maybe() {
		r.Severity = rules.Info
		r.Evidence = append(r.Evidence, rules.Fact{Name: "empty", Value: "maybe"})
	}
	return r
}

func (s *empties) maybe() bool { return s.kind.class() == maybeEmpty }

func (s *empties) what() string {
	is := "empty"
	if s.maybe() {
		is = "perhaps empty"
	}
	if s.count == 1 {
		article := "an"
		if s.maybe() {
			article = "a"
		}
		return fmt.Sprintf("%s %s value (%s) for key %s", article, is, emptyWords[s.kind].text, s.keys[0])
	}
	return fmt.Sprintf("%s values (%s) for %d records, the first for key %s,", is, emptyWords[s.kind].text, s.count, s.keys[0])
}

func (s *empties) consequence() string {
	stays := "the key stays, and what the topic said of it is gone with the next compaction"
	if s.count > 1 {
		stays = "the keys stay, and what the topic said of them is gone with the next compaction"
	}
	switch {
	case s.maybe():
		return "if that means null, " + stays
	case !s.topic.Cleanup.Known():
		return "if the topic is compacted, " + stays
	}
	return stays
}

// emptyCauses says where each kind usually comes from.
var emptyCauses = [...]string{
	zeroBytes:      `Look for a serializer that was given "" or an empty array (StringSerializer and ByteArraySerializer write them as zero bytes), and for a Protobuf message in which nothing is set.`,
	nullText:       "Look for a missing object that is given to a JSON serializer: JSON.stringify(null), json.dumps(None) and Jackson without a null check write the four letters null.",
	emptyText:      `Look for a JSON serializer that was given an empty string, or a default value of "".`,
	emptyObject:    "Look for an object whose fields are all undefined, private or left out when null (JSON.stringify, Jackson's JsonInclude.NON_NULL), or a mapping that copies nothing.",
	emptyArray:     "Look for a query or mapping that found nothing and was serialized all the same.",
	onlyNulls:      "Look for an entity that was not loaded, or a mapping whose names do not fit any more: every field was missing and is written as null.",
	confluentFrame: "Look for a serializer that writes the schema id for a null or empty object, or a Protobuf message without its message indexes.",
	glueFrame:      "Look for a serializer that writes the Glue header for a null or empty object.",
	maybeNull:      "In Avro one zero byte is the null of a union, but also the number 0; in Protobuf a message in which nothing is set. Read the record with its schema.",
	maybeEmptyJSON: "With a JSON Schema serializer, look for an object that is missing or whose fields are all left out; in Avro the same bytes may be a few small numbers. Read the record with its schema.",
}

func (s *empties) advice(blocked bool) string {
	text := emptyCauses[s.kind]
	if !blocked && !s.maybe() {
		text += " `action: block` under rules.empty-value refuses such writes."
	}
	meant := "they are"
	if s.count == 1 {
		meant = "it is"
	}
	return text + fmt.Sprintf(" If %s meant, add {client_id: %q, topic: %q} to rules.empty-value.allow.", meant, rules.Excerpt(s.client, 80), rules.Excerpt(s.topic.Name, 249))
}
