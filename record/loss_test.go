package record

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/records"
	"warder/record/scrub"
	"warder/rules"
	"warder/test/fulldisk"
)

// stalled is a recorder whose goroutine does not run: what it is told stays queued.
func stalled(t *testing.T) *rig {
	t.Helper()
	g := &rig{t: t, dir: filepath.Join(t.TempDir(), "recordings"), counts: &counted{}, clock: &clock{at: epoch}, log: &bytes.Buffer{}}
	g.Recorder = newRecorder(Options{
		Dir: g.dir, Payload: scrub.Full, MaxSize: 1 << 30, All: true, Version: "test", Counts: g.counts, Log: zerolog.New(g.log), Now: g.clock.now,
	})
	return g
}

// work has the recorder deal with what is queued.
func (g *rig) work() { g.work1(g.queue.take(nil)) }

func (g *rig) work1(items []item) {
	for i := range items {
		g.guard(&items[i])
		items[i].release()
	}
	g.turn()
}

// A queue that is full takes nothing more and delays nobody; what is recorded before
// and after is whole, and of what was lost nothing is left.
func TestFullQueueLeavesWholeFrames(t *testing.T) {
	for _, piece := range []int{1000, 300_000} {
		g := stalled(t)
		c, quiet := g.conn(1), g.conn(2)
		req, resp := metadata("before")
		c.ask(req, resp, 100)
		// an answer that has begun, and too many requests before it ends
		c.send(c.request(req), 100)
		open, before := c.answer(resp), c.received.Len()
		c.tap.Answer(open[:20], g.clock.now(), true)
		big, _ := metadata(strings.Repeat("x", 5<<20))
		for range 5 {
			c.send(c.request(big), piece)
		}
		c.tap.Answer(open[20:], g.clock.now(), false)
		if g.counts.get("dropped queue_full") == 0 {
			t.Fatal("nothing was dropped")
		}
		g.queue.mu.Lock()
		if g.queue.cost > maxQueued+1000 {
			t.Errorf("%d bytes are queued", g.queue.cost)
		}
		g.queue.mu.Unlock()
		g.work()
		if !strings.Contains(g.log.String(), "left out") {
			t.Errorf("log: %s", g.log)
		}
		for i := range 3 {
			req, resp := metadata(fmt.Sprint("after-", i))
			c.ask(req, resp, 100)
			quiet.ask(req, resp, 100)
		}
		g.work()
		g.Recorder.end()
		got := read(t, g.dir)
		sent, err := framesOf(got.sent[1])
		received, err2 := framesOf(got.received[1])
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if !bytes.Equal(got.received[1][:before], c.received.Bytes()[:before]) || len(received) != 4 ||
			!bytes.Contains(sent[len(sent)-1], []byte("after-2")) || !bytes.Contains(received[3], []byte("after-2")) {
			t.Errorf("pieces of %d: %d requests, %d answers", piece, len(sent), len(received))
		}
		checkAnswers(t, got, 1)
		if kinds := got.kinds(1); strings.Count(kinds, "L") == 0 || strings.Count(got.kinds(2), "L") != 0 {
			t.Errorf("%s, %s", kinds, got.kinds(2))
		}
		if !bytes.Equal(got.sent[2], quiet.sent.Bytes()) {
			t.Error("the other connection has lost something")
		}
	}
}

// checkAnswers: answers come in the order of requests, none without its request.
func checkAnswers(t *testing.T, c *content, conn uint64) {
	t.Helper()
	var open []uint32
	streams := map[Kind][]byte{}
	for _, e := range c.entries {
		if e.Conn != conn {
			continue
		}
		if e.Kind == Lost {
			open, streams = nil, map[Kind][]byte{}
		}
		s := append(streams[e.Kind], e.Data...)
		for len(s) >= 4 && frameSize(s) <= len(s) {
			if e.Kind == Request {
				open = append(open, binary.BigEndian.Uint32(s[8:]))
			} else if id := binary.BigEndian.Uint32(s[4:]); len(open) == 0 || open[0] != id {
				t.Fatalf("answer %d while %v are open", id, open)
			} else {
				open = open[1:]
			}
			s = s[frameSize(s):]
		}
		streams[e.Kind] = s
	}
}

// A frame that does not fit into memory passes in pieces, or as zeros behind its head.
func TestLargeFrames(t *testing.T) {
	const size = maxHeld + 1<<20
	for _, payload := range []scrub.Payload{scrub.None, scrub.Full} {
		g := newRig(t, func(o *Options) { o.Payload = payload })
		c := g.conn(1)
		req, resp := metadata(strings.Repeat("n", size))
		c.ask(req, resp, 50_000)
		g.taken()
		produce, produced := producing(bytes.Repeat([]byte("secret"), size/6))
		c.ask(produce, produced, 70_000)
		g.taken()
		after, afterAnswer := metadata("after")
		c.ask(after, afterAnswer, 1<<20)
		c.tap.Close(g.clock.now(), false)
		g.end()
		got := read(t, g.dir)
		if payload == scrub.Full && !bytes.Equal(got.sent[1], c.sent.Bytes()) || !bytes.Equal(got.received[1], c.received.Bytes()) || len(got.sent[1]) != c.sent.Len() {
			t.Errorf("%s: other bytes came back", payload)
		}
		if payload == scrub.None {
			if bytes.Contains(got.sent[1], []byte("secret")) || g.counts.get("blanked") < size {
				t.Errorf("%s: records are there, %d bytes are blanked", payload, g.counts.get("blanked"))
			}
			checkAnswers(t, got, 1)
		}
	}
}

