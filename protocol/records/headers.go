package records

// RecordHeader is one header of a record (KIP-82). Both slices alias the
// record when it was read by a HeaderIter.
type RecordHeader struct {
	Key   []byte // UTF-8 by convention, never null
	Value []byte // nil when null
}

// HeaderIter walks the headers of a record in place. It lives no longer than
// the record.
type HeaderIter struct {
	b         []byte
	pos, left int
	malformed bool
}

// HeaderIter starts a walk over the headers of the record.
func (r *Record) HeaderIter() HeaderIter { return HeaderIter{b: r.Headers, left: r.NumHeaders} }

// Next fills out with the next header and reports whether there was one.
func (it *HeaderIter) Next(out *RecordHeader) bool {
	if it.left == 0 {
		it.malformed = it.malformed || it.pos != len(it.b)
		return false
	}
	key, p := span(it.b, it.pos)
	if p < 0 || key == nil {
		return it.stop()
	}
	value, p := span(it.b, p)
	if p < 0 {
		return it.stop()
	}
	out.Key, out.Value = key, value
	it.pos, it.left = p, it.left-1
	return true
}

func (it *HeaderIter) stop() bool {
	it.left, it.malformed = 0, true
	return false
}

// Malformed says, once Next has returned false, that the headers do not fill
// the bytes the record set aside for them.
func (it *HeaderIter) Malformed() bool { return it.malformed }
