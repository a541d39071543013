package state_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"warder/rules/state"
)

func TestRefusals(t *testing.T) {
	s := state.NewRefusals(0)
	r := state.Refusal{ProducerID: 7, ProducerEpoch: 1, Topic: "users", Partition: 3, FirstSequence: 10, LastSequence: 19, At: epoch}
	if s.Add(r).Again {
		t.Error("the first refusal is a retry")
	}
	r.At = epoch.Add(time.Second)
	if !s.Add(r).Again {
		t.Error("the same batch is not a retry")
	}
	r.ProducerEpoch++
	if s.Add(r).Again {
		t.Error("another epoch is a retry")
	}
	for _, c := range []struct {
		id        int64
		topic     string
		partition int32
		after     time.Duration
		want      bool
	}{
		{7, "users", 3, time.Second, true},
		{7, "users", 3, state.RefusalTTL + time.Second, true},
		{7, "users", 3, state.RefusalTTL + 2*time.Second, false},
		{8, "users", 3, time.Second, false},
		{7, "carts", 3, time.Second, false},
		{7, "users", 4, time.Second, false},
	} {
		if got := s.Explains(c.id, c.topic, c.partition, epoch.Add(c.after)); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	s := state.NewRefusals(10)
	for i := range 100 {
		s.Add(state.Refusal{ProducerID: int64(i), Topic: "users", At: epoch})
	}
	if s.Len() != 10 || s.Evicted() != 90 || !s.Explains(99, "users", 0, epoch) || s.Explains(0, "users", 0, epoch) {
		t.Errorf("%d kept, %d evicted", s.Len(), s.Evicted())
	}
	s.Add(state.Refusal{ProducerID: -1, Topic: "users", At: epoch})
	if s.Explains(-1, "users", 0, epoch) {
		t.Error("a producer without an id leaves no hole")
	}
	s.Add(state.Refusal{ProducerID: 1000, Topic: "users", At: epoch.Add(time.Hour)})
	if s.Len() != 1 || s.Evicted() != 90 {
		t.Errorf("%d kept after an hour, %d evicted", s.Len(), s.Evicted())
	}
}

func thing(s *state.Recent, parts ...string) *state.Thing {
	t := s.Thing()
	for _, p := range parts {
		t.Part([]byte(p))
	}
	return &t
}

func TestRecent(t *testing.T) {
	s := state.NewRecent(10, time.Minute)
	s.Add(thing(s, "users", "k"), epoch)
	if !s.Has(thing(s, "users", "k"), epoch.Add(time.Minute)) || s.Has(thing(s, "users", "k"), epoch.Add(61*time.Second)) {
		t.Error("wrong time")
	}
	if s.Has(thing(s, "user", "sk"), epoch) || s.Has(thing(s, "usersk"), epoch) {
		t.Error("parts run together")
	}
	for i := range 100 {
		s.Add(thing(s, string(rune('a'+i))), epoch)
	}
	if s.Len() != 10 || s.Evicted() != 91 {
		t.Errorf("%d kept, %d evicted", s.Len(), s.Evicted())
	}
	s.Add(thing(s, "later"), epoch.Add(time.Hour))
	if s.Len() != 1 {
		t.Errorf("%d kept after an hour", s.Len())
	}
}

// An LRU does what a slice in order of use does.
func TestLRUAgainstAModel(t *testing.T) {
	type pair struct{ k, v int }
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 6).Draw(t, "limit")
		l := state.NewLRU[int, int](limit)
		var model []pair // oldest first
		find := func(k int) int {
			for i := range model {
				if model[i].k == k {
					return i
				}
			}
			return -1
		}
		evicted := uint64(0)
		for step := range rapid.IntRange(1, 100).Draw(t, "steps") {
			k := rapid.IntRange(0, 8).Draw(t, "key")
			i := find(k)
			switch rapid.SampledFrom([]string{"get", "peek", "put", "replace", "delete"}).Draw(t, "op") {
			case "get":
				if v, ok := l.Get(k); ok != (i >= 0) || ok && v != model[i].v {
					t.Fatalf("Get(%d) = %d, %v", k, v, ok)
				}
				if i >= 0 {
					model = append(append(model[:i:i], model[i+1:]...), model[i])
				}
			case "peek":
				if v, ok := l.Peek(k); ok != (i >= 0) || ok && v != model[i].v {
					t.Fatalf("Peek(%d) = %d, %v", k, v, ok)
				}
			case "put":
				gone, dropped := l.Put(k, step)
				full := i < 0 && len(model) == limit
				if dropped != full || full && gone != model[0].v {
					t.Fatalf("Put dropped %d, %v", gone, dropped)
				}
				if full {
					model, evicted = model[1:], evicted+1
				}
				if i >= 0 {
					model = append(model[:i:i], model[i+1:]...)
				}
				model = append(model, pair{k, step})
			case "replace":
				if l.Replace(k, step) != (i >= 0) {
					t.Fatal("Replace")
				}
				if i >= 0 {
					model[i].v = step
				}
			case "delete":
				l.Delete(k)
				if i >= 0 {
					model = append(model[:i:i], model[i+1:]...)
				}
			}
			var order []pair
			l.Each(func(k, v int) { order = append(order, pair{k, v}) })
			if len(order) != len(model) || l.Len() != len(model) || l.Evicted() != evicted {
				t.Fatalf("%v, want %v", order, model)
			}
			for i := range order {
				if order[i] != model[i] {
					t.Fatalf("%v, want %v", order, model)
				}
			}
		}
	})
}
