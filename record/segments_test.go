package record

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/record/scrub"
	"warder/rules"
)

// noise gives a name that does not compress.
func noise(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + r.IntN(26))
	}
	return string(b)
}

// fill asks for so much metadata with names of topics that do not compress.
func (c *talk) fill(r *rand.Rand, requests, size int) {
	for range requests {
		req, resp := metadata(noise(r, size))
		c.ask(req, resp, 1<<20)
	}
}

func sizeOf(t *testing.T, dir string) (sum int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.wrec"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if info, err := os.Stat(path); err == nil { // else it was deleted just now
			sum += info.Size()
		}
	}
	return sum
}

// What is beyond record.max_size goes, the oldest first, whoever wrote it; what is left
// can be read, each segment by itself and all together.
func TestRecordingsStayWithinTheirSize(t *testing.T) {
	const most = 4 << 20
	dir := filepath.Join(t.TempDir(), "recordings")
	r := rand.New(rand.NewPCG(1, 2))
	var last *talk
	for run := range 3 {
		g := newRigAt(t, epoch.Add(time.Duration(run)*time.Hour), dir, func(o *Options) { o.MaxSize = most })
		c := g.conn(1)
		for range 40 {
			c.fill(r, 20, 5000)
			g.taken()
			if got := sizeOf(t, dir); got > most {
				t.Fatalf("%d bytes, at most %d are wanted", got, most)
			}
		}
		g.end()
		last = c
	}
	if got := sizeOf(t, dir); got < most/2 {
		t.Errorf("%d bytes of %d are used", got, most)
	}
	files := segments(t, dir)
	if len(files) < 8 {
		t.Fatalf("%d segments", len(files))
	}
	all := read(t, dir)
	for conn, sent := range all.sent {
		if !bytes.HasSuffix(last.sent.Bytes(), sent) && conn == uint64(len(all.sent)) {
			t.Error("the newest connection ends with other bytes than were sent")
		}
	}
	var sum int
	for _, file := range files {
		alone := read(t, file)
		if len(alone.sent) != 1 || len(alone.sent[1]) == 0 {
			t.Errorf("%s alone: %d connections", file, len(alone.sent))
		}
		requests, err := framesOf(alone.sent[1])
		answers, err2 := framesOf(alone.received[1])
		if err != nil || err2 != nil || len(answers) > len(requests) {
			t.Errorf("%s alone: %d requests, %d answers, %v %v", file, len(requests), len(answers), err, err2)
		}
		sum += len(alone.sent[1])
	}
	var together int
	for _, sent := range all.sent {
		together += len(sent)
	}
	if sum > together || sum < together*9/10 { // a request that is cut in two is read only together
		t.Errorf("%d bytes of requests alone, %d together", sum, together)
	}
}

// taken waits until the queue is empty.
func (g *rig) taken() {
	g.t.Helper()
	eventually(g.t, "an empty queue", func() bool {
		g.queue.mu.Lock()
		defer g.queue.mu.Unlock()
		return len(g.queue.items) == 0
	})
}

// A segment that is missing in the middle leaves Lost in its place.
func TestMissingSegmentIsAGap(t *testing.T) {
	g := newRig(t, func(o *Options) { o.MaxSize = 2 << 20 })
	r := rand.New(rand.NewPCG(3, 4))
	ends, stays := g.conn(1), g.conn(2)
	stays.id = &rules.Identity{Principal: "User:late"}
	g.learn(rules.Topic{Name: "orders", Partitions: 3})
	for range 30 {
		stays.fill(r, 5, 5000)
		ends.fill(r, 5, 5000)
		g.taken()
	}
	ends.tap.Close(g.clock.now(), false)
	begins := g.conn(3)
	for range 20 {
		stays.fill(r, 5, 5000)
		begins.fill(r, 5, 5000)
		g.taken()
	}
	g.end()
	files := segments(t, g.dir)
	whole := read(t, files...)
	if got := [...]string{whole.kinds(1), whole.kinds(2)}; strings.Contains(got[0]+got[1], "L") || !bytes.Equal(whole.sent[2], stays.sent.Bytes()) {
		t.Fatalf("with all segments: %q", got)
	}
	without := read(t, append([]string{files[0]}, files[len(files)-2:]...)...)
	if got := without.kinds(2); strings.Count(got, "L") != 1 || strings.Count(got, "O") != 1 || !strings.HasPrefix(got, "OI") {
		t.Errorf("connection that stays: %s", got)
	}
	if got := without.kinds(1); strings.Count(got, "L") != 0 || !strings.HasSuffix(got, "C") {
		t.Errorf("connection that ends: %s", got)
	}
	if e := without.of(Closed)[0]; e.Conn != 1 || !e.ByBroker {
		t.Errorf("the end that nobody has seen: %+v", e)
	}
	if l := without.of(Learned); len(l) != 2 || l[1].Topic.Name != "orders" {
		t.Errorf("learned: %+v", l)
	}
	late := read(t, files[len(files)-1])
	if o := late.of(Opened); len(o) != 2 || o[0].Identity == nil || o[0].Identity.Principal != "User:late" {
		t.Errorf("the last segment begins with %+v", o)
	}
}

