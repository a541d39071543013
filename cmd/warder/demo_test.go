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

// demoForTest plays scenes on free ports, for one round unless duration is 0.
func demoForTest(ctx context.Context, out io.Writer, duration time.Duration, scenes ...demoScene) error {
	o := demoOptions{duration: duration, listen: "127.0.0.1:0", admin: "127.0.0.1:0", stdout: out, stderr: out}
	return playDemo(ctx, o, demoPlay{scenes: scenes, every: time.Millisecond})
}

// TestDemoShowsEveryRule plays all scenes: each act ends as expected, and warder finds nothing beyond that.
func TestDemoShowsEveryRule(t *testing.T) {
	defer goleak.VerifyNone(t)
	var out bytes.Buffer
	if err := demoForTest(t.Context(), &out, time.Nanosecond, demoScenes()...); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	text := strings.Join(strings.Fields(out.String()), " ") // without the wrapping
	for _, want := range []string{
		"developer POLICY_VIOLATION",
		"warder: rule tombstone refused this record: ",
		" tombstone block",
		"Key u-7 is still there after compaction: {\"name\":\"Grace\"",
		"key u-8 is gone, and nobody was told",
		"explain group stock-watch` says of it: group stock-watch: 1 member, 2 partitions,",
		"Skipped: the group passed by 30 records in 2 partitions.",
		"users all stored",
		"Everything expected was found: ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the demo does not show %q", want)
		}
	}
	if strings.Contains(text, " further ") {
		t.Error("there are findings that belong to no act")
	}
	for _, act := range demoActs(demoScenes()) {
		if want := act.title() + " " + demoWords(act.refused, act.found) + " "; !strings.Contains(text, want) {
			t.Errorf("the table does not say %q", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// With the rule only alerting nothing is refused, and the demo must say so and fail.
func TestDemoTellsWhatIsMissing(t *testing.T) {
	var out bytes.Buffer
	alerting := sceneTombstone()
	alerting.config = strings.Replace(alerting.config, "block", "alert", 1)
	if err := demoForTest(t.Context(), &out, time.Nanosecond, alerting); !errors.Is(err, errDemoMissing) {
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
	for _, tc := range []struct {
		name, text, want string
		scenes           []demoScene
	}{
		{"in the first act", "1 of 3", "MISSING", []demoScene{sceneTombstone()}},
		{"while acts go on in the background", "1 of ", "MISSING", demoScenes()},
		{"after the first round", "The shop goes on", "Everything expected was found", []demoScene{sceneTombstone()}},
		{"in a further round", "on compacted topic users: refused", "×2", []demoScene{sceneTombstone()}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			defer goleak.VerifyNone(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &cutAt{text: tc.text, cancel: cancel}
			err := demoForTest(ctx, out, 0, tc.scenes...)
			if (err != nil) != (tc.want == "MISSING") || !strings.Contains(out.String(), tc.want) {
				t.Errorf("%v\n%s", err, out.String())
			}
		})
	}
}
