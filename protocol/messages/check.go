package messages

import (
	"errors"
	"slices"
	"strings"

	"warder/protocol/wire"
)

// The bound on what decoding allocates: memoryFactor times the bytes of the body,
// and memoryBase. Without it a body of zeros could make kmsg allocate hundreds of
// times its size, since it takes the count of an array at face value as long as
// that many bytes remain. The factor is reached only by many elements that are
// nearly empty: without names, or with unknown tagged fields in each.
const (
	memoryFactor = 16
	memoryBase   = 64 << 10
)

// errTagCount is for a section that claims more tagged fields than it has bytes;
// kmsg would go through all of them.
var errTagCount = errors.New("more tagged fields than bytes")

// check walks over a body as Kafka defines the message. It returns nil if the
// body is one and no more, else a *VersionError, *MalformedError, *LimitError or,
// if only bytes follow it, a *TrailingError.
func check(m message, body []byte) error {
	l := layoutOf(m)
	if l == nil {
		return &VersionError{Key: m.key, Version: m.version}
	}
	w := walker{reader: wire.NewReader(body), memory: messageMemory}
	if !w.structure(l) {
		slices.Reverse(w.path)
		return &MalformedError{
			Key: m.key, Version: m.version, Field: strings.Join(w.path, "."),
			Offset: w.reader.Offset(), Err: w.reader.Err(),
		}
	}
	if limit := memoryFactor*len(body) + memoryBase; w.memory > limit {
		return &LimitError{Key: m.key, Version: m.version, What: "memory", Got: w.memory, Max: limit}
	}
	if n := w.reader.Remaining(); n > 0 {
		return &TrailingError{Key: m.key, Version: m.version, Offset: w.reader.Offset(), Trailing: n}
	}
	return nil
}

// walker steps over a message and adds up what kmsg would allocate for it.
type walker struct {
	reader wire.Reader
	memory int
	path   []string // of the field that failed, innermost first
}

// structure walks a struct; false means that reading failed.
func (w *walker) structure(l *layout) bool {
	for i := range l.fields {
		if n := &l.fields[i]; !w.node(n, l.flexible) {
			w.path = append(w.path, n.name)
			return false
		}
	}
	return !l.flexible || w.tags(l)
}

func (w *walker) node(n *node, flexible bool) bool {
	r := &w.reader
	switch n.shape {
	case shapeFixed:
		r.Span(n.size)
	case shapeString:
		s, null := r.FlexNullableString(flexible)
		if null && !n.nullable {
			r.Fail(wire.ErrNull)
		}
		w.memory += len(s) + allocatorMemory
		if n.nullable {
			w.memory += stringMemory
		}
	case shapeBytes:
		w.bytes(n, flexible)
	case shapeStruct:
		if n.nullable {
			w.memory += n.memory + allocatorMemory
			if r.Int8() == -1 {
				break
			}
		}
		return r.Err() == nil && w.structure(n.of)
	case shapeFixedArray, shapeStringArray, shapeStructArray:
		return w.array(n, flexible)
	}
	return r.Err() == nil
}

// bytes walks bytes, which kmsg aliases. Where Kafka allows no null, kmsg takes it for
// empty, as Azure's Event Hubs sends it, but takes no other length below 0.
func (w *walker) bytes(n *node, flexible bool) {
	r := &w.reader
	if n.nullable || flexible {
		r.FlexNullableBytes(flexible)
		return
	}
	if size := r.Int32(); size != -1 {
		r.Span(int(size))
	}
}

// array walks an array. Null counts as empty, as it does for kmsg.
func (w *walker) array(n *node, flexible bool) bool {
	r := &w.reader
	count := max(r.ArrayLen(flexible), 0)
	w.memory += count*n.memory + count*n.memory/8 + allocatorMemory // size classes waste up to an eighth
	switch n.shape {
	case shapeFixedArray:
		r.Span(count * n.size)
	case shapeStringArray:
		for range count {
			w.memory += len(r.FlexString(flexible)) + allocatorMemory
			if r.Err() != nil {
				return false
			}
		}
	default:
		for range count {
			if !w.structure(n.of) {
				return false
			}
		}
	}
	return r.Err() == nil
}

// tags walks the tagged fields of a struct.
func (w *walker) tags(l *layout) bool {
	r := &w.reader
	count := r.Uvarint()
	if int64(count) > int64(r.Remaining()) {
		r.Fail(errTagCount)
	}
	for i := range count {
		number, size := r.Uvarint(), int(r.Uvarint())
		if r.Err() != nil {
			break
		}
		if at := slices.IndexFunc(l.tagged, func(n node) bool { return n.tag == number }); at >= 0 {
			if n := &l.tagged[at]; !w.tagged(n, size) {
				w.path = append(w.path, n.name)
				return false
			}
			continue
		}
		r.Span(size)
		w.memory += furtherTag
		if i == 0 {
			w.memory += firstTagMemory
		}
	}
	if r.Err() != nil {
		w.path = append(w.path, "tagged fields")
		return false
	}
	return true
}

// tagged walks a tagged field that the definition knows. Bytes that are left at
// its end are stepped over, as kmsg does.
func (w *walker) tagged(n *node, size int) bool {
	outer := w.reader
	value := outer.Span(size)
	if outer.Err() != nil {
		w.reader = outer
		return false
	}
	inner := walker{reader: wire.NewReader(value), memory: w.memory}
	ok := inner.node(n, true)
	w.memory = inner.memory
	if !ok {
		w.reader.Span(inner.reader.Offset())
		w.reader.Fail(inner.reader.Err())
		w.path = append(w.path, inner.path...)
		return false
	}
	w.reader = outer
	return true
}
