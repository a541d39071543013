package builtin

import (
	"fmt"
	"testing"

	"warder/rules"
)

// batchRunner is a rule about null values with one session's case, as the gate
// calls it.
type batchRunner struct {
	rule  rules.Rule
	c     rules.Case
	batch rules.Batch
	recs  []rules.Record
}

// nullRules are the rules that look at every record for null and empty values.
func nullRules() []rules.Spec {
	return []rules.Spec{tombstoneSpec(), tombstoneSpikeSpec(), emptyValueSpec()}
}

// newBatchRunner has a batch of 100 records.
func newBatchRunner(tb testing.TB, spec rules.Spec, value func(i int) []byte) *batchRunner {
	tb.Helper()
	rule, err := spec.New(func(any) error { return nil })
	if err != nil {
		tb.Fatal(err)
	}
	r := &batchRunner{rule: rule}
	r.c.Shared = rule.(rules.Sharer).NewShared()
	if s, ok := rule.(rules.Scratcher); ok {
		r.c.Scratch = s.NewScratch()
	}
	r.batch = rules.Batch{
		Request: rules.Request{Time: epoch, Identity: &rules.Identity{ClientID: "profile-svc"}},
		Topic:   &rules.Topic{Name: "users", Cleanup: rules.CleanupCompact},
	}
	setNew(&r.batch.Header)
	r.batch.Header.NumRecords = 100
	for i := range 100 {
		r.recs = append(r.recs, rules.Record{Index: i, Key: fmt.Appendf(nil, "user-%d", i), Value: value(i)})
	}
	return r
}

// setNew sets a pointer whose type this package must not name.
func setNew[T any](p **T) { *p = new(T) }

func (r *batchRunner) run() {
	record, batch := r.rule.(rules.RecordRule), r.rule.(rules.BatchRule)
	for i := range r.recs {
		r.batch.Records = i + 1
		record.Record(&r.c, &r.batch, &r.recs[i])
	}
	batch.Batch(&r.c, &r.batch)
}

func user(i int) []byte {
	return fmt.Appendf(nil, `{"id":%05d,"name":"user %05d","address":{"street":"Main Street","city":"Graz"},"note":"abcdefgh"}`, i, i)
}

// BenchmarkCleanBatch is what each rule adds to the walk over a clean batch of 100
// records of 100 bytes.
func BenchmarkCleanBatch(b *testing.B) {
	for _, spec := range nullRules() {
		b.Run(spec.ID, func(b *testing.B) {
			r := newBatchRunner(b, spec, user)
			b.ReportAllocs()
			for b.Loop() {
				r.run()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/record")
		})
	}
}

// Neither a clean batch costs memory nor one with empty values where they are
// usual, as in a set of keys.
func TestSilenceAllocatesNothing(t *testing.T) {
	for _, spec := range nullRules() {
		for name, value := range map[string]func(int) []byte{
			"values": user,
			"set":    func(int) []byte { return []byte{} },
		} {
			r := newBatchRunner(t, spec, value)
			r.run()
			if n := testing.AllocsPerRun(100, r.run); n != 0 || !r.c.Empty() {
				t.Errorf("%s, %s: %v allocations, left %+v", spec.ID, name, n, r.c)
			}
		}
	}
}

// A batch that breaks off is never settled: what was seen of it must not count
// towards the next.
func TestBrokenBatchIsForgotten(t *testing.T) {
	for _, spec := range nullRules()[1:] {
		r := newBatchRunner(t, spec, user)
		for range 10 {
			r.run()
		}
		empty := newBatchRunner(t, spec, func(i int) []byte { return []byte{} })
		for i := range 50 {
			empty.recs[i].ValueNull = i%2 == 0
			r.rule.(rules.RecordRule).Record(&r.c, &r.batch, &empty.recs[i])
		}
		r.c.Reset() // as the gate does
		r.run()
		if !r.c.Empty() {
			t.Errorf("%s: %+v", spec.ID, r.c)
		}
	}
}
