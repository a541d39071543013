package protocol

import (
	"errors"

	"warder/protocol/wire"
)

var errTwice = errors.New("tagged field twice")

// tagSection is a section of tagged fields taken apart to change its
// NodeEndpoints. Other fields stay as raw bytes, in their order.
type tagSection struct {
	size      int    // bytes of the section as it was
	count     int    // fields as they were
	before    []byte // fields in front of NodeEndpoints
	after     []byte // fields behind it
	endpoints []byte // the value of NodeEndpoints
	found     bool   // NodeEndpoints is there
	highest   uint32 // the highest number of the other fields
}

// parseTagSection reads the section at the start of b; it aliases b.
func parseTagSection(b []byte) (tagSection, error) {
	var t tagSection
	r := wire.NewReader(b)
	t.count = r.TagCount()
	start := r.Offset()
	for n := t.count; n > 0 && r.Err() == nil; n-- {
		at := r.Offset()
		number, value := r.Tag()
		if number != tagNodeEndpoints {
			t.highest = max(t.highest, number)
			continue
		}
		if t.found {
			r.Fail(errTwice)
		}
		t.found = true
		t.endpoints = value
		t.before = b[start:at]
		start = r.Offset()
	}
	t.size = r.Offset()
	if r.Err() == nil {
		t.after = b[start:t.size]
	}
	return t, r.Err()
}

// mapEndpoints maps the value of NodeEndpoints in place. A field without
// entries left is taken out, as Kafka writes no field of that kind.
func (t *tagSection) mapEndpoints(m MapEndpoint) (changed bool, err error) {
	value, n, changed, err := appendEndpoints(nil, t.endpoints, m)
	if err != nil || !changed {
		return false, err
	}
	t.endpoints = value
	if n == 0 {
		t.dropEndpoints()
	}
	return true, nil
}

func (t *tagSection) dropEndpoints() {
	t.found, t.endpoints = false, nil
	t.count--
}

// append appends the section. widen is how many bytes the length of
// NodeEndpoints is to take beyond its shortest form.
func (t *tagSection) append(dst []byte, widen int) []byte {
	dst = wire.AppendUvarint(dst, uint32(t.count))
	return t.appendFields(dst, widen)
}

func (t *tagSection) appendFields(dst []byte, widen int) []byte {
	dst = append(dst, t.before...)
	if t.found {
		size := uint32(len(t.endpoints))
		dst = wire.AppendUvarint(dst, tagNodeEndpoints)
		dst = wire.AppendUvarintWidth(dst, size, wire.UvarintLen(size)+widen)
		dst = append(dst, t.endpoints...)
	}
	return append(dst, t.after...)
}
