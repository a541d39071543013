package state_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"warder/rules"
	"warder/rules/state"
)

func clientOf(name string) *rules.Identity {
	return &rules.Identity{ClientID: name, Remote: netip.MustParseAddrPort("10.0.0.1:5000"), SoftwareName: "test"}
}

// write settles keys as one batch and gives what came to light.
func write(k *state.Keys, id *rules.Identity, topic string, partition int32, now time.Time, keys ...string) []rules.Event {
	w := k.Writer(id, topic, now)
	if w == nil {
		return nil
	}
	b := k.Lend()
	defer b.Return()
	b.Begin(w, partition, now)
	for _, key := range keys {
		b.Add(xxhash.Sum64String(key), []byte(key))
	}
	events, _ := b.Settle()
	return append([]rules.Event(nil), events...)
}

// spread writes keys as a partitioner does, one batch for each partition.
func spread(k *state.Keys, id *rules.Identity, topic string, p state.Partitioner, n int32, now time.Time, keys ...string) (events []rules.Event) {
	places := make([][]string, n)
	for i, key := range keys {
		place := int32(i) % n
		if p != state.NoPartitioner {
			place = p.Partition([]byte(key), n)
		}
		places[place] = append(places[place], key)
	}
	for place, keys := range places {
		if len(keys) > 0 {
			events = append(events, write(k, id, topic, int32(place), now, keys...)...)
		}
	}
	return events
}

func keysOf(prefix string, n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint(prefix, i)
	}
	return keys
}

func newKeys(limit int) *state.Keys { return state.NewKeys(state.NewTopics(0), limit) }

func TestEveryPartitionerIsFound(t *testing.T) {
	for _, n := range []int32{2, 3, 4, 7, 12, 120} {
		for _, p := range append(state.Partitioners(), state.NoPartitioner) {
			k, id := newKeys(0), clientOf("shop")
			k.SawPartitions(id, "orders", [16]byte{}, n, epoch)
			events := spread(k, id, "orders", p, n, epoch, keysOf("user-", 500)...)
			var found []rules.PartitionerFound
			for _, ev := range events {
				if f, ok := ev.(rules.PartitionerFound); ok {
					found = append(found, f)
				}
			}
			if len(found) != 1 {
				t.Errorf("%s with %d partitions: %d found", p, n, len(found))
				continue
			}
			f := found[0]
			if f.Partitioner != p.Plainest(n).String() || f.Partitions != n || f.Client != id || f.Before != "" {
				t.Errorf("%s with %d partitions: %+v", p, n, f)
			}
			if p != state.NoPartitioner && (f.Keys < 20 || f.Matches != f.Keys || f.Example.Places[f.Partitioner] != p.Partition([]byte(f.Example.Shown), n)) {
				t.Errorf("%s with %d partitions: %+v", p, n, f)
			}
		}
	}
}

// Between chance and certainty nothing is said, and both have their limits: 98 %
// of the keys, and 50 % or three times the share of a partition.
func TestSomeKeysByHandAreNoPartitioner(t *testing.T) {
	for _, c := range []struct {
		n           int32
		hand, among int // so many keys of so many are placed by hand, evenly spread
		want        string
	}{
		{12, 1, 60, "java"}, {12, 1, 40, ""}, {12, 1, 5, ""},
		{12, 8, 20, ""}, {12, 11, 20, "custom"}, {120, 8, 20, ""}, {120, 11, 20, "custom"},
		{4, 3, 20, ""}, {4, 6, 20, "custom"}, {3, 1, 20, ""}, {3, 3, 20, "custom"},
	} {
		k, id := newKeys(0), clientOf("shop")
		k.SawPartitions(id, "orders", [16]byte{}, c.n, epoch)
		found := ""
		for i, key := range keysOf("user-", 300) {
			place := state.Java.Partition([]byte(key), c.n)
			if i*c.hand%c.among < c.hand {
				place = (place + 1) % c.n
			}
			for _, ev := range write(k, id, "orders", place, epoch, key) {
				found += ev.(rules.PartitionerFound).Partitioner
			}
		}
		if found != c.want {
			t.Errorf("%d of %d keys by hand, %d partitions: %q, want %q", c.hand, c.among, c.n, found, c.want)
		}
	}
}