// Two runs at once, as of two warders, are given as one row in time.
func TestRunsAreMergedByTime(t *testing.T) {
	var dirs []string
	var rigs []*rig
	for range 2 {
		g := newRig(t, nil)
		rigs, dirs = append(rigs, g), append(dirs, g.dir)
	}
	for i := range 10 {
		for n, g := range rigs {
			c := g.conn(uint64(i + 1))
			req, resp := metadata(fmt.Sprint("run-", n))
			c.ask(req, resp, 1<<20)
			c.tap.Close(g.clock.pass(time.Second), false)
		}
	}
	for _, g := range rigs {
		g.end()
	}
	c := read(t, dirs...)
	if n := len(c.of(Opened)); n != 20 || len(c.sent) != 20 {
		t.Errorf("%d connections, %d of them with requests", n, len(c.sent))
	}
	first := string(c.of(Request)[0].Data)
	if next := string(c.of(Request)[1].Data); first == next {
		t.Error("the runs come one after the other")
	}
}

func TestWhatIsNoRecordingIsRefused(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"other":     "just a text\n",
		"pcap":      "\xd4\xc3\xb2\xa1\x02\x00\x04\x00",
		"version":   "warder recording 2 {}\n",
		"payload":   `warder recording 1 {"payload":"some"}` + "\n",
		"no json":   "warder recording 1 {\n",
		"long line": "warder recording 1 " + strings.Repeat(" ", maxHeaderLine),
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".wrec")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path)
		if _, ok := errors.AsType[*FormatError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("an empty directory is a recording")
	}
	if _, err := Open(filepath.Join(dir, "not-there.wrec")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// Whatever a file says, reading it ends, holds what a Source promises, and takes little
// memory.
func FuzzReader(f *testing.F) {
	g := newRigAt(&testing.T{}, epoch, f.TempDir(), func(o *Options) { o.Payload = scrub.None })
	c := g.conn(1)
	for _, piece := range []int{3, 100, 1 << 20} {
		req, resp := metadata("orders")
		c.ask(req, resp, piece)
	}
	c.ask(kmsg.NewPtrListGroupsRequest(), kmsg.NewPtrListGroupsResponse(), 10)
	c.tap.Close(g.clock.now(), true)
	g.end()
	files, err := filepath.Glob(filepath.Join(g.dir, "*.wrec"))
	if err != nil || len(files) != 1 {
		f.Fatal(files, err)
	}
	file, err := os.ReadFile(files[0])
	if err != nil {
		f.Fatal(err)
	}
	line := bytes.IndexByte(file, '\n') + 1
	p := newUnpacker()
	for at := line; at < len(file); {
		size := int(file[at+1])<<16 | int(file[at+2])<<8 | int(file[at+3])
		if err := p.open(file[at+blockHead : at+blockHead+size]); err != nil {
			f.Fatal(err)
		}
		f.Add(true, slices.Clone(p.raw))
		at += blockHead + size
	}
	f.Add(false, file[line:])
	first := file[:line]
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, raw bool, content []byte) {
		blocks := content
		if raw { // the content of a block whose checksum is right
			p := newPacker()
			p.raw = append(p.raw, content...)
			blocks = p.seal(entriesBlock)
		}
		path := filepath.Join(dir, fmt.Sprintf("%d.wrec", os.Getpid()))
		if err := os.WriteFile(path, append(slices.Clone(first), blocks...), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		const enough = 10_000
		for n := 0; ; n++ {
			e, err := r.Next()
			if err != nil || n == enough {
				break
			}
			if e.Kind == 0 || e.Kind > Passed || (e.Kind == Request || e.Kind == Answer) != (len(e.Data) > 0) {
				t.Fatalf("%+v", e)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
