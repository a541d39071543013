package ruletest

import (
	"fmt"
	"strconv"
	"strings"

	"warder/protocol"
	"warder/protocol/records"
	"warder/protocol/wire"
	"warder/rules"
)

// request is a Produce request of a case.
type request struct {
	client  *client
	version int16
	acks    int16
	txn     string
	control bool
	batch   records.Builder // what all batches have in common
	seq     int             // -1: the next
	parts   []part
}

type part struct {
	topic     string
	partition int32
	records   []records.BuilderRecord
}

func newRequest(s *stage, c *client) *request {
	r := &request{client: c, version: s.form.version, acks: -1, seq: -1, batch: *records.NewBuilder(s.form.codec)}
	r.batch.ProducerID, r.batch.ProducerEpoch = c.producer, 0
	r.batch.BaseTimestamp = s.now.UnixMilli()
	return r
}

// options reads what stands in parentheses and gives the rest of the line.
func (r *request) options(s *stage, line string) string {
	s.t.Helper()
	if !strings.HasPrefix(line, "(") {
		return line
	}
	inside, rest, _ := strings.Cut(line[1:], ")")
	for _, option := range strings.Fields(inside) {
		key, value, _ := strings.Cut(option, "=")
		s.must(r.option(key, value))
	}
	return strings.TrimSpace(rest)
}

func (r *request) option(key, value string) (err error) {
	number := func(bits int) int64 {
		n, e := strconv.ParseInt(value, 10, bits)
		err = e
		return n
	}
	switch key {
	case "acks":
		r.acks = int16(number(16))
	case "version":
		r.version = int16(number(16))
	case "seq":
		r.seq = int(number(32))
	case "control":
		r.batch.Control = true
	case "txn":
		r.txn, r.batch.Transactional = value, true
	case "pid":
		if value == "none" {
			r.batch.ProducerID, r.batch.ProducerEpoch = -1, -1
			return nil
		}
		r.batch.ProducerID, r.batch.ProducerEpoch, err = producer(value)
	case "codec":
		for c := records.None; c <= records.Zstd; c++ {
			if c.String() == value {
				r.batch.Codec = c
				return nil
			}
		}
		return fmt.Errorf("no codec %q", value)
	default:
		return fmt.Errorf("unknown option %q", key)
	}
	return err
}

// add reads TOPIC/PARTITION: RECORDS.
func (r *request) add(s *stage, text string) {
	s.t.Helper()
	target, list, ok := strings.Cut(text, ":")
	topic, number, slash := strings.Cut(target, "/")
	n, err := strconv.ParseInt(number, 10, 32)
	if !ok || !slash || err != nil {
		s.t.Fatalf("cannot read %q; want TOPIC/PARTITION: RECORDS", text)
	}
	p := part{topic: topic, partition: int32(n)}
	for i, word := range strings.Fields(list) {
		rec := s.record(word)
		rec.OffsetDelta = int32(i)
		p.records = append(p.records, rec)
	}
	r.parts = append(r.parts, p)
}

// record reads key=value{header:value}.
func (s *stage) record(word string) (rec records.BuilderRecord) {
	s.t.Helper()
	word, headers, _ := strings.Cut(word, "{")
	key, value, ok := strings.Cut(word, "=")
	if !ok {
		s.t.Fatalf("cannot read record %q; want key=value", word)
	}
	rec.Key, rec.Value = s.text(key), s.text(value)
	if headers != "" {
		name, value, _ := strings.Cut(strings.TrimSuffix(headers, "}"), ":")
		rec.Headers = []records.RecordHeader{{Key: []byte(name), Value: []byte(value)}}
	}
	return rec
}

func (s *stage) text(word string) []byte {
	s.t.Helper()
	if name, ok := strings.CutPrefix(word, "@"); ok {
		text := section(s.archive, name)
		if text == "" {
			s.t.Fatalf("no section %q", name)
		}
		return []byte(strings.TrimRight(text, "\n"))
	}
	switch word {
	case "null":
		return nil
	case `""`:
		return []byte{}
	}
	return []byte(word)
}