// A client that chooses otherwise without a new connection is found out by the one
// record in 32 that is compared.
func TestChangeOnOneConnectionIsFound(t *testing.T) {
	k, id := newKeys(0), clientOf("shop")
	k.SawPartitions(id, "orders", [16]byte{}, 12, epoch)
	w, b := k.Writer(id, "orders", epoch), k.Lend()
	defer b.Return()
	told := ""
	put := func(p state.Partitioner, now time.Time, keys ...string) {
		for _, key := range keys {
			b.Begin(w, p.Partition([]byte(key), 12), now)
			b.Add(xxhash.Sum64String(key), []byte(key))
			events, _ := b.Settle()
			for _, ev := range events {
				if f, ok := ev.(rules.PartitionerFound); ok {
					told += f.Before + ">" + f.Partitioner + " "
				}
			}
		}
	}
	put(state.Java, epoch, keysOf("user-", 50)...)
	put(state.CRC, epoch.Add(time.Minute), keysOf("item-", 100)...)
	if told != ">java java>crc " {
		t.Errorf("told %q", told)
	}
}

// While it may be either of two numbers, a match by either counts, and it takes
// twice as many keys.
func TestEitherNumberCountsForTenMinutes(t *testing.T) {
	for after, want := range map[time.Duration]bool{9 * time.Minute: true, 11 * time.Minute: false} {
		k, id := newKeys(0), clientOf("shop")
		k.SawPartitions(id, "orders", [16]byte{}, 12, epoch)
		k.SawPartitions(id, "orders", [16]byte{}, 16, epoch)
		now := epoch.Add(after)
		events := spread(k, id, "orders", state.Java, 12, now, keysOf("user-", 39)...)
		if want && len(events) > 0 {
			t.Errorf("after %v: 39 keys, %+v", after, events)
		}
		events = append(events, spread(k, id, "orders", state.Java, 12, now, keysOf("more-", 5)...)...)
		found := false
		for _, ev := range events {
			f, ok := ev.(rules.PartitionerFound)
			found = found || ok && f.Partitioner == "java"
		}
		if found != want {
			t.Errorf("after %v: %+v", after, events)
		}
	}
}

func TestFoundIsRepeatedWhileTheClientWrites(t *testing.T) {
	k, id := newKeys(0), clientOf("shop")
	k.SawPartitions(id, "orders", [16]byte{}, 12, epoch)
	keys := keysOf("user-", 50)
	count := 0
	for minute := range 60 {
		for _, ev := range spread(k, id, "orders", state.CRC, 12, epoch.Add(time.Duration(minute)*time.Minute), keys...) {
			if f, ok := ev.(rules.PartitionerFound); ok && f.Partitioner == "crc" && f.Keys == 20 && f.Before == "" {
				count++
			}
		}
	}
	if count != 6 {
		t.Errorf("told %d times in an hour", count)
	}
}

// A client that usually hashes and now and then places a few by hand is no
// client that has changed; one that goes on doing so is.
func TestChangeToNoPartitionerTakesTwoTrials(t *testing.T) {
	k, id := newKeys(0), clientOf("shop")
	k.SawPartitions(id, "orders", [16]byte{}, 12, epoch)
	spread(k, id, "orders", state.Java, 12, epoch, keysOf("user-", 50)...)
	var told []string
	for i := range 10 {
		now := epoch.Add(time.Duration(i+1) * 20 * time.Second)
		for _, ev := range spread(k, id, "orders", state.NoPartitioner, 12, now, keysOf(fmt.Sprint("hand-", i, "-"), 200)...) {
			if f, ok := ev.(rules.PartitionerFound); ok {
				told = append(told, fmt.Sprint(i, " ", f.Before, " ", f.Partitioner))
			}
		}
	}
	if got := strings.Join(told, ", "); got != "1 java custom" {
		t.Errorf("told %q", got)
	}
}

// Two keys whose hashes agree in all that a table keeps are not one key that
// moved.
func TestCollidingKeysHaveNotMoved(t *testing.T) {
	k, id := newKeys(0), clientOf("shop")
	k.SawPartitions(id, "orders", [16]byte{}, 12, epoch)
	w, b := k.Writer(id, "orders", epoch), k.Lend()
	defer b.Return()
	for i, key := range []string{"one", "another", "one"} {
		b.Begin(w, int32(i%2), epoch)
		b.Add(0xabcdef0123456789, []byte(key))
		if events, _ := b.Settle(); len(events) != 0 {
			t.Fatalf("%s: %+v", key, events)
		}
	}
	b.Begin(w, 5, epoch)
	b.Add(0xabcdef0123456789, []byte("one"))
	if events, _ := b.Settle(); len(events) != 1 || events[0].(rules.KeysMoved).From != 0 {
		t.Errorf("the same key on another partition: %+v", events)
	}
}

