package record

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"warder/protocol"
	"warder/record/scrub"
	"warder/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counted is a Counts for tests.
type counted struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counted) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[what] += n
}

func (c *counted) get(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[what]
}

func (c *counted) Dropped(reason string, n int) { c.add("dropped "+reason, n) }
func (c *counted) Blanked(n int)                { c.add("blanked", n) }
func (c *counted) Written(n int)                { c.add("written", n) }
func (c *counted) Flight(outcome string)        { c.add("flight "+outcome, 1) }

// clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	return c.at
}

var epoch = time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)

// rig is a recorder in a directory of its own.
type rig struct {
	*Recorder
	t      *testing.T
	dir    string
	counts *counted
	clock  *clock
	log    *bytes.Buffer
}

func newRig(t *testing.T, change func(*Options)) *rig {
	t.Helper()
	return newRigAt(t, epoch, filepath.Join(t.TempDir(), "recordings"), change)
}

func newRigAt(t *testing.T, start time.Time, dir string, change func(*Options)) *rig {
	t.Helper()
	g := &rig{t: t, dir: dir, counts: &counted{}, clock: &clock{at: start}, log: &bytes.Buffer{}}
	o := Options{
		Dir: g.dir, Payload: scrub.Full, MaxSize: 1 << 30, All: true, Flight: 1 << 20, Version: "test", Cluster: "prod",
		Counts: g.counts, Log: zerolog.New(g.log), Now: g.clock.now,
	}
	if change != nil {
		change(&o)
	}
	g.Recorder = New(o)
	t.Cleanup(g.end)
	return g
}

func (g *rig) end() {
	if err := g.Close(context.Background()); err != nil {
		g.t.Error(err)
	}
}

// onDisk waits until everything that c was told is written.
func (g *rig) onDisk(c *talk) {
	g.t.Helper()
	eventually(g.t, "what is recorded to be written", func() bool {
		g.clock.pass(2 * blockAge)
		r, err := Open(g.dir)
		if err != nil {
			return false
		}
		got, err := contentOf(r)
		return err == nil && len(got.received[1]) >= c.received.Len() && len(got.sent[1]) >= c.sent.Len()
	})
}

// conn opens connection n.
func (g *rig) conn(n uint64) *talk {
	remote := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.7"), uint16(40000+n))
	t := g.Open(&Entry{At: g.clock.now(), Conn: n, Remote: remote, Broker: "kafka-1:9092", Listener: "local", Node: 1, Identity: &rules.Identity{Remote: remote, Listener: "local"}})
	return &talk{rig: g, tap: t, id: &rules.Identity{Remote: remote, Listener: "local"}}
}

// talk is a client and its broker on one connection.
type talk struct {
	rig            *rig
	tap            *Tap
	id             *rules.Identity
	correlation    int32
	sent, received bytes.Buffer
}

// frame gives a request or answer with its length.
func frame(head, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(head)+len(body)))
	return append(append(b, head...), body...)
}

func (c *talk) request(req kmsg.Request) []byte {
	c.correlation++
	return frame(protocol.AppendRequestHeader(nil, req.Key(), req.GetVersion(), c.correlation, "shop"), req.AppendTo(nil))
}

func (c *talk) answer(resp kmsg.Response) []byte {
	return frame(protocol.AppendResponseHeader(nil, resp.Key(), resp.GetVersion(), c.correlation), resp.AppendTo(nil))
}

// ask sends a request, and its answer in pieces of so many bytes.
func (c *talk) ask(req kmsg.Request, resp kmsg.Response, piece int) {
	c.send(c.request(req), piece)
	if resp != nil {
		c.receive(c.answer(resp), piece)
	}
}

func (c *talk) send(raw []byte, piece int) {
	c.sent.Write(raw)
	for at := 0; at < len(raw); at += piece {
		c.tap.Request(raw[at:min(at+piece, len(raw))], c.rig.clock.pass(time.Millisecond), at == 0, c.id)
	}
}

func (c *talk) receive(raw []byte, piece int) {
	c.received.Write(raw)
	for at := 0; at < len(raw); at += piece {
		c.tap.Answer(raw[at:min(at+piece, len(raw))], c.rig.clock.pass(time.Millisecond), at+piece < len(raw))
	}
}

func metadata(topics ...string) (*kmsg.MetadataRequest, *kmsg.MetadataResponse) {
	req, resp := kmsg.NewPtrMetadataRequest(), kmsg.NewPtrMetadataResponse()
	req.Version, resp.Version = 12, 12
	for _, name := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		req.Topics = append(req.Topics, t)
		a := kmsg.NewMetadataResponseTopic()
		a.Topic = &name
		resp.Topics = append(resp.Topics, a)
	}
	return req, resp
}