// produce sends the request through the client's gate and compares what comes
// of it with what was wanted.
func (s *stage) produce(r *request, wants []string) {
	s.t.Helper()
	body := r.encode(s)
	req, err := protocol.ParseProduceRequest(r.version, body)
	s.must(err)
	v := r.client.gate.Produce(r.client.identity, &req, s.now)
	s.compare(r, &v.Denied, v.AcksZero, wants)
	scramble(body)
}

// encode writes the body of the request, one topic entry for each partition.
func (r *request) encode(s *stage) []byte {
	s.t.Helper()
	flexible := r.version >= 9
	var b []byte
	if r.version >= 3 {
		b = wire.AppendFlexNullableString(b, r.txn, r.txn == "", flexible)
	}
	b = wire.AppendInt32(wire.AppendInt16(b, r.acks), 30_000)
	b = wire.AppendArrayLen(b, len(r.parts), flexible)
	for _, p := range r.parts {
		if r.version >= 13 {
			id := s.ids[p.topic]
			b = append(b, id[:]...)
		} else {
			b = wire.AppendFlexString(b, p.topic, flexible)
		}
		b = wire.AppendInt32(wire.AppendArrayLen(b, 1, flexible), p.partition)
		if blob := r.blob(s, &p); flexible {
			b = append(wire.AppendNullableCompactBytes(b, blob, false), 0, 0)
		} else {
			b = wire.AppendNullableBytes(b, blob, false)
		}
	}
	if flexible {
		b = append(b, 0)
	}
	return b
}

// blob builds the records of one partition: a batch, or a message set before
// version 3.
func (r *request) blob(s *stage, p *part) []byte {
	s.t.Helper()
	build := r.batch
	build.Records = p.records
	if r.version < 3 {
		b, err := build.AppendMessageSet(nil, int8(min(r.version/2, 1)))
		s.must(err)
		return b
	}
	if build.ProducerID >= 0 {
		target := fmt.Sprint(p.topic, "/", p.partition)
		build.BaseSequence = r.client.seq[target]
		if r.seq >= 0 {
			build.BaseSequence = int32(r.seq)
		}
		r.client.seq[target] = build.BaseSequence + int32(len(p.records))
	}
	b, err := build.AppendBatch(nil)
	s.must(err)
	return b
}

// codeNames are the errors that a gate can answer with.
var codeNames = map[int16]string{44: "POLICY_VIOLATION", 87: "INVALID_RECORD"}

// compare checks the sentences about a verdict.
func (s *stage) compare(r *request, denied *[]protocol.Denial, acksZero rules.AcksZero, wants []string) {
	s.t.Helper()
	var said []string
	for _, d := range *denied {
		target := fmt.Sprintf("%s/%d", r.parts[d.Ordinal].topic, d.Partition)
		var indexes []string
		for _, e := range d.RecordErrors {
			indexes = append(indexes, strconv.Itoa(int(e.BatchIndex)))
		}
		verdict := target + " refused " + codeNames[d.Code]
		if len(indexes) > 0 {
			verdict += ", records " + strings.Join(indexes, " ")
		}
		said = append(said, verdict)
		if want := target + " says: " + d.Message; contains(wants, target+" says: ") {
			said = append(said, want)
		}
	}
	switch {
	case len(*denied) == 0:
		said = append(said, "allowed")
	case r.acks == 0 && acksZero == rules.DropSilently:
		said = append(said, "dropped")
	case r.acks == 0:
		said = append(said, "connection closed")
	}
	if got, want := strings.Join(said, "\n"), strings.Join(wants, "\n"); got != want {
		s.t.Errorf("%s produces %s/%d…\n got: %s\nwant: %s", r.client.identity.ClientID, r.parts[0].topic, r.parts[0].partition,
			strings.ReplaceAll(got, "\n", "\n      "), strings.ReplaceAll(want, "\n", "\n      "))
	}
}

// contains says whether one of the sentences begins so.
func contains(sentences []string, beginning string) bool {
	for _, s := range sentences {
		if strings.HasPrefix(s, beginning) {
			return true
		}
	}
	return false
}