// Where keys come and go by the million, those that come again are followed, and
// only those count as known.
func TestKeysAmongMillionsAreFollowed(t *testing.T) {
	k, id := newKeys(0), clientOf("shop")
	k.SawPartitions(id, "orders", [16]byte{}, 12, epoch)
	w, b := k.Writer(id, "orders", epoch), k.Lend()
	defer b.Return()
	put := func(partition int32, keys ...string) (moved int) {
		b.Begin(w, partition, epoch)
		for _, key := range keys {
			b.Add(xxhash.Sum64String(key), []byte(key))
		}
		events, _ := b.Settle()
		for _, ev := range events {
			if m, ok := ev.(rules.KeysMoved); ok {
				moved += m.Moved
			}
		}
		return moved
	}
	for i := range 3000 {
		if moved := put(int32(i%12), keysOf(fmt.Sprint("once-", i, "-"), 100)...); moved != 0 {
			t.Fatalf("%d keys moved that came once", moved)
		}
	}
	put(3, "again")
	if moved := put(4, "again"); moved != 1 {
		t.Errorf("%d keys moved, want 1", moved)
	}
}

// A small topic's table grows with its keys and loses few of them.
func TestKeysAreRememberedWhileTheTableGrows(t *testing.T) {
	k, id := newKeys(0), clientOf("shop")
	k.SawPartitions(id, "orders", [16]byte{}, 12, epoch)
	keys := keysOf("user-", 20_000)
	for i := 0; i < len(keys); i += 100 {
		spread(k, id, "orders", state.Java, 12, epoch, keys[i:i+100]...)
	}
	added, ok := k.AddedPartitions(id, "orders", 24, epoch)
	if !ok || added.Known < 19_000 || added.Partitioner != "java" || added.Moving < added.Known*45/100 || added.Moving > added.Known*55/100 {
		t.Errorf("%+v, %v", added, ok)
	}
	moving := 0
	for _, key := range keys {
		if state.Java.Partition([]byte(key), 12) != state.Java.Partition([]byte(key), 24) {
			moving++
		}
	}
	if share, want := float64(added.Moving)/float64(added.Known), float64(moving)/float64(len(keys)); share < want-0.01 || share > want+0.01 {
		t.Errorf("%.3f move, want %.3f", share, want)
	}
}

// A million keys and ten thousand topics stay within the limit, by the store's
// account and by the heap's.
func TestKeysStayWithinTheirLimit(t *testing.T) {
	for _, c := range []struct {
		name   string
		limit  int
		topics int
		keys   int
	}{
		{"one topic", state.DefaultKeysBytes, 1, 1_000_000},
		{"many topics", state.DefaultKeysBytes, 10_000, 1_000_000},
		{"little room", 4 << 20, 10_000, 300_000},
		{"no room at all", 1, 100, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := heap()
			k, id := newKeys(c.limit), clientOf("shop")
			random := rand.New(rand.NewPCG(1, 2))
			b := k.Lend()
			for i := 0; i < c.keys; i += 100 {
				topic := fmt.Sprint("topic-", random.IntN(c.topics))
				k.SawPartitions(id, topic, [16]byte{}, 12, epoch)
				w := k.Writer(id, topic, epoch.Add(time.Duration(i)*time.Millisecond))
				if w == nil {
					continue
				}
				b.Begin(w, int32(random.IntN(12)), epoch.Add(time.Duration(i)*time.Millisecond))
				for range 100 {
					key := fmt.Appendf(nil, "%016x", random.Uint64())
					b.Add(xxhash.Sum64(key), key)
				}
				b.Settle()
				if got := k.Bytes(); got > max(c.limit, state.CountsBytes) {
					t.Fatalf("%d bytes after %d keys", got, i)
				}
			}
			b.Return()
			grown := heap() - before
			if grown > max(c.limit, state.CountsBytes)*5/4+2<<20 {
				t.Errorf("the heap grew by %d bytes; the store says %d", grown, k.Bytes())
			}
			t.Logf("%d topics, %d evicted, %d bytes, heap %d", k.Len(), k.Evicted(), k.Bytes(), grown)
			runtime.KeepAlive(k)
		})
	}
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// The topic that was written to least recently goes first.
func TestBusyTopicsStay(t *testing.T) {
	k, id := newKeys(state.CountsBytes+64<<10), clientOf("shop")
	for i := range 200 {
		topic := fmt.Sprint("once-", i)
		for _, name := range []string{"busy", topic} {
			k.SawPartitions(id, name, [16]byte{}, 12, epoch)
			spread(k, id, name, state.Java, 12, epoch, "a", "b")
		}
	}
	if k.Evicted() == 0 {
		t.Fatal("nothing had to go")
	}
	if events := write(k, id, "busy", (state.Java.Partition([]byte("a"), 12)+1)%12, epoch, "a"); len(events) != 1 {
		t.Errorf("the busy topic was forgotten: %+v", events)
	}
}