// producing gives a Produce request that carries records, and its answer.
func producing(records []byte) (*kmsg.ProduceRequest, *kmsg.ProduceResponse) {
	req, resp := kmsg.NewPtrProduceRequest(), kmsg.NewPtrProduceResponse()
	req.Version, req.Acks, resp.Version = 9, -1, 9
	partition := kmsg.NewProduceRequestTopicPartition()
	partition.Records = records
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.Partitions = "orders", append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	return req, resp
}

// content is what a recording holds.
type content struct {
	entries        []Entry
	sent, received map[uint64][]byte
	left           []Left
	payload        string
}

func (c *content) kinds(conn uint64) (text string) {
	var last Kind
	for _, e := range c.entries {
		if e.Conn == conn && (e.Kind != last || e.Kind != Request && e.Kind != Answer) {
			text += string("?ORALICTF"[e.Kind])
			last = e.Kind
		}
	}
	return text
}

func (c *content) of(kind Kind) (list []Entry) {
	for _, e := range c.entries {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

// read reads recordings to their end, and checks what a Source promises.
func read(t *testing.T, paths ...string) *content {
	t.Helper()
	r, err := Open(paths...)
	if err != nil {
		t.Fatal(err)
	}
	c, err := contentOf(r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func contentOf(r *Reader) (*content, error) {
	c := &content{sent: map[uint64][]byte{}, received: map[uint64][]byte{}, payload: r.Payload()}
	open := map[uint64]bool{}
	ended := map[uint64]bool{}
	var last time.Time
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return c, errors.Join(err, r.Close())
		}
		if e.At.Before(last) {
			return c, fmt.Errorf("%v comes after %v", e.At, last)
		}
		last = e.At
		keep := *e
		keep.Data = slices.Clone(e.Data)
		c.entries = append(c.entries, keep)
		switch {
		case e.Kind == Learned, e.Kind == Found:
			continue
		case e.Kind == Opened && (open[e.Conn] || ended[e.Conn]):
			return c, fmt.Errorf("connection %d is opened twice", e.Conn)
		case e.Kind != Opened && !open[e.Conn]:
			return c, fmt.Errorf("connection %d is not open", e.Conn)
		}
		switch e.Kind {
		case Opened:
			open[e.Conn] = true
		case Request:
			c.sent[e.Conn] = append(c.sent[e.Conn], e.Data...)
		case Answer:
			c.received[e.Conn] = append(c.received[e.Conn], e.Data...)
		case Lost, Closed:
			if e.Kind == Closed {
				delete(open, e.Conn)
				ended[e.Conn] = true
			}
			for _, stream := range [][]byte{c.sent[e.Conn], c.received[e.Conn]} {
				if _, err := framesOf(stream); err != nil {
					return c, fmt.Errorf("before entry %d of kind %d: %w", len(c.entries), e.Kind, err)
				}
			}
		case Identified, Learned, Found, Passed:
		}
	}
	c.left = r.Left()
	if len(open) > 0 {
		return c, fmt.Errorf("not closed: %v", open)
	}
	return c, r.Close()
}

// framesOf cuts a stream.
func framesOf(stream []byte) (list [][]byte, err error) {
	for len(stream) > 0 {
		if len(stream) < 4 || frameSize(stream) > len(stream) {
			return list, fmt.Errorf("%d bytes are no whole frame", len(stream))
		}
		list = append(list, stream[:frameSize(stream)])
		stream = stream[frameSize(stream):]
	}
	return list, nil
}

func TestReadingGivesWhatWasWritten(t *testing.T) {
	g := newRig(t, nil)
	var talks []*talk
	for n := range uint64(3) {
		c := g.conn(n + 1)
		for i, piece := range []int{7, 1000, 1 << 20} {
			req, resp := metadata(fmt.Sprintf("orders-%d-%d", n, i), strings.Repeat("x", 200))
			c.ask(req, resp, piece)
		}
		c.id = &rules.Identity{ClientID: "shop", Principal: "User:shop"}
		c.ask(kmsg.NewPtrListGroupsRequest(), kmsg.NewPtrListGroupsResponse(), 100)
		talks = append(talks, c)
	}
	topic := rules.Topic{Name: "orders", Partitions: 3, Cleanup: rules.CleanupCompact, ConfigTime: epoch}
	g.learn(topic)
	finding := &rules.Finding{ID: "f1", Rule: "tombstone", Severity: rules.Critical, Action: rules.Alert, Evidence: rules.Evidence{{Name: "records", Value: "3"}}}
	if err := g.Write(finding); err != nil {
		t.Fatal(err)
	}
	talks[0].tap.Close(g.clock.pass(time.Second), true)
	g.end()
	c := read(t, g.dir)
	for n, talk := range talks {
		conn := uint64(n + 1)
		if !bytes.Equal(c.sent[conn], talk.sent.Bytes()) || !bytes.Equal(c.received[conn], talk.received.Bytes()) {
			t.Errorf("connection %d: other bytes came back", conn)
		}
		if got := c.kinds(conn); got != "ORARARAIRAC" {
			t.Errorf("connection %d: %s", conn, got)
		}
	}
	opened, identified := c.of(Opened)[0], c.of(Identified)[0]
	if opened.Remote.String() != "10.0.0.7:40001" || opened.Broker != "kafka-1:9092" || opened.Listener != "local" || opened.Node != 1 || !opened.At.Equal(epoch) {
		t.Errorf("opened: %+v", opened)
	}
	if identified.Identity.Principal != "User:shop" {
		t.Errorf("identified: %+v", identified.Identity)
	}
	if l := c.of(Learned); len(l) != 1 || *l[0].Topic != topic {
		t.Errorf("learned: %+v", l)
	}
	if f := c.of(Found); len(f) != 1 || f[0].Finding.ID != "f1" || f[0].Finding.Evidence.Get("records") != "3" {
		t.Errorf("found: %+v", f)
	}
	if closed := c.of(Closed)[0]; !closed.ByBroker || len(c.left) != 0 || c.payload != "full" {
		t.Errorf("closed: %+v, left %v, payload %s", closed, c.left, c.payload)
	}
	checkModes(t, g.dir)
}

// checkModes: nobody but the owner may read recordings.
func checkModes(t *testing.T, dir string) {
	t.Helper()
	for path, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, segments(t, dir)[0]: 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.wrec"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no segments: %v", err)
	}
	return files
}

