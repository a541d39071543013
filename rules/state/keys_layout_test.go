package state

import (
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"
)

// What is counted towards the limit is what Go takes.
func TestSizesThatCount(t *testing.T) {
	for _, c := range []struct {
		name        string
		is, counted uintptr
		exact       bool
	}{
		{"keySlot", unsafe.Sizeof(keySlot{}), slotBytes, true},
		{"a set", unsafe.Sizeof([slotWays]keySlot{}), 64, true},
		{"partitionCount", unsafe.Sizeof(partitionCount{}), countBytes, false},
		{"keyTopic", unsafe.Sizeof(keyTopic{}), topicBytes, false},
		{"KeyWriter and its view", unsafe.Sizeof(KeyWriter{}) + unsafe.Sizeof(partitionView{}), writerBytes, false},
	} {
		if c.is > c.counted || c.exact && c.is != c.counted {
			t.Errorf("%s takes %d bytes, %d are counted", c.name, c.is, c.counted)
		}
	}
}

func TestMinutesOfASlot(t *testing.T) {
	now := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
	for _, ago := range []time.Duration{0, time.Minute, time.Hour, 24 * time.Hour, 45 * 24 * time.Hour} {
		for range 100 {
			then := now.Add(time.Duration(rand.IntN(minutesInAll)) * time.Minute)
			s := keySlot{minute: minuteOf(then)}
			if s.minute == 0 {
				t.Fatal("a slot that is used looks empty")
			}
			if got := s.ago(minuteOf(then.Add(ago))); got != ago {
				t.Fatalf("%v ago is %v", ago, got)
			}
		}
	}
}

// A table does what a list for each set does, however it grows.
func TestKeyTableAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := newKeyTable(minSlots)
		set := func(hash uint64) uint64 { return hash >> tagShift & uint64(len(table.sets)-1) }
		var model []uint64 // of one set, oldest first
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.IntRange(0, 99).Draw(t, "grow") == 0 && table.slots() < maxSlots {
				table.grow()
				kept := model[:0]
				for _, h := range model {
					if set(h) == 0 {
						kept = append(kept, h)
					}
				}
				model = kept
			}
			// Keys of set 0, which low bits of the hash do not choose.
			hash := uint64(rapid.IntRange(1, 7).Draw(t, "key"))<<40 | rapid.Uint64Range(0, 1<<tagShift-1).Draw(t, "low")
			s, what := table.touch(hash)
			at := -1
			for i, h := range model {
				if h>>tagShift == hash>>tagShift {
					at = i
				}
			}
			want := newKey
			if at >= 0 {
				want = knownKey
			} else if len(model) == slotWays {
				want = pushingKey
			}
			if what != want {
				t.Fatalf("%x: %d, want %d, model %x", hash, what, want, model)
			}
			if at >= 0 {
				model = append(model[:at], model[at+1:]...)
			} else if len(model) == slotWays {
				model = model[1:]
			}
			model = append(model, hash)
			s.minute = 1
		}
		got := 0
		table.each(func(*keySlot) { got++ })
		if got != len(model) || table.used != len(model) {
			t.Fatalf("%d keys, %d counted, want %d", got, table.used, len(model))
		}
	})
}

func TestFormatOfKeys(t *testing.T) {
	for key, want := range map[string]keyFormat{
		"user-1": textKey, "12345678": textKey, "ключ": textKey, "a b": textKey, `"`: textKey, "{": textKey,
		`"user-1"`: jsonKey, `{"id":1}`: jsonKey, `["a"]`: jsonKey,
		"\x00\x00\x00\x2a": binary4, "\x00\x00\x00\x00\x00\x00\x00\x2a": binary8, "\x12\x3e\x45\x67\xe8\x9b\x12\xd3\xa4\x56\x42\x66\x14\x17\x40\x00": binary16,
		"\x00\x00\x00\x00\x07user": framedKey, "\x00\x00\x00\x00\x00user": otherKey, "\x01\x02\x03": otherKey, "a\n": otherKey,
		"tab\there!": otherKey,
		// Frames are frames at the lengths of numbers and UUIDs too, where that is certain.
		"\x00\x00\x00\x00\x07\x14order-9999": framedKey, "\x00\x00\x00\x00\x07\x16order-10000": framedKey,
		"\x00\x00\x00\x00\x07\xfe\xff\x7f": noFormat, "\x00\x00\x00\x00\x07\x80\x80\x80\x01": framedKey,
		"\x00\x00\x00\x00\x07\x04ab": noFormat, "\x00\x00\x00\x00\x07\x00\x08\x2a": noFormat, "\x00\x00\x00\x00\x07\"a\"": noFormat,
		"\x00\x00\x01\x8b\xcf\xe5\x68\x00": binary8, "\x00\x00\x00\x00\x00\xfe\xff\x7f": binary8,
	} {
		if got := formatOf([]byte(key)); got != want {
			t.Errorf("%q is %q, want %q", key, formatNames[got], formatNames[want])
		}
	}
	long := make([]byte, 63, 100) // cut within a character
	for i := range long {
		long[i] = 'x'
	}
	if got := formatOf(append(long, "ключ"...)); got != textKey {
		t.Errorf("a long key is %q", formatNames[got])
	}
}

// Formats that come and go are no format; a lasting one is, in time.
func TestMostOfTheFormats(t *testing.T) {
	var c formatCounts
	add := func(f keyFormat, n int) {
		for range n {
			c.add(f)
		}
	}
	if add(textKey, 19); c.most() != noFormat {
		t.Error("19 keys are enough")
	}
	if add(textKey, 1); c.most() != textKey {
		t.Error("20 keys are not enough")
	}
	for range 100 {
		add(textKey, 1)
		add(binary8, 1)
	}
	if c.most() != noFormat {
		t.Errorf("a mixture is %q", formatNames[c.most()])
	}
	if add(binary8, 200); c.most() != binary8 {
		t.Errorf("after 200 of one format: %q", formatNames[c.most()])
	}
}