func TestWritersOfATopicAreBounded(t *testing.T) {
	k := newKeys(0)
	var first *state.KeyWriter
	for i := range 2000 {
		id := clientOf(fmt.Sprint("pod-", i))
		k.SawPartitions(id, "orders", [16]byte{}, 12, epoch)
		now := epoch.Add(time.Duration(i) * time.Second)
		w := k.Writer(id, "orders", now)
		if i == 0 {
			first = w
		}
		write(k, id, "orders", 1, now, "key")
	}
	if !first.Gone() {
		t.Error("the oldest is still there")
	}
	if got := k.Bytes(); got > state.CountsBytes+600*1200 {
		t.Errorf("%d bytes", got)
	}
}

func TestForgottenTopicIsGone(t *testing.T) {
	k, id := newKeys(0), clientOf("shop")
	k.SawPartitions(id, "orders", [16]byte{}, 12, epoch)
	w := k.Writer(id, "orders", epoch)
	empty := k.Bytes() - k.Len()
	k.Forget("orders")
	if !w.Gone() || k.Len() != 0 || k.Bytes() >= empty {
		t.Errorf("gone %v, %d topics, %d bytes", w.Gone(), k.Len(), k.Bytes())
	}
	b := k.Lend() // a session that was just about to settle
	defer b.Return()
	b.Begin(w, 3, epoch)
	b.Add(1, []byte("k"))
	b.Settle()
}

func TestKeysAreSafeForConcurrentUse(t *testing.T) {
	k := newKeys(state.CountsBytes + 256<<10)
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			id := clientOf(fmt.Sprint("client-", i%3))
			for round := range 300 {
				topic := fmt.Sprint("topic-", (i+round)%40)
				k.SawPartitions(id, topic, [16]byte{}, int32(10+round/100), epoch)
				spread(k, id, topic, state.Java, 10, epoch.Add(time.Duration(round)*time.Minute), keysOf("k", 50)...)
				if round%50 == 0 {
					k.Forget(topic)
				}
			}
		})
	}
	wait.Wait()
	if k.Bytes() > state.CountsBytes+256<<10 {
		t.Errorf("%d bytes", k.Bytes())
	}
}

// A client may name its library on one connection and not on the next, as franz-go
// did before 1.21: what it saw on the first counts on the second.
func TestNamelessConnectionsSawWhatTheirClientDid(t *testing.T) {
	k, named := newKeys(0), clientOf("shop")
	nameless := &rules.Identity{ClientID: "shop", Remote: netip.MustParseAddrPort("10.0.0.1:5001")}
	k.SawPartitions(named, "orders", [16]byte{}, 12, epoch)
	w := k.Writer(nameless, "orders", epoch)
	if seen := w.Seen(epoch); seen != (rules.PartitionsSeen{Now: 12}) {
		t.Errorf("saw %+v", seen)
	}
	k.SawPartitions(named, "orders", [16]byte{}, 16, epoch)
	if seen := w.Seen(epoch); seen != (rules.PartitionsSeen{Now: 16, Before: 12}) {
		t.Errorf("saw %+v after partitions were added", seen)
	}
	for _, other := range []*rules.Identity{
		{ClientID: "shop", Remote: netip.MustParseAddrPort("10.0.0.2:5001")},
		{ClientID: "stock", Remote: netip.MustParseAddrPort("10.0.0.1:5001")},
		{ClientID: "shop", Remote: netip.MustParseAddrPort("10.0.0.1:5001"), SoftwareName: "another"},
	} {
		if seen := k.Writer(other, "orders", epoch).Seen(epoch); seen != (rules.PartitionsSeen{}) {
			t.Errorf("%+v saw %+v", other, seen)
		}
	}
}
