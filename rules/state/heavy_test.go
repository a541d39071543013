package state_test

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"unsafe"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"

	"warder/rules/state"
)

// counters is how many keys a Heavy follows, as its documentation says.
const counters = 256

// Against exact counts: whatever the keys, their weights and their hashes,
// every key above the bound is there and no count is wrong by more than it.
func TestHeavyKeepsItsPromise(t *testing.T) {
	hashes := map[string]func(int) uint64{
		"hashed":   func(k int) uint64 { return xxhash.Sum64String(strconv.Itoa(k)) },
		"low bits": func(k int) uint64 { return uint64(k) },
		"one home": func(k int) uint64 { return uint64(k) << 32 },
	}
	rapid.Check(t, func(t *rapid.T) {
		hash := hashes[rapid.SampledFrom([]string{"hashed", "low bits", "one home"}).Draw(t, "hash")]
		distinct := rapid.IntRange(1, 1500).Draw(t, "distinct keys")
		heaviest := rapid.IntRange(1, 64).Draw(t, "heaviest")
		halveEvery := rapid.IntRange(500, 5000).Draw(t, "halve every")
		skew := rapid.Float64Range(1.01, 3).Draw(t, "skew")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		zipf := rand.NewZipf(random, skew, 4, uint64(distinct-1))
		var h state.Heavy
		exact, total := map[uint64]float64{}, 0.0
		for i := range rapid.IntRange(0, 4000).Draw(t, "records") {
			key, weight := hash(int(zipf.Uint64())), float64(1+random.IntN(heaviest))
			exact[key] += weight
			total += weight
			if k := h.Add(key, weight); k.Hash != key || k.Count < exact[key] || k.Least() > exact[key] {
				t.Fatalf("counter %+v after adding %x, which weighs %v", *k, key, exact[key])
			}
			if i%halveEvery == halveEvery-1 {
				h.Halve()
				total /= 2
				for k := range exact {
					exact[k] /= 2
				}
			}
		}
		check(t, &h, exact, total)
	})
}

func check(t *rapid.T, h *state.Heavy, exact map[uint64]float64, total float64) {
	t.Helper()
	if h.Total() != total {
		t.Fatalf("total %v, want %v", h.Total(), total)
	}
	bound, sum := total/counters, 0.0
	found := map[uint64]bool{}
	last := total
	for _, k := range h.Above(-1) {
		found[k.Hash] = true
		sum += k.Count
		if k.Count < exact[k.Hash] || k.Least() > exact[k.Hash] || k.Error > bound {
			t.Fatalf("%+v, weighs %v, bound %v", k, exact[k.Hash], bound)
		}
		if k.Count > last {
			t.Fatal("not the heaviest first")
		}
		last = k.Count
	}
	if len(found) > counters || sum != total {
		t.Fatalf("%d counters that sum up to %v of %v", len(found), sum, total)
	}
	for key, weight := range exact {
		if weight > bound && !found[key] {
			t.Fatalf("%x weighs %v of %v and is missing", key, weight, total)
		}
	}
}

func TestHeavyNamesGoWithTheirKeys(t *testing.T) {
	var h state.Heavy
	h.Add(1, 10).Name = "one"
	for i := range uint64(1000) {
		if k := h.Add(i+100, 1); k.Name != "" {
			t.Fatalf("%d has the name %q", k.Hash, k.Name)
		}
	}
	if got := h.Above(9); len(got) != 1 || got[0].Name != "one" || got[0].Least() != 10 {
		t.Errorf("%+v", got)
	}
	for i := range uint64(10_000) {
		h.Add(i+2000, 1)
	}
	if h.Add(1, 1).Name != "" {
		t.Error("a key that came back has its old name")
	}
}

func TestHeavyIsOfFixedSize(t *testing.T) {
	if size := unsafe.Sizeof(state.Heavy{}); size > 12<<10 {
		t.Errorf("%d bytes; its documentation says 12 KiB", size)
	}
	var h state.Heavy
	next := uint64(0)
	if n := testing.AllocsPerRun(5000, func() {
		h.Add(next*0x9e3779b97f4a7c15, 1)
		next++
		h.Halve()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHeavy(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	keys := make([]uint64, 1<<16)
	for name, draw := range map[string]func() uint64{
		"all-different": random.Uint64,
		"one-heavy":     func() uint64 { return max(random.Uint64(), 1<<63) },
	} {
		for i := range keys {
			keys[i] = draw()
		}
		b.Run(name, func(b *testing.B) {
			var h state.Heavy
			i := 0
			for b.Loop() {
				h.Add(keys[i%len(keys)], 1)
				i++
			}
		})
	}
}
