package records

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// VerifyCRC checks the checksum of the batch at the start of b: CRC-32C from
// the attributes on for magic 2 (KIP-98), CRC-32 from the magic on for magic
// 0 and 1. Errors are [ErrCRC] and [MalformedError]; bytes after the batch
// are ignored.
func VerifyCRC(b []byte) error {
	at, sum, err := checksum(b)
	if err != nil {
		return err
	}
	if binary.BigEndian.Uint32(b[at:]) != sum {
		return ErrCRC
	}
	return nil
}

// SetCRC computes the checksum of the batch at the start of b and stores it
// in place. The Length of the batch must be right already.
func SetCRC(b []byte) error {
	at, sum, err := checksum(b)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(b[at:], sum)
	return nil
}

// checksum gives the position of the checksum of a batch and what it should be.
func checksum(b []byte) (at int, sum uint32, err error) {
	if len(b) < logOverhead+minLength {
		return 0, 0, &MalformedError{Field: "Length", Record: -1, Reason: "shorter than any batch"}
	}
	size := logOverhead + int64(int32(binary.BigEndian.Uint32(b[8:])))
	if size < logOverhead+minLength || size > int64(len(b)) {
		return 0, 0, &MalformedError{Field: "Length", Record: -1, Offset: 8, Reason: "outside of the batch"}
	}
	b = b[:size]
	if b[magicAt] < 2 {
		return crcAtV01, crc32.ChecksumIEEE(b[crcFromV01:]), nil
	}
	if b[magicAt] > 2 || len(b) < headerSizeV2 {
		return 0, 0, &MalformedError{Field: "Magic", Record: -1, Offset: magicAt, Reason: "unknown message format or short header"}
	}
	return crcAtV2, crc32.Checksum(b[crcFromV2:], castagnoli), nil
}
