package e2e

import (
	"encoding/binary"
	"hash/crc32"
	"hash/fnv"
	"testing"
)

// The partitioners that client libraries use when told nothing, worked out here for themselves: what a library chose is held against
// them before warder's opinion is.

// javaPartition is Java's, and that of franz-go, kafka-python and kafkajs.
func javaPartition(key string, n int) int { return int(murmur2([]byte(key))&0x7fffffff) % n }

// crcPartition is librdkafka's.
func crcPartition(key string, n int) int { return int(crc32.ChecksumIEEE([]byte(key)) % uint32(n)) }

// fnvPartition is sarama's.
func fnvPartition(key string, n int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	p := int32(h.Sum32()) % int32(n)
	return int(max(p, -p))
}

// murmur2 is org.apache.kafka.common.utils.Utils.murmur2.
func murmur2(data []byte) uint32 {
	const m, r = 0x5bd1e995, 24
	h := 0x9747b28c ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := binary.LittleEndian.Uint32(data) * m
		h = h*m ^ (k^k>>r)*m
	}
	for i, b := range data {
		h ^= uint32(b) << (8 * i)
	}
	if len(data) > 0 {
		h *= m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}

func TestPartitionersAreAsTheLibrariesHaveThem(t *testing.T) {
	for _, c := range []struct {
		key            string
		java, crc, fnv int // of 12, as the packages themselves chose
	}{
		{"user-1", 8, 8, 0},
		{"order-12345", 1, 7, 1},
		{"ключ", 8, 6, 11},
		{"a-little-bit-long-string", 8, 6, 4},
	} {
		if j, r, f := javaPartition(c.key, 12), crcPartition(c.key, 12), fnvPartition(c.key, 12); j != c.java || r != c.crc || f != c.fnv {
			t.Errorf("%q: got %d, %d, %d, want %d, %d, %d", c.key, j, r, f, c.java, c.crc, c.fnv)
		}
	}
}
