package builtin

import (
	"net/netip"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/ruletest"
)

func TestProducerFencedCases(t *testing.T) {
	ruletest.Run(t, Specs(), "testdata/producer_fenced")
}

// fencedScene gives events of one transactional id to the rule.
type fencedScene struct {
	rule *producerFenced
	w    rules.Watch
}

func newFencedScene(t *testing.T) *fencedScene {
	t.Helper()
	rule, err := newProducerFenced(func(any) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return &fencedScene{rule.(*producerFenced), rules.Watch{Key: "T"}}
}

// at gives an event and returns how many findings it made.
func (s *fencedScene) at(seconds int, ev rules.Event) int {
	s.w.Now = epoch.Add(time.Duration(seconds) * time.Second)
	switch e := ev.(type) {
	case rules.ProducerInitialised:
		e.At = s.w.Now
		ev = e
	case rules.ProduceFailed:
		e.At = s.w.Now
		ev = e
	}
	s.rule.Watch(&s.w, ev)
	reports, _ := s.w.Left()
	return len(reports)
}

func producerAt(address string) *rules.Identity {
	return &rules.Identity{ClientID: "ledger", SoftwareName: "apache-kafka-java", Remote: netip.MustParseAddrPort(address)}
}

func TestFencedWithinOneInstance(t *testing.T) {
	for _, tt := range []struct {
		name          string
		first, second string
		refused       string
		after         int
		want          int
	}{
		{"two processes of one host", "10.0.0.1:1000", "10.0.0.1:2000", "10.0.0.1:1000", 10, 1},
		{"the old producer is being closed", "10.0.0.1:1000", "10.0.0.1:2000", "10.0.0.1:1000", 2, 0},
		{"the new one is refused itself", "10.0.0.1:1000", "10.0.0.1:2000", "10.0.0.1:2000", 10, 0},
		{"another connection of whichever", "10.0.0.1:1000", "10.0.0.1:2000", "10.0.0.1:3000", 10, 0},
		{"another connection of another host", "10.0.0.1:1000", "10.0.0.2:2000", "10.0.0.1:3000", 1, 1},
	} {
		s := newFencedScene(t)
		s.at(0, rules.ProducerInitialised{Client: producerAt(tt.first)})
		s.at(5, rules.ProducerInitialised{Client: producerAt(tt.second)})
		got := s.at(5+tt.after, rules.ProduceFailed{Client: producerAt(tt.refused), Request: "EndTxn", ErrorCode: producerFencedCode})
		if got != tt.want {
			t.Errorf("%s: %d findings", tt.name, got)
		}
	}
}

// The answer to InitProducerId may be read after the refusal that it causes.
func TestFencedBeforeTheCauseIsHeardOf(t *testing.T) {
	a, b := producerAt("10.0.0.1:1000"), producerAt("10.0.0.2:1000")
	for _, tt := range []struct{ refused, taken, want int }{{10, 11, 1}, {10, 20, 0}} {
		s := newFencedScene(t)
		s.at(0, rules.ProducerInitialised{Client: a})
		s.at(tt.refused, rules.ProduceFailed{Client: a, Request: "Produce", ErrorCode: invalidProducerEpoch})
		if got := s.at(tt.taken, rules.ProducerInitialised{Client: b}); got != tt.want {
			t.Errorf("refused at %d, taken at %d: %d findings", tt.refused, tt.taken, got)
		}
	}
}

func TestFencingIsBounded(t *testing.T) {
	s := newFencedScene(t)
	for i := range 100 {
		s.at(i, rules.ProducerInitialised{Client: producerAt(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 1).String())})
	}
	if f := s.w.State.(*fencing); len(f.lost) != fencedKept || cap(f.lost) > 2*fencedKept {
		t.Errorf("%d of %d kept", len(f.lost), cap(f.lost))
	}
	s.w.Now = epoch.Add(time.Hour)
	s.rule.Tick(&s.w)
	if s.w.State != nil {
		t.Error("an id that nobody uses is kept")
	}
}

// What was lost cannot be made up for, and nothing wrong is concluded from it.
func TestFencedAfterAGap(t *testing.T) {
	s := newFencedScene(t)
	if n := s.at(0, rules.ProduceFailed{Client: producerAt("10.0.0.1:1"), ErrorCode: producerFencedCode}); n != 0 || s.w.State != nil {
		t.Errorf("%d findings about somebody unknown, state %v", n, s.w.State)
	}
	s.at(1, rules.ProducerInitialised{Client: producerAt("10.0.0.1:1")})
	if n := s.at(2, rules.Gap{At: epoch, Lost: 3}); n != 0 || s.w.State == nil {
		t.Errorf("%d findings, state %v", n, s.w.State)
	}
}
