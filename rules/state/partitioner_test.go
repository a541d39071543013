package state_test

import (
	"encoding/hex"
	"encoding/json"
	"hash/crc32"
	"hash/fnv"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"warder/rules/state"
)

// vectors are keys and their partitions, each computed by running a library.
type vectors struct {
	Algorithms []struct {
		ID        string `json:"id"`
		DefaultOf string `json:"default_of"`
		Vectors   []struct {
			Key        string           `json:"key_hex"`
			Hash       uint32           `json:"hash_u32"`
			Partitions map[string]int32 `json:"p"`
		} `json:"vectors"`
	} `json:"algorithms"`
}

// partitionerOf gives the partitioner that an algorithm of the vectors is.
func partitionerOf(id string) state.Partitioner {
	switch {
	case id == "murmur2_kafkajs_legacy":
		return state.KafkaJSLegacy
	case strings.HasPrefix(id, "murmur2_"):
		return state.Java
	case strings.HasPrefix(id, "crc32_"):
		return state.CRC
	case strings.HasPrefix(id, "fnv1a_reference_"):
		return state.FNVRef
	case strings.HasPrefix(id, "fnv1a_unsigned_"):
		return state.FNVU
	case strings.HasPrefix(id, "fnv1a_"):
		return state.FNV
	}
	return state.NoPartitioner
}

func TestPartitionersDoAsTheLibrariesDo(t *testing.T) {
	text, err := os.ReadFile("testdata/partitioner-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	compared := map[state.Partitioner]int{}
	for _, a := range v.Algorithms {
		p := partitionerOf(a.ID)
		if p == state.NoPartitioner {
			t.Errorf("%s: no partitioner does that", a.ID)
		}
		if a.DefaultOf != "" && p.DefaultOf() == "" {
			t.Errorf("%s is the default of %s", a.ID, a.DefaultOf)
		}
		for _, row := range a.Vectors {
			key, err := hex.DecodeString(row.Key)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Hash(key); got != row.Hash {
				t.Errorf("%s %s: hash %d, want %d", a.ID, row.Key, got, row.Hash)
			}
			for n, want := range row.Partitions {
				n, err := strconv.Atoi(n)
				if err != nil {
					t.Fatal(err)
				}
				if got := p.Partition(key, int32(n)); got != want {
					t.Errorf("%s %s of %d: %d, want %d", a.ID, row.Key, n, got, want)
				}
				compared[p]++
			}
		}
	}
	for _, p := range state.Partitioners() {
		if compared[p] < 100 {
			t.Errorf("%s was compared %d times", p, compared[p])
		}
	}
}

// FuzzPartitioner compares with other implementations where there are any.
func FuzzPartitioner(f *testing.F) {
	for _, key := range []string{"", "a", "ab", "abc", "abcd", "order-12345", "\x00\xff\x80"} {
		f.Add([]byte(key), uint16(12))
	}
	f.Add([]byte("user-1"), uint16(1))
	java := kgo.StickyKeyPartitioner(nil).ForTopic("t")
	compat := kgo.StickyKeyPartitioner(kgo.SaramaCompatHasher(fnv32)).ForTopic("t")
	unsigned := kgo.StickyKeyPartitioner(kgo.SaramaHasher(fnv32)).ForTopic("t")
	f.Fuzz(func(t *testing.T, key []byte, partitions uint16) {
		n := int32(partitions)%1000 + 1
		if key == nil {
			key = []byte{}
		}
		r := &kgo.Record{Key: key}
		for p, want := range map[state.Partitioner]int{
			state.Java:   java.Partition(r, int(n)),
			state.FNV:    compat.Partition(r, int(n)),
			state.FNVU:   unsigned.Partition(r, int(n)),
			state.FNVRef: int(fnv32(key)&0x7fffffff) % int(n),
			state.CRC:    int(crc32.ChecksumIEEE(key) % uint32(n)),
		} {
			if got := p.Partition(key, n); got != int32(want) {
				t.Errorf("%s of %x, %d partitions: %d, want %d", p, key, n, got, want)
			}
		}
		if got := state.KafkaJSLegacy.Partition(key, n); got < 0 || got >= n {
			t.Errorf("kjslegacy of %x, %d partitions: %d", key, n, got)
		}
	})
}

func fnv32(b []byte) uint32 {
	h := fnv.New32a()
	h.Write(b)
	return h.Sum32()
}

func TestNamesOfPartitioners(t *testing.T) {
	for _, p := range state.Partitioners() {
		var again state.Partitioner
		if err := again.UnmarshalText([]byte(p.String())); err != nil || again != p {
			t.Errorf("%s: %s, %v", p, again, err)
		}
		if p.Label() == "" || p.DefaultOf()+p.OptionOf() == "" {
			t.Errorf("%s is used by nobody", p)
		}
	}
	var p state.Partitioner
	for _, name := range []string{"jva", "", "custom", "Java"} {
		err := p.UnmarshalText([]byte(name))
		if err == nil || !strings.Contains(err.Error(), "write java, crc, fnv, fnvref, fnvu or kjslegacy") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// With a power of two, some partitioners are one and the same.
func TestPlainest(t *testing.T) {
	for n := int32(1); n <= 64; n++ {
		for _, p := range state.Partitioners() {
			plain := p.Plainest(n)
			for i := range 200 {
				key := strconv.AppendInt(nil, int64(i), 10)
				if a, b := p.Partition(key, n), plain.Partition(key, n); a != b {
					t.Fatalf("%s and %s differ with %d partitions", p, plain, n)
				}
			}
		}
	}
}

func TestPartitionersAllocateNothing(t *testing.T) {
	key := []byte("order-12345")
	for _, p := range state.Partitioners() {
		if n := testing.AllocsPerRun(100, func() { p.Partition(key, 12) }); n != 0 {
			t.Errorf("%s: %v allocations", p, n)
		}
	}
}

func BenchmarkPartitioner(b *testing.B) {
	key := []byte("0123456789abcdef")
	for _, p := range state.Partitioners() {
		b.Run(p.String(), func(b *testing.B) {
			for b.Loop() {
				p.Hash(key)
			}
		})
	}
}
