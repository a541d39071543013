package main

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/records"
)

// What warder takes for the same work when there is more of what it concerns.

// growthSample is one size of one thing.
type growthSample struct {
	Thing string
	N     int
	CPU   float64 // µs for a request; for keys, for a record
	RSS   int64   // of the process, after all of it was seen
}

// growing is a thing that there may be more of.
type growing struct {
	thing string
	sizes []int
	// make gives the topics that the sink has, and the requests.
	make func(n int) ([]*topic, traffic, error)
}

var growths = []growing{
	{"connections", []int{10, 100, 1000, 5000}, nil},
	{"partitions of a topic", []int{10, 100, 1000, 10_000}, growPartitions},
	{"topics", []int{10, 100, 1000, 10_000}, growTopics},
	{"groups that commit", []int{10, 100, 1000, 10_000}, growGroups},
	{"keys", []int{100, 1000, 10_000, 100_000, 1_000_000}, growKeys},
}

// oneRecord is the batch of a small request.
func oneRecord(partition int32) (batch, error) {
	b := records.NewBuilder(records.None)
	b.ProducerID, b.ProducerEpoch, b.BaseSequence, b.BaseTimestamp = 7, 0, 0, 1_790_000_000_000
	blob, err := b.Add(fmt.Appendf(nil, "user-%011d", partition), []byte(`{"state":"packed","amount":12.5}`)).AppendBatch(nil)
	return batch{partition, 1, blob}, err
}

func growPartitions(n int) ([]*topic, traffic, error) {
	s := &script{}
	for p := range int32(n) {
		b, err := oneRecord(p)
		if err != nil {
			return nil, nil, err
		}
		s.add(produceRequest(writtenTopic, b), 1)
	}
	return []*topic{{name: "users", id: writtenTopic, compacted: true, partitions: int32(n)}}, stream{script: s}, nil
}

func growTopics(n int) ([]*topic, traffic, error) {
	var topics []*topic
	s := &script{}
	for i := range n {
		t := &topic{name: fmt.Sprintf("users-%05d", i), compacted: true, partitions: 1}
		binary.BigEndian.PutUint32(t.id[:], uint32(i+1))
		topics = append(topics, t)
		b, err := oneRecord(0)
		if err != nil {
			return nil, nil, err
		}
		s.add(produceRequest(t.id, b), 1)
	}
	return topics, stream{script: s}, nil
}

func growGroups(n int) ([]*topic, traffic, error) {
	s := &script{}
	for i := range n {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Version, req.Group, req.Generation, req.MemberID = commitVersion, fmt.Sprintf("group-%05d", i), 1, "member-1"
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic = "users"
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch = int32(i%writtenPartitions), 1000, -1
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		s.add(requestFrame(req), 1)
	}
	return []*topic{{name: "users", id: writtenTopic, partitions: writtenPartitions}}, stream{s, (*client).skipped}, nil
}

func growKeys(n int) ([]*topic, traffic, error) {
	batches, err := makeKeyed(records.None, 16<<10, max(256, min(n, 500_000)*recordBytes/(16<<10)), n)
	if err != nil {
		return nil, nil, err
	}
	return []*topic{{name: "users", id: writtenTopic, compacted: true, partitions: writtenPartitions}}, stream{script: produceScript(batches)}, nil
}

func (b *bench) runGrowth() error {
	for _, g := range growths {
		for _, n := range g.sizes {
			s, err := b.grow(&g, n)
			if err != nil {
				return fmt.Errorf("%d %s: %w", n, g.thing, err)
			}
			b.result.Growth = append(b.result.Growth, s)
			report("%d %s", n, g.thing)
		}
	}
	return nil
}

// grow measures one size of one thing, with a warder of its own.
func (b *bench) grow(g *growing, n int) (s growthSample, err error) {
	topics, load := []*topic{{name: "users", id: writtenTopic, compacted: true, partitions: writtenPartitions}}, traffic(nil)
	if g.make != nil {
		if topics, load, err = g.make(n); err != nil {
			return s, err
		}
	}
	b.sink = &broker{topics: topics}
	defer b.sink.close()
	r, err := b.startTarget(targetNamed(warderAlert))
	if err != nil {
		return s, err
	}
	defer r.stop()
	s = growthSample{Thing: g.thing, N: n}
	if load == nil {
		err = b.growConnections(r, n, &s)
	} else {
		err = b.growTraffic(r, load, &s)
	}
	return s, err
}

func targetNamed(name string) target {
	for _, t := range targets {
		if t.name == name {
			return t
		}
	}
	panic("there is no target " + name)
}

// growTraffic shows everything once, and then measures.
func (b *bench) growTraffic(r *running, what traffic, s *growthSample) error {
	load, err := begin(b.ctx, r, 1, what)
	if err != nil {
		return err
	}
	defer load.end()               //nolint:errcheck // said below
	script := what.(stream).script //nolint:forcetypeassert // all of them are streams
	deadline := time.Now().Add(time.Minute)
	for load.requests.Load() < int64(script.len()) && time.Now().Before(deadline) {
		if err := pause(b.ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	if load.requests.Load() < int64(script.len()) {
		_, err := load.end()
		return b.withLog(r, fmt.Errorf("not all was answered in a minute: %w", err))
	}
	from, err := r.point(&load.meter)
	if err != nil {
		return err
	}
	if err := pause(b.ctx, time.Second); err != nil {
		return err
	}
	to, err := r.point(&load.meter)
	if err != nil {
		return err
	}
	s.CPU = (to.cpu - from.cpu).Seconds() * 1e6 / float64(max(1, to.records-from.records))
	if _, err := load.end(); err != nil {
		return err
	}
	s.RSS, err = residentBytes(r.pid())
	return err
}

// growConnections sends one request after the other, each over another connection.
func (b *bench) growConnections(r *running, n int, s *growthSample) error {
	small, err := smallScript()
	if err != nil {
		return err
	}
	open, err := b.open(r, n, small)
	defer closeAll(open)
	if err != nil {
		return err
	}
	const requests = 20_000
	var nothing meter
	from, err := r.point(&nothing)
	if err != nil {
		return err
	}
	frame := small.bytes[:small.starts[1]]
	for i := range requests {
		c := open[i%n]
		if err := c.send(frame); err != nil {
			return err
		}
		if _, err := c.stored(); err != nil {
			return err
		}
	}
	to, err := r.point(&nothing)
	if err != nil {
		return err
	}
	s.CPU = (to.cpu - from.cpu).Seconds() * 1e6 / requests
	s.RSS, err = residentBytes(r.pid())
	return err
}

func (r *result) writeGrowth(t *strings.Builder) {
	var all table
	all.row("there are", "", "CPU µs per request, of keys per record", "RSS, MiB")
	for _, s := range r.Growth {
		all.row(s.Thing, fmt.Sprint(s.N), number(s.CPU), number(float64(s.RSS)/(1<<20)))
	}
	all.write(t)
}
