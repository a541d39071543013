package engine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"warder/rules"
	"warder/rules/sink"
)

var queryAll = sink.Query{}

// folded is a folder and what it has sent.
type folded struct {
	*folder
	sent []rules.Finding
}

func newFolded(limit int) *folded {
	f := &folded{}
	f.folder = newFolder(limit, func(out *rules.Finding) { f.sent = append(f.sent, *out) })
	return f
}

func found(fingerprint string, after time.Duration, change func(*rules.Finding)) rules.Finding {
	f := rules.Finding{Fingerprint: fingerprint, Time: epoch.Add(after), Severity: rules.Warning, Action: rules.Alert}
	if change != nil {
		change(&f)
	}
	return f
}

// story writes what was sent: fingerprint, count, and r for resolved.
func (f *folded) story() (out []string) {
	for _, s := range f.sent {
		text := fmt.Sprint(s.Fingerprint, s.Count)
		if s.Resolved {
			text += "r"
		}
		out = append(out, text)
	}
	f.sent = nil
	return out
}

func expect(t *testing.T, f *folded, want ...string) {
	t.Helper()
	if got := f.story(); !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

func TestFirstAtOnceThenOnceAMinute(t *testing.T) {
	f := newFolded(10)
	for s := range 150 {
		f.add(found("a", time.Duration(s)*time.Second, nil))
		f.tick(epoch.Add(time.Duration(s) * time.Second))
	}
	expect(t, f, "a1", "a61", "a121")
	f.flush(epoch)
	expect(t, f, "a150")
	f.tick(epoch.Add(incidentIdle + 150*time.Second))
	f.add(found("a", 2*time.Hour, nil))
	expect(t, f, "a1")
}

func TestWorseGoesOutAtOnce(t *testing.T) {
	f := newFolded(10)
	f.add(found("a", 0, nil))
	f.add(found("a", 1, func(x *rules.Finding) { x.Severity = rules.Info }))
	f.add(found("a", 2, func(x *rules.Finding) { x.Severity = rules.Critical }))
	f.add(found("a", 3, func(x *rules.Finding) { x.Severity = rules.Critical }))
	f.add(found("a", 4, func(x *rules.Finding) { x.Action = rules.Block }))
	f.add(found("a", 5, func(x *rules.Finding) { x.Action = rules.Alert }))
	expect(t, f, "a1", "a3", "a5")
}

func TestNewsGoesOutAtOnce(t *testing.T) {
	f := newFolded(10)
	news := func(x *rules.Finding) { x.News = true }
	f.add(found("a", 0, nil))
	f.add(found("a", time.Second, nil))
	f.add(found("a", 2*time.Second, news))
	f.add(found("a", 3*time.Second, nil))
	expect(t, f, "a1", "a3")
	f.tick(epoch.Add(61 * time.Second))
	expect(t, f)
	f.tick(epoch.Add(62 * time.Second))
	expect(t, f, "a4")
}

func TestIncidentThatIsOverAfterAnHourIsStillKnown(t *testing.T) {
	f := newFolded(10)
	f.add(found("a", 0, nil))
	f.tick(epoch.Add(time.Hour))
	f.add(found("a", time.Hour+time.Second, func(x *rules.Finding) { x.Resolved = true }))
	expect(t, f, "a1", "a1r")
}

func TestResolvedIsSentOnce(t *testing.T) {
	f := newFolded(10)
	resolved := func(x *rules.Finding) { x.Resolved = true }
	f.add(found("a", 0, nil))
	f.add(found("a", time.Second, nil))
	f.add(found("a", 2*time.Second, resolved))
	f.add(found("a", 3*time.Second, resolved))
	f.add(found("b", 3*time.Second, resolved))
	expect(t, f, "a1", "a2r")
	f.tick(epoch.Add(time.Hour))
	expect(t, f)
}

func TestIncidentKeepsItsIdAndTimes(t *testing.T) {
	f := newFolded(10)
	f.add(found("a", 0, nil))
	f.add(found("a", 2*time.Minute, nil))
	f.add(found("a", time.Minute, nil)) // late
	f.flush(epoch)
	first, second, third := f.sent[0], f.sent[1], f.sent[2]
	if len(first.ID) != 26 || first.ID != second.ID || second.ID != third.ID {
		t.Errorf("ids %s %s %s", first.ID, second.ID, third.ID)
	}
	if !third.FirstTime.Equal(epoch) || !third.LastTime.Equal(epoch.Add(2*time.Minute)) {
		t.Errorf("from %v to %v", third.FirstTime, third.LastTime)
	}
}

func TestEvictedIncidentIsSentWithItsCount(t *testing.T) {
	f := newFolded(2)
	f.add(found("a", 0, nil))
	f.add(found("a", 1, nil))
	f.add(found("b", 2, nil))
	f.add(found("c", 3, nil))
	expect(t, f, "a1", "b1", "a2", "c1")
}

// Whatever comes: every finding is counted once in the end, and no incident is
// sent twice within a minute unless it became worse.
func TestFoldingLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFolded(rapid.IntRange(1, 5).Draw(t, "limit"))
		now, added := time.Duration(0), 0
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(0, 40).Draw(t, "seconds")) * time.Second
			if rapid.Bool().Draw(t, "tick") {
				f.tick(epoch.Add(now))
				continue
			}
			f.add(found(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}).Draw(t, "fingerprint"), now, nil))
			added++
		}
		f.flush(epoch.Add(now))
		last := map[string]int{}
		for _, s := range f.sent {
			if s.Count <= last[s.ID] {
				t.Fatalf("count of %s went from %d to %d", s.ID, last[s.ID], s.Count)
			}
			last[s.ID] = s.Count
		}
		total := 0
		for _, n := range last {
			total += n
		}
		if total != added {
			t.Fatalf("%d findings added, %d told", added, total)
		}
	})
}
