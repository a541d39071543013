package records

import "encoding/binary"

// NextNullValue moves on to the next record whose value is null, which is a
// tombstone in a compacted topic, and reports whether there is one. The
// records before it are skipped at about half the price of NextRecord,
// because they are examined no further than the length of their value: broken
// record headers go unnoticed. When it returns false, BatchErr tells the end
// of the batch from a broken one.
func (s *Scanner) NextNullValue() (*Record, bool) {
	for {
		s.skipValues()
		r, ok := s.NextRecord()
		if !ok || r.ValueNull {
			return r, ok
		}
	}
}

// skipValues skips records of magic 2 with a value, up to one without or up
// to one that NextRecord has to look at.
func (s *Scanner) skipValues() {
	if s.state == unopened {
		s.enter()
	}
	if s.state != inBatch {
		return
	}
	b, p, index := s.body, s.pos, s.index
	for ; index < s.count; index++ {
		next := skipValue(b, p)
		if next < 0 {
			break
		}
		p = next
	}
	s.pos, s.index = p, index
}

// skipValue gives the position after the record at b[p:], if that record has
// a value and is of the kind that the fast path of NextRecord knows, headers
// allowed; otherwise -1.
func skipValue(b []byte, p int) int {
	if len(b)-p < 8 {
		return -1
	}
	head := binary.LittleEndian.Uint64(b[p:])
	length := head & 0x7f
	if head&0x80 != 0 {
		length |= head >> 1 & 0x3f80
		if head&0x8000 != 0 {
			return -1
		}
		head >>= 8
		p++
	}
	end := p + 1 + int(length>>1)
	head >>= 16
	for range 2 { // the deltas
		if head&0x80 != 0 {
			if head&0x8000 != 0 {
				return -1
			}
			head >>= 8
			p++
		}
		head >>= 8
	}
	p += 5
	key := int(head & 0xff)
	if length&1 != 0 || key&0x80 != 0 || end > len(b) {
		return -1
	}
	if key&1 == 0 {
		p += key >> 1
	}
	if end-p < 3 {
		return -1
	}
	size := int(b[p])
	p++
	if size >= 0x80 {
		size = size&0x7f | int(b[p])<<7
		p++
		if size >= 1<<14 {
			return -1
		}
	}
	if size&1 != 0 || p+size>>1 >= end {
		return -1
	}
	return end
}
