package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"warder/proxy/embedded"
)

func sceneOffsetReset() demoScene {
	return demoScene{
		rule: "offset-reset", config: "{first_start: false}",
		topics: []embedded.Topic{{Name: "stock", Partitions: 2}},
		acts: []demoAct{
			{
				client: "stock-watch", group: "stock-watch", does: "starts again after its offsets expired",
				because: "It was away for longer than offsets.retention.minutes, seven days by default; here its offsets are deleted past warder. auto.offset.reset is latest.",
				found:   true, once: true, play: playAway(true), after: explainReset,
			},
			{
				client: "stock-alarm", group: "stock-alarm", does: "starts again in time",
				because: "The same pause, but the coordinator still has its offsets: it goes on where it was, whatever auto.offset.reset says.",
				once:    true, play: playAway(false),
			},
		},
	}
}

// demoAway is how long a group must not have committed for warder to believe the coordinator that it has no offsets.
const demoAway = 5500 * time.Millisecond

// playAway lets a group read, be away while others write, and come back.
func playAway(expires bool) func(context.Context, *demoStage) (bool, error) {
	const before, meanwhile = 20, 30
	stock := func(ctx context.Context, st *demoStage, n int) error {
		return st.prepare(ctx, st.act.client+"-feed", recordsOf("stock", n, stockJSON))
	}
	return func(ctx context.Context, st *demoStage) (bool, error) {
		if expires { // both groups read what is written here
			if err := stock(ctx, st, before); err != nil {
				return false, err
			}
		}
		if err := st.once(ctx, "stock", before, kgo.NewOffset().AtStart()); err != nil {
			return false, err
		}
		if expires {
			if err := stock(ctx, st, meanwhile); err != nil {
				return false, err
			}
		}
		pause(ctx, demoAway)
		if !expires {
			if err := st.once(ctx, "stock", meanwhile, kgo.NewOffset().AtEnd()); err != nil {
				return false, err
			}
			st.print.field("developer", fmt.Sprintf("It has read the %d records that were written while it was away.", meanwhile))
			return false, nil
		}
		return false, errors.Join(st.forget(ctx, "stock"), st.startsAtTheEnd(ctx, meanwhile))
	}
}

// once starts a consumer of the act's group, lets it read so many records, and stops it.
func (st *demoStage) once(ctx context.Context, topic string, n int, reset kgo.Offset) error {
	cl, err := st.reader(st.act.client, topic, kgo.ConsumeResetOffset(reset))
	if err != nil {
		return err
	}
	defer cl.Close()
	return takes(ctx, cl, n)
}

// forget lets the coordinator forget the offsets of the act's group.
func (st *demoStage) forget(ctx context.Context, topic string) error {
	cl, err := st.direct()
	if err != nil {
		return err
	}
	defer cl.Close()
	offsets := kadm.TopicsSet{}
	offsets.Add(topic, 0, 1)
	answers, err := kadm.NewClient(cl).DeleteOffsets(ctx, st.act.group, offsets)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		return fmt.Errorf("delete offsets: %w", err)
	}
	return nil
}

// startsAtTheEnd starts the group, with nothing to tell it where it was.
func (st *demoStage) startsAtTheEnd(ctx context.Context, missed int) error {
	cl, err := st.reader(st.act.client, "stock", kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	if err != nil {
		return err
	}
	st.shop.keep(cl)
	return besides(ctx, func(ctx context.Context) error {
		if n := cl.PollFetches(ctx).NumRecords(); n > 0 {
			return fmt.Errorf("it was given %d records, and should be at the end", n)
		}
		return nil
	}, func(ctx context.Context) error {
		_, err := st.told(ctx, "kind", "reset-latest")
		st.print.field("developer", fmt.Sprintf("It runs, its lag is 0, and the %d records that were written while it was away never come. No error.", missed))
		return err
	})
}

// explainReset shows what `warder explain group` says of the group.
func explainReset(ctx context.Context, st *demoStage) error {
	client := &adminClient{address: st.admin, http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	t := &teller{now: time.Now(), zone: time.Local}
	story, err := client.story(ctx, t, st.act.group)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if err := t.write(&page, story); err != nil {
		return err
	}
	st.print.field("explain", "What `warder explain group "+st.act.group+"` says of it:")
	for line := range strings.Lines(page.String()) {
		st.print.block(line)
	}
	return nil
}

func sceneOffsetRewind() demoScene {
	return demoScene{
		rule: "offset-rewind", config: "{action: alert}",
		topics: []embedded.Topic{{Name: "uploads", Partitions: 1}},
		acts: []demoAct{
			{
				client: "thumbnails", group: "thumbnails", does: "commits in the order in which threads end",
				because: "The second half of a batch is done before the first, and each half commits when it is done. Whoever starts next begins in the middle.",
				found:   true, once: true, play: playUnordered,
			},
			{
				client: "gallery", group: "gallery", does: "reads the same records twice",
				because: "It seeks back to fill a cache, and commits nothing by that. To read something again is no mistake.",
				once:    true, play: playReadTwice,
			},
		},
	}
}

const demoUploads = 20

// playUnordered commits the second half of a batch before the first.
func playUnordered(ctx context.Context, st *demoStage) (bool, error) {
	if err := st.prepare(ctx, "upload-form", recordsOf("uploads", demoUploads, func(i int) []byte { return fmt.Appendf(nil, `{"picture":%d}`, i) })); err != nil {
		return false, err
	}
	cl, err := st.reader("thumbnails", "uploads")
	if err != nil {
		return false, err
	}
	defer cl.Close()
	var batch []*kgo.Record
	for len(batch) < demoUploads {
		fetches := cl.PollFetches(ctx)
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			return false, err
		}
		batch = append(batch, fetches.Records()...)
	}
	for _, half := range [][]*kgo.Record{batch[demoUploads/2:], batch[:demoUploads/2]} {
		if err := cl.CommitRecords(ctx, half...); err != nil {
			return false, fmt.Errorf("commit: %w", err)
		}
	}
	st.print.field("developer", fmt.Sprintf("All %d pictures are done, and both commits succeeded.", demoUploads))
	_, err = st.told(ctx, "kind", "rewound")
	return false, err
}

// playReadTwice reads, commits, and reads the same again.
func playReadTwice(ctx context.Context, st *demoStage) (bool, error) {
	cl, err := st.reader("gallery", "uploads")
	if err != nil {
		return false, err
	}
	defer cl.Close()
	if err := takes(ctx, cl, demoUploads); err != nil {
		return false, err
	}
	cl.SetOffsets(map[string]map[int32]kgo.EpochOffset{"uploads": {0: {Epoch: -1, Offset: 0}}})
	for n := 0; n < demoUploads; {
		fetches := cl.PollFetches(ctx)
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			return false, err
		}
		n += fetches.NumRecords()
	}
	pause(ctx, 6*time.Second)
	st.print.field("developer", fmt.Sprintf("It has got all %d pictures twice.", demoUploads))
	return false, ctx.Err()
}
