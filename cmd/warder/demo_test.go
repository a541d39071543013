package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// demoForTest plays the acts on free ports, for one round unless duration is 0, with this action of the rules.
func demoForTest(ctx context.Context, out io.Writer, duration time.Duration, action string) error {
	o := demoOptions{duration: duration, listen: "127.0.0.1:0", admin: "127.0.0.1:0", stdout: out, stderr: out}
	return playDemo(ctx, o, demoPlay{action: action, every: time.Millisecond})
}

func TestDemoShowsTheBlockedTombstone(t *testing.T) {
	defer goleak.VerifyNone(t)
	var out bytes.Buffer
	if err := demoForTest(t.Context(), &out, time.Nanosecond, "block"); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	text := strings.Join(strings.Fields(out.String()), " ") // without the wrapping
	for _, want := range []string{
		"developer POLICY_VIOLATION",
		"warder: rule tombstone refused this record: ",
		" tombstone block",
		"Key u-7 is still there after compaction: {\"name\":\"Grace\"",
		"key u-8 is gone, and nobody was told",
		"refused, finding tombstone refused, finding tombstone ok",
		"stored, no finding stored, no finding ok",
		"all stored all stored ok",
		"Everything expected was found.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the demo does not show %q", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// With the rule only alerting nothing is refused, and the demo must say so and fail.
func TestDemoTellsWhatIsMissing(t *testing.T) {
	var out bytes.Buffer
	if err := demoForTest(t.Context(), &out, time.Nanosecond, "alert"); !errors.Is(err, errDemoMissing) {
		t.Errorf("got %v, want errDemoMissing", err)
	}
	for _, want := range []string{"MISSING", "refused 0 of 1 times"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not show %q\n%s", want, out.String())
		}
	}
}

// cutAt cancels a context as soon as some text has been written.
type cutAt struct {
	bytes.Buffer
	text   string
	cancel context.CancelFunc
}

func (c *cutAt) Write(p []byte) (int, error) {
	n, err := c.Buffer.Write(p)
	if strings.Contains(c.String(), c.text) {
		c.cancel()
	}
	return n, err
}

func TestInterruptedDemoEndsInOrder(t *testing.T) {
	for text, want := range map[string]string{
		"1 of 3":                                "MISSING",                        // in the first act
		"The shop goes on":                      "Everything expected was found.", // after the first round
		"u-7 of compacted topic users: refused": "(2 times)",                      // while repeating; the first line of a further round
	} {
		t.Run(text, func(t *testing.T) {
			defer goleak.VerifyNone(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &cutAt{text: text, cancel: cancel}
			err := demoForTest(ctx, out, 0, "block")
			if (err != nil) != (want == "MISSING") || !strings.Contains(out.String(), want) {
				t.Errorf("%v\n%s", err, out.String())
			}
		})
	}
}
