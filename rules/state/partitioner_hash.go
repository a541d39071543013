package state

import "encoding/binary"

// fnv1a is FNV-1a with 32 bits.
func fnv1a(key []byte) uint32 {
	h := uint32(2166136261)
	for _, b := range key {
		h = (h ^ uint32(b)) * 16777619
	}
	return h
}

// The constants of murmur2 as Kafka uses it (Utils.murmur2).
const (
	murmurSeed = 0x9747b28c
	murmurM    = 0x5bd1e995
	murmurR    = 24
)

// murmur2 is Utils.murmur2 of Apache Kafka.
func murmur2(key []byte) uint32 {
	h := murmurSeed ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := binary.LittleEndian.Uint32(key) * murmurM
		k ^= k >> murmurR
		h = h*murmurM ^ k*murmurM
	}
	switch len(key) {
	case 3:
		h ^= uint32(key[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(key[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(key[0])) * murmurM
	}
	h = (h ^ h>>13) * murmurM
	return h ^ h>>15
}

// murmur2AsDoubles is what kafkajs before version 2 makes of murmur2. JavaScript
// multiplies in double precision, so a product loses its low bits before the
// next operator on bits takes it modulo 2^32; and the loop over four bytes runs
// once more for the one to three bytes at the end (legacy/murmur2.js).
func murmur2AsDoubles(key []byte) uint32 {
	const seed = murmurSeed
	n := len(key)
	h := float64(int32(seed ^ uint32(n)))
	at := func(i int) int32 {
		if i < n {
			return int32(key[i])
		}
		return 0 // undefined & 0xff
	}
	for i := 0; i < n; i += 4 {
		k := float64(at(i)+at(i+1)<<8+at(i+2)<<16) + float64(at(i+3)<<24)
		k *= murmurM
		bitsOfK := toInt32(k)
		k = float64(bitsOfK^int32(uint32(bitsOfK)>>murmurR)) * murmurM
		h = float64(toInt32(h*murmurM) ^ toInt32(k))
	}
	tail := n &^ 3
	switch n % 4 {
	case 3:
		h = float64(toInt32(h) ^ at(tail+2)<<16)
		fallthrough
	case 2:
		h = float64(toInt32(h) ^ at(tail+1)<<8)
		fallthrough
	case 1:
		h = float64(toInt32(h)^at(tail)) * murmurM
	}
	bitsOfH := toInt32(h)
	h = float64(bitsOfH^int32(uint32(bitsOfH)>>13)) * murmurM
	bitsOfH = toInt32(h)
	return uint32(bitsOfH) ^ uint32(bitsOfH)>>15
}

// toInt32 is JavaScript's ToInt32. Products of two 32-bit numbers fit 64 bits.
func toInt32(f float64) int32 { return int32(int64(f)) }
