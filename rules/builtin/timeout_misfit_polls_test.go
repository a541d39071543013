package builtin

import (
	"strings"
	"testing"
	"time"

	"warder/rules"
)

// TestLongPollsMustBeAHabit: three of them, and one of a hundred.
func TestLongPollsMustBeAHabit(t *testing.T) {
	for _, c := range []struct {
		brief, long int
		tight       bool
	}{{0, 2, false}, {0, 3, true}, {297, 3, true}, {298, 3, false}, {100_000, 20, false}, {1000, 500, true}} {
		times := &pollTimes{limit: 5 * time.Minute}
		for range c.brief {
			times.count(time.Second, 150*time.Second)
		}
		for range c.long {
			times.count(200*time.Second, 150*time.Second)
		}
		if got := times.tightness(); (got > 0.6 && got < 0.7) != c.tight || (got == 0) == c.tight {
			t.Errorf("%+v: %v", c, got)
		}
		if times.n >= pollsKept {
			t.Errorf("%+v: %d are counted", c, times.n)
		}
	}
	if (*pollTimes)(nil).tightness() != 0 || (&pollTimes{limit: 1, n: 3, long: 3, longest: 1, sparse: true}).tightness() != 0 {
		t.Error("nothing was measured")
	}
}

// TestPollAdviceNamesTheLibrarysSettings with twice what was measured.
func TestPollAdviceNamesTheLibrarysSettings(t *testing.T) {
	times := &pollTimes{longest: 180 * time.Second}
	for library, want := range map[rules.Library]string{
		rules.Java:        "Raise max.poll.interval.ms to 361000 or more, or lower max.poll.records",
		rules.KafkaPython: "Raise max_poll_interval_ms to 361000 or more, or lower max_poll_records",
		rules.Librdkafka:  "Raise max.poll.interval.ms to 361000 or more, or do less between two calls",
	} {
		if got := times.advice(library); !strings.HasPrefix(got, want) {
			t.Errorf("%v: %q", library, got)
		}
	}
}
