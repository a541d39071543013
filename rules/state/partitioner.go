package state

import (
	"fmt"
	"hash/crc32"
	"math/bits"
	"strings"
)

// Partitioner is how a client library chooses the partition of a record with a
// key: a hash of the key's bytes, brought into the range of the partitions. All
// libraries do one of six things; the same key goes elsewhere by each.
//
// Null keys have no partition of their own anywhere. Nor has the empty key:
// librdkafka's default and kafka-go's CRC32Balancer spread it, the others hash it.
type Partitioner uint8

// The partitioners. NoPartitioner is none of them: an application that names the
// partition of each record, or a client that ignores keys.
const (
	NoPartitioner Partitioner = iota
	Java                      // murmur2
	CRC                       // CRC-32 (IEEE), unsigned
	FNV                       // FNV-1a, signed remainder without its sign
	FNVRef                    // FNV-1a without its highest bit
	FNVU                      // FNV-1a, unsigned
	KafkaJSLegacy             // murmur2 as double precision numbers make it

	numPartitioners
)

// library says which clients use a partitioner.
type library struct {
	name      string // in configuration and evidence
	label     string // in a sentence
	defaultOf string // "" when it is the default of none
	optionOf  string // how others are told to use it
}

var libraries = [numPartitioners]library{
	NoPartitioner: {"custom", "no known partitioner (partitions chosen by the application, or keys ignored)", "", ""},
	Java: {
		"java", "Java's default (murmur2)", "Java, franz-go, kafka-python, kafkajs 2",
		"librdkafka partitioner=murmur2_random, sarama NewMurmur2Partitioner, kafka-go Murmur2Balancer",
	},
	CRC: {
		"crc", "librdkafka's default (CRC32)", "librdkafka and its bindings, such as confluent-kafka",
		"sarama NewConsistentCRCHashPartitioner, kafka-go CRC32Balancer",
	},
	FNV: {
		"fnv", "sarama's default (FNV-1a)", "sarama",
		"kafka-go Hash, librdkafka partitioner=fnv1a_random, franz-go SaramaCompatHasher",
	},
	FNVRef: {
		"fnvref", "sarama's reference hash (FNV-1a)", "",
		"sarama NewReferenceHashPartitioner, kafka-go ReferenceHash",
	},
	FNVU:          {"fnvu", "franz-go's SaramaHasher (unsigned FNV-1a)", "", "franz-go SaramaHasher"},
	KafkaJSLegacy: {"kjslegacy", "the default of kafkajs before 2 (its own murmur2)", "kafkajs before 2", "kafkajs 2 Partitioners.LegacyPartitioner"},
}

// Partitioners lists them.
func Partitioners() []Partitioner { return []Partitioner{Java, CRC, FNV, FNVRef, FNVU, KafkaJSLegacy} }

// String is the name in configuration and evidence, "custom" for NoPartitioner.
func (p Partitioner) String() string { return libraries[p].name }

// Label is the name in a sentence, as in "librdkafka's default (CRC32)".
func (p Partitioner) Label() string { return libraries[p].label }

// DefaultOf names the libraries that use it unless they are told otherwise; ""
// when none does.
func (p Partitioner) DefaultOf() string { return libraries[p].defaultOf }

// OptionOf says how other libraries are told to use it.
func (p Partitioner) OptionOf() string { return libraries[p].optionOf }

// PartitionerNamed is the opposite of String; false for a name of none.
func PartitionerNamed(name string) (Partitioner, bool) {
	for p, l := range libraries {
		if l.name == name {
			return Partitioner(p), true
		}
	}
	return NoPartitioner, false
}

// UnmarshalText reads the name of a partitioner.
func (p *Partitioner) UnmarshalText(text []byte) error {
	known, ok := PartitionerNamed(string(text))
	if !ok || known == NoPartitioner {
		names := make([]string, 0, numPartitioners)
		for _, one := range Partitioners() {
			names = append(names, one.String())
		}
		last := len(names) - 1
		return fmt.Errorf("%q is not a partitioner; write %s or %s", text, strings.Join(names[:last], ", "), names[last])
	}
	*p = known
	return nil
}

// Hash is the 32 bits that the partitioner makes of a key. It is 0 for
// NoPartitioner.
func (p Partitioner) Hash(key []byte) uint32 {
	switch p {
	case Java:
		return murmur2(key)
	case CRC:
		return crc32.ChecksumIEEE(key)
	case FNV, FNVRef, FNVU:
		return fnv1a(key)
	case KafkaJSLegacy:
		return murmur2AsDoubles(key)
	default:
		return 0
	}
}

// Place is the partition, of n, for a key with that Hash; -1 for NoPartitioner.
func (p Partitioner) Place(hash uint32, n int32) int32 {
	switch p {
	case Java, FNVRef, KafkaJSLegacy:
		return int32(hash&0x7fffffff) % n
	case FNV:
		place := int32(hash) % n
		if place < 0 {
			place = -place
		}
		return place
	case CRC, FNVU:
		return int32(hash % uint32(n))
	default:
		return -1
	}
}

// Partition is the partition, of n, for a key.
func (p Partitioner) Partition(key []byte, n int32) int32 { return p.Place(p.Hash(key), n) }

// places gives the partition by every partitioner.
func places(key []byte, n int32) (all [numPartitioners]int32) {
	fnv := fnv1a(key)
	all[NoPartitioner] = -1
	all[Java] = Java.Partition(key, n)
	all[CRC] = CRC.Partition(key, n)
	all[FNV], all[FNVRef], all[FNVU] = FNV.Place(fnv, n), FNVRef.Place(fnv, n), FNVU.Place(fnv, n)
	all[KafkaJSLegacy] = KafkaJSLegacy.Partition(key, n)
	return all
}

// Plainest gives the partitioner that stands for all those that nobody can tell
// apart with n partitions. The three that share FNV-1a differ in what they make
// of its highest bit, which does not matter to a power of two.
func (p Partitioner) Plainest(n int32) Partitioner {
	switch {
	case (p == FNVU || p == FNVRef) && n == 2:
		return FNV
	case p == FNVU && bits.OnesCount32(uint32(n)) == 1:
		return FNVRef
	}
	return p
}