// A frame in pieces that breaks off is filled up.
func TestFrameThatBreaksOffIsFilledUp(t *testing.T) {
	g := newRig(t, nil)
	c := g.conn(1)
	req, resp := metadata(strings.Repeat("n", maxHeld))
	raw := c.request(req)
	c.tap.Request(raw[:1<<20], g.clock.now(), true, nil)
	c.tap.Close(g.clock.now(), false)
	_ = resp
	g.end()
	got := read(t, g.dir)
	if len(got.sent[1]) != len(raw) || !bytes.Equal(got.sent[1][:1<<20], raw[:1<<20]) {
		t.Errorf("%d bytes of %d", len(got.sent[1]), len(raw))
	}
}

// acks=0 has no answer; the next answer is that of the next request.
func TestAcksZeroIsNotWaitedFor(t *testing.T) {
	g := newRig(t, nil)
	c := g.conn(1)
	produce, _ := producing(nil)
	produce.Acks = 0
	for range 3 {
		c.ask(produce, nil, 10)
	}
	req, resp := metadata("orders")
	c.ask(req, resp, 10)
	c.tap.Close(g.clock.now(), false)
	g.end()
	if got := read(t, g.dir); got.kinds(1) != "ORAC" || !bytes.Equal(got.received[1], c.received.Bytes()) {
		t.Errorf("%s", got.kinds(1))
	}
}

// A connection whose answers belong to no request is not understood any more, and said
// to be lost; the others go on.
func TestAnswerToNothing(t *testing.T) {
	g := newRig(t, nil)
	c, other := g.conn(1), g.conn(2)
	req, resp := metadata("orders")
	c.ask(req, resp, 10)
	c.receive(c.answer(resp), 10)
	c.ask(req, resp, 10)
	other.ask(req, resp, 10)
	c.tap.Close(g.clock.now(), false)
	g.end()
	got := read(t, g.dir)
	if got.kinds(1) != "ORALC" || got.kinds(2) != "ORAC" || g.counts.get("dropped unreadable") == 0 {
		t.Errorf("%s, %s, %d dropped", got.kinds(1), got.kinds(2), g.counts.get("dropped unreadable"))
	}
}

// fragile is a Counts with a defect.
type fragile struct{ counted }

func (*fragile) Blanked(int) { panic("a defect") }

func TestDefectEndsOneConnection(t *testing.T) {
	g := stalled(t)
	g.Recorder.counts = &fragile{}
	bad, good := g.conn(1), g.conn(2)
	req, resp := metadata("orders")
	for range 2 {
		bad.send([]byte{0, 0, 0, 12, 0x7f, 0xff, 0, 0, 0, 0, 0, 7, 0, 0, 1, 2}, 100)
		good.ask(req, resp, 10)
	}
	g.work()
	g.Recorder.end()
	got := read(t, g.dir)
	if got.kinds(1) != "OLC" || got.kinds(2) != "ORARAC" || !strings.Contains(g.log.String(), "a defect") {
		t.Errorf("%s, %s, log: %s", got.kinds(1), got.kinds(2), g.log)
	}
}

// A disk that cannot be written costs what it would have held, is told of once and
// tried again.
func TestDiskThatCannotBeWritten(t *testing.T) {
	g := stalled(t)
	if err := os.WriteFile(g.dir, nil, 0o600); err != nil { // a file where the directory should be
		t.Fatal(err)
	}
	c := g.conn(1)
	req, resp := metadata("orders")
	for range 3 {
		c.ask(req, resp, 100)
		g.clock.pass(2 * blockAge)
		g.work()
	}
	if got := strings.Count(g.log.String(), "cannot be written"); got != 1 || g.counts.get("dropped disk") == 0 {
		t.Errorf("told %d times, %d bytes dropped", got, g.counts.get("dropped disk"))
	}
	if err := os.Remove(g.dir); err != nil {
		t.Fatal(err)
	}
	g.clock.pass(retryPause)
	after, afterAnswer := metadata("after")
	c.ask(after, afterAnswer, 100)
	g.clock.pass(2 * blockAge)
	g.work()
	g.Recorder.end()
	if !strings.Contains(g.log.String(), "can be written again") {
		t.Errorf("log: %s", g.log)
	}
	if got := read(t, g.dir); got.kinds(1) != "ORAC" || !bytes.Contains(got.sent[1], []byte("after")) {
		t.Errorf("%s", got.kinds(1))
	}
}