// A recording that ends anywhere gives all blocks before that place, and says what is
// left out.
func TestTornFileLosesOnlyItsLastBlock(t *testing.T) {
	g := newRig(t, nil)
	c := g.conn(1)
	for i := range 3 {
		req, resp := metadata(fmt.Sprintf("topic-%d", i))
		c.ask(req, resp, 1<<20)
		g.onDisk(c)
	}
	g.end()
	whole, err := os.ReadFile(segments(t, g.dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	starts := blockStarts(t, whole)
	last := starts[len(starts)-1]
	path := filepath.Join(t.TempDir(), "warder-torn.wrec")
	reread := func(file []byte) *content {
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		return read(t, path)
	}
	all, want := reread(whole), reread(whole[:last])
	if len(want.entries) < 4 || len(all.entries) <= len(want.entries) || len(want.left) != 0 {
		t.Fatalf("%d entries of %d without the last block, left %v", len(want.entries), len(all.entries), want.left)
	}
	for cut := last + 1; cut < len(whole); cut++ {
		got := reread(whole[:cut])
		if !bytes.Equal(got.sent[1], want.sent[1]) || !bytes.Equal(got.received[1], want.received[1]) || len(got.entries) != len(want.entries) {
			t.Fatalf("cut at %d of %d: %d entries, want %d", cut, len(whole), len(got.entries), len(want.entries))
		}
		if len(got.left) != 1 || got.left[0].Offset != int64(last) || got.left[0].Bytes != int64(cut-last) || got.left[0].Reason == "" {
			t.Fatalf("cut at %d: left %+v", cut, got.left)
		}
	}
	for at := last; at < len(whole); at++ {
		changed := slices.Clone(whole)
		changed[at] ^= 0x40
		if got := reread(changed); len(got.entries) != len(want.entries) || len(got.left) != 1 {
			t.Fatalf("changed at %d: %d entries, left %v", at, len(got.entries), got.left)
		}
	}
	for cut := range bytes.IndexByte(whole, '\n') {
		if got := reread(whole[:cut]); len(got.entries) != 0 || len(got.left) != 1 {
			t.Fatalf("cut at %d of the first line: %d entries, left %v", cut, len(got.entries), got.left)
		}
	}
}

// blockStarts finds the blocks of a segment.
func blockStarts(t *testing.T, whole []byte) (starts []int) {
	t.Helper()
	for at := bytes.IndexByte(whole, '\n') + 1; at < len(whole); {
		starts = append(starts, at)
		at += blockHead + int(binary.BigEndian.Uint32(whole[at:]))
	}
	return starts
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(time.Millisecond) //nolint:forbidigo // the pause between two looks at a condition
	}
}
