package record

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/rs/zerolog"

	"warder/protocol/records"
	"warder/record/scrub"
)

// BenchmarkRecord is what recording costs for each Produce request of 100 records with
// values of 100 bytes: put is the session's share, work the recorder's.
func BenchmarkRecord(b *testing.B) {
	builder := records.NewBuilder(records.LZ4)
	for i := range 100 {
		builder.Add(fmt.Appendf(nil, "key-%d", i), fmt.Appendf(nil, "%0100d", i*7919))
	}
	batch, err := builder.AppendBatch(nil)
	if err != nil {
		b.Fatal(err)
	}
	produce, produced := producing(batch)
	for _, payload := range []scrub.Payload{scrub.None, scrub.Keys, scrub.Full} {
		g := &rig{dir: b.TempDir(), counts: &counted{}, clock: &clock{at: epoch}, log: &bytes.Buffer{}}
		g.Recorder = newRecorder(Options{Dir: g.dir, Payload: payload, MaxSize: 64 << 20, All: true, Counts: g.counts, Log: zerolog.New(g.log), Now: g.clock.now})
		c := g.conn(1)
		raw, answer := c.request(produce), c.answer(produced)
		name := payload.String()
		b.Run("put/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for range b.N {
				c.tap.Request(raw, epoch, true, nil)
				c.tap.Answer(answer, epoch, false)
				b.StopTimer()
				g.release()
				b.StartTimer()
			}
		})
		g.Recorder = newRecorder(Options{Dir: g.dir, Payload: payload, MaxSize: 64 << 20, All: true, Counts: g.counts, Log: zerolog.New(g.log), Now: g.clock.now})
		c = g.conn(1)
		b.Run("work/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for range b.N {
				c.tap.Request(raw, epoch, true, nil)
				c.tap.Answer(answer, epoch, false)
				g.work()
			}
		})
		g.Recorder.end()
	}
}

// release forgets what is queued.
func (g *rig) release() {
	items := g.queue.take(nil)
	for i := range items {
		items[i].release()
	}
}