// A disk that fills up in the middle of a block: what was written before is found again, and
// so is what comes when there is room. Of what is between nothing is found in part.
func TestFullDiskLosesWhatHasNoRoom(t *testing.T) {
	g := stalled(t)
	c := g.conn(1)
	ask := func(topic string) {
		req, resp := metadata(topic)
		c.ask(req, resp, 100)
		g.clock.pass(2 * blockAge)
		g.work()
	}
	ask("before")
	makeRoom := fulldisk.Beyond(t, g.store.size+20)
	for range 3 {
		ask("missing")
	}
	makeRoom()
	if got := strings.Count(g.log.String(), "cannot be written"); got != 1 || g.counts.get("dropped disk") == 0 {
		t.Errorf("told %d times, %d bytes dropped", got, g.counts.get("dropped disk"))
	}
	g.clock.pass(retryPause)
	ask("after")
	g.Recorder.end()
	got := read(t, g.dir).sent[1]
	if !bytes.Contains(got, []byte("before")) || bytes.Contains(got, []byte("missing")) || !bytes.Contains(got, []byte("after")) {
		t.Errorf("%q", got)
	}
}

// Passwords never reach a file, whatever the payload.
func TestPasswordsAreNotInTheFile(t *testing.T) {
	const password = "correct-horse-battery"
	for _, payload := range []scrub.Payload{scrub.None, scrub.Keys, scrub.Full} {
		g := newRig(t, func(o *Options) { o.Payload = payload })
		c := g.conn(1)
		for version := range int16(3) {
			auth, authed := kmsg.NewPtrSASLAuthenticateRequest(), kmsg.NewPtrSASLAuthenticateResponse()
			auth.Version, authed.Version = version, version
			auth.SASLAuthBytes, authed.SASLAuthBytes = []byte("\x00shop\x00"+password), []byte(password)
			for _, piece := range []int{1, 9, 4096} {
				c.ask(auth, authed, piece)
			}
		}
		b := records.NewBuilder(records.Zstd)
		batch, err := b.Add([]byte("key"), []byte("value-of-a-record")).AppendBatch(nil)
		if err != nil {
			t.Fatal(err)
		}
		produce, produced := producing(batch)
		c.ask(produce, produced, 33)
		g.end()
		text := decompressed(t, segments(t, g.dir)[0])
		if bytes.Contains(text, []byte(password)) || bytes.Contains(text, []byte("horse")) {
			t.Errorf("%s: the password is in the file", payload)
		}
		if !bytes.Contains(text, []byte("orders")) || bytes.Contains(text, []byte("key")) != (payload == scrub.Keys) && payload != scrub.Full {
			t.Errorf("%s: other things are in the file than should be", payload)
		}
		if got := read(t, g.dir); got.kinds(1) != "ORAC" && !strings.HasPrefix(got.kinds(1), "ORARA") {
			t.Errorf("%s: %s", payload, got.kinds(1))
		}
	}
}

// decompressed gives all that a file holds.
func decompressed(t *testing.T, path string) (text []byte) {
	t.Helper()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p := newUnpacker()
	defer p.close()
	for _, at := range blockStarts(t, whole) {
		size := int(binary.BigEndian.Uint32(whole[at:]))
		if err := p.open(whole[at+blockHead : at+blockHead+size]); err != nil {
			t.Fatal(err)
		}
		text = append(text, p.raw...)
	}
	return text
}

// Topics of which news had no room are asked for again.
func TestNewsOfTopicsAreNotLost(t *testing.T) {
	topics := []rules.Topic{{Name: "early", Partitions: 1}}
	var heard func(rules.Topic)
	g := &rig{t: t, dir: filepath.Join(t.TempDir(), "recordings"), counts: &counted{}, clock: &clock{at: epoch}, log: &bytes.Buffer{}}
	g.Recorder = newRecorder(Options{
		Dir: g.dir, MaxSize: 1 << 30, All: true, Counts: g.counts, Log: zerolog.New(g.log), Now: g.clock.now,
		Topics: func(f func(rules.Topic)) []rules.Topic { heard = f; return topics },
	})
	for i := range 40_000 {
		topic := rules.Topic{Name: fmt.Sprint("topic-", i), Partitions: 1}
		topics = append(topics, topic)
		heard(topic)
	}
	if !g.unheard.Load() {
		t.Fatal("the queue had room for all of them")
	}
	g.clock.pass(2 * blockAge)
	g.work()
	g.clock.pass(2 * blockAge)
	g.work()
	g.Recorder.end()
	names := map[string]bool{}
	for _, e := range read(t, g.dir).of(Learned) {
		names[e.Topic.Name] = true
	}
	if len(names) != len(topics) {
		t.Errorf("%d topics of %d", len(names), len(topics))
	}
}

func TestCloseWaitsNoLongerThanItsContext(t *testing.T) {
	g := stalled(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := g.Close(ctx); err == nil {
		t.Error("a recorder that hangs was waited for")
	}
	var none *Recorder
	if err := none.Close(ctx); err != nil || none.Open(&Entry{}) != nil {
		t.Error("no recorder records")
	}
}
