package ruletest

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"warder/protocol"
	"warder/protocol/records"
	"warder/rules"
)

// request is a Produce request of a case.
type request struct {
	client  *client
	version int16
	acks    int16
	txn     string
	batch   records.Builder // what all batches have in common
	seq     int             // -1: the next
	times   int             // that it is sent, one right after the other
	parts   []part
}

type part struct {
	topic     string
	partition int32
	records   []records.BuilderRecord
}

func newRequest(s *stage, c *client) *request {
	r := &request{client: c, version: s.form.version, acks: -1, seq: -1, times: 1, batch: *records.NewBuilder(s.form.codec)}
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
	for option := range strings.FieldsSeq(inside) {
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
	case "times":
		r.times = int(number(32))
	case "seq":
		r.seq = int(number(32))
	case "base": // of a batch that is fetched
		r.batch.BaseOffset = number(64)
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
	if topic, by, list, ok := byPartitioner(text); ok {
		r.split(s, topic, by, list)
		return
	}
	target, list, ok := strings.Cut(text, ":")
	topic, number, slash := strings.Cut(target, "/")
	n, err := strconv.ParseInt(number, 10, 32)
	if !ok || !slash || err != nil {
		s.t.Fatalf("cannot read %q; want TOPIC/PARTITION: RECORDS", text)
	}
	p := part{topic: topic, partition: int32(n)}
	for _, rec := range s.recordsOf(list) {
		p.add(rec)
	}
	r.parts = append(r.parts, p)
}

// add appends a record to the batch.
func (p *part) add(rec records.BuilderRecord) {
	rec.OffsetDelta = int32(len(p.records))
	p.records = append(p.records, rec)
}

// recordsOf reads a list of records.
func (s *stage) recordsOf(list string) (all []records.BuilderRecord) {
	s.t.Helper()
	for word := range strings.FieldsSeq(list) {
		for _, word := range s.numbered(word) {
			all = append(all, s.record(word))
		}
	}
	return all
}

// numbered gives a word once for each number in its {from..to}, which is what
// {#} stands for as well.
func (s *stage) numbered(word string) []string {
	s.t.Helper()
	_, rest, _ := strings.Cut(word, "{")
	inside, _, _ := strings.Cut(rest, "}")
	from, to, ok := strings.Cut(inside, "..")
	if !ok {
		return []string{word}
	}
	first, err := strconv.Atoi(from)
	s.must(err)
	last, err := strconv.Atoi(to)
	s.must(err)
	var all []string
	for n := first; n <= last; n++ {
		number := strconv.Itoa(n)
		all = append(all, strings.ReplaceAll(strings.ReplaceAll(word, "{"+inside+"}", number), "{#}", number))
	}
	return all
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
		rec.Headers = []records.RecordHeader{{Key: []byte(name), Value: s.text(value)}}
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
	if number, ok := strings.CutPrefix(word, "long:"); ok {
		return binary.BigEndian.AppendUint64(nil, uint64(s.number(number)))
	}
	if digits, ok := strings.CutPrefix(word, "0x"); ok {
		b, err := hex.DecodeString(digits)
		s.must(err)
		return b
	}
	switch word {
	case "null":
		return nil
	case `""`:
		return []byte{}
	}
	return []byte(word)
}

// send lets the client's gate judge the request and compares what comes of it with
// what was wanted.
func (r *request) send(s *stage, wants []string) {
	s.t.Helper()
	for i := range r.parts {
		s.metadata(r.client, r.parts[i].topic)
	}
	for range r.times {
		body := r.encode(s)
		req := parse(s.t, r.version, body)
		v := r.client.gate.Produce(r.client.identity, &req, s.now)
		s.compare(r, v.Denied, v.AcksZero, wants)
		scramble(body)
	}
}

func parse(t *testing.T, version int16, body []byte) protocol.ProduceRequest {
	t.Helper()
	req, err := protocol.ParseProduceRequest(version, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// encode writes the body of the request, one topic entry for each partition.
func (r *request) encode(s *stage) []byte {
	s.t.Helper()
	body := Body{Version: r.version, TransactionalID: r.txn, Acks: r.acks}
	for _, p := range r.parts {
		body.Parts = append(body.Parts, Part{Topic: p.topic, ID: s.ids[p.topic], Partition: p.partition, Records: r.blob(s, &p)})
	}
	return body.Append(nil)
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
func (s *stage) compare(r *request, denied []protocol.Denial, acksZero rules.AcksZero, wants []string) {
	s.t.Helper()
	if got, want := verdictText(r, denied, acksZero, wants), strings.Join(wants, "\n"); got != want {
		s.t.Errorf("%s produces %s/%d…\n got: %s\nwant: %s", r.client.identity.ClientID, r.parts[0].topic, r.parts[0].partition,
			strings.ReplaceAll(got, "\n", "\n      "), strings.ReplaceAll(want, "\n", "\n      "))
	}
}

// verdictText puts a verdict into sentences. What errors say is left out unless
// wants has it.
func verdictText(r *request, denied []protocol.Denial, acksZero rules.AcksZero, wants []string) string {
	var said []string
	for _, d := range denied {
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
		if contains(wants, target+" says: ") {
			said = append(said, target+" says: "+d.Message)
		}
	}
	switch {
	case len(denied) == 0:
		said = append(said, "allowed")
	case r.acks == 0 && acksZero == rules.DropSilently:
		said = append(said, "dropped")
	case r.acks == 0:
		said = append(said, "connection closed")
	}
	return strings.Join(said, "\n")
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
