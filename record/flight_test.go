package record

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"warder/record/scrub"
	"warder/rules"
)

// flying is a recorder that writes when something is found, and works when told to.
func flying(t *testing.T, flight int) *rig {
	t.Helper()
	g := &rig{t: t, dir: filepath.Join(t.TempDir(), "recordings"), counts: &counted{}, clock: &clock{at: epoch}, log: &bytes.Buffer{}}
	g.Recorder = newRecorder(Options{
		Dir: g.dir, Payload: scrub.Full, MaxSize: 1 << 30, Flight: flight, Version: "test", Counts: g.counts, Log: zerolog.New(g.log), Now: g.clock.now,
	})
	return g
}

func (g *rig) find(rule string, severity rules.Severity, action rules.Action) {
	g.t.Helper()
	if err := g.Write(&rules.Finding{ID: rule + "-1", Rule: rule, Severity: severity, Action: action}); err != nil {
		g.t.Fatal(err)
	}
	g.work()
}

func (g *rig) files() int {
	files, _ := filepath.Glob(filepath.Join(g.dir, "*.wrec"))
	return len(files)
}

// talkFor has a client ask each second.
func (g *rig) talkFor(c *talk, seconds int, what string) {
	for i := range seconds {
		req, resp := metadata(fmt.Sprint(what, "-", i))
		c.ask(req, resp, 1<<20)
		g.clock.pass(time.Second)
		g.work()
	}
}

// Nothing is written until a finding asks for it; then what came before, and half a
// minute of what follows.
func TestFlightIsWrittenAroundAFinding(t *testing.T) {
	for name, find := range map[string]func(*rig){
		"critical": func(g *rig) { g.find("heartbeat-gap", rules.Critical, rules.Alert) },
		"record":   func(g *rig) { g.find("key-drift", rules.Info, rules.Keep) },
	} {
		g := flying(t, 1<<20)
		c := g.conn(1)
		g.talkFor(c, 5, "before")
		g.find("lag-skew", rules.Warning, rules.Alert)
		if g.files() != 0 {
			t.Fatalf("%s: written for nothing", name)
		}
		find(g)
		g.talkFor(c, 20, "after")
		g.talkFor(c, 60, "late")
		g.Recorder.end()
		got := read(t, g.dir)
		if g.files() != 1 {
			t.Errorf("%s: %d segments", name, g.files())
		}
		sent := string(got.sent[1])
		for text, want := range map[string]bool{"before-0": true, "before-4": true, "after-0": true, "after-19": true, "late-5": true, "late-20": false, "late-59": false} {
			if strings.Contains(sent, text) != want {
				t.Errorf("%s: %s: want %v", name, text, want)
			}
		}
		if found := got.of(Found); len(found) != 2 || found[1].Finding.Rule == "lag-skew" || got.kinds(1)[:5] != "ORARA" {
			t.Errorf("%s: %d findings, %s", name, len(found), got.kinds(1))
		}
		if !strings.Contains(g.log.String(), "what led to a finding is written") {
			t.Errorf("%s: log: %s", name, g.log)
		}
	}
}

// A rule has the ring written once a minute.
func TestFlightsAreLimited(t *testing.T) {
	g := flying(t, 1<<20)
	c := g.conn(1)
	for range 90 {
		g.talkFor(c, 1, "always")
		g.find("heartbeat-gap", rules.Critical, rules.Alert)
	}
	if w, l := g.counts.get("flight written"), g.counts.get("flight limited"); w != 2 || l != 88 {
		t.Errorf("written %d, limited %d", w, l)
	}
	g.find("tombstone", rules.Critical, rules.Block)
	if w := g.counts.get("flight written"); w != 3 {
		t.Errorf("another rule: written %d", w)
	}
	g.Recorder.end()
	if got := read(t, g.dir); !bytes.Equal(got.sent[1], c.sent.Bytes()) || strings.Contains(got.kinds(1), "L") {
		t.Errorf("what follows upon each other is one recording: %d bytes of %d", len(got.sent[1]), c.sent.Len())
	}
}

// The ring keeps the newest, within its bound; a segment says who was connected before.
func TestRingIsBounded(t *testing.T) {
	const flight = 1 << 20
	g := flying(t, flight)
	c, gone := g.conn(1), g.conn(2)
	gone.tap.Close(g.clock.now(), false)
	c.id = &rules.Identity{Principal: "User:shop"}
	r := rand.New(rand.NewPCG(5, 6))
	for range 100 {
		c.fill(r, 10, 5000)
		g.work()
		var held int
		for i := range g.ring.blocks {
			held += g.ring.blocks[i].cost()
		}
		if held > flight || held != g.ring.size {
			t.Fatalf("%d bytes are held, %d counted", held, g.ring.size)
		}
	}
	g.find("heartbeat-gap", rules.Critical, rules.Alert)
	g.Recorder.end()
	got := read(t, g.dir)
	if !bytes.HasSuffix(c.sent.Bytes(), got.sent[1]) || len(got.sent[1]) < flight/4 || len(got.sent[1]) == c.sent.Len() {
		t.Errorf("%d bytes of %d", len(got.sent[1]), c.sent.Len())
	}
	opened := got.of(Opened)
	if len(opened) != 1 || opened[0].Identity.Principal != "User:shop" {
		t.Errorf("opened: %+v", opened)
	}
	checkAnswers(t, got, 1)
}

// Between two flights is a gap.
func TestGapBetweenFlights(t *testing.T) {
	g := flying(t, 64<<10)
	c := g.conn(1)
	r := rand.New(rand.NewPCG(7, 8))
	g.talkFor(c, 3, "first")
	g.find("heartbeat-gap", rules.Critical, rules.Alert)
	g.talkFor(c, 60, "between")
	for range 10 {
		c.fill(r, 10, 5000)
		g.work()
	}
	g.find("heartbeat-gap", rules.Critical, rules.Alert)
	g.talkFor(c, 3, "second")
	g.Recorder.end()
	got := read(t, g.dir)
	if g.files() != 2 || strings.Count(got.kinds(1), "L") != 1 || !strings.Contains(string(got.sent[1]), "second-2") {
		t.Errorf("%d segments, %s", g.files(), got.kinds(1))
	}
	checkAnswers(t, got, 1)
}
