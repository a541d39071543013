package protocol

import (
	"errors"

	"warder/protocol/wire"
)

// TailPatch says how the rest of a frame is to be changed whose length has been
// sent already, so that its size must stay.
type TailPatch struct {
	// Replace takes the place of the next len(Replace) bytes of the frame; what
	// follows them passes as it is. Empty when nothing is to be changed.
	Replace []byte
}

// padNumber is the number of the tagged field that fills a section up to its
// former size, or a higher one if that is taken. No message of Kafka has it;
// KIP-482 has readers skip what they do not know.
const padNumber = 127

var errNoRoom = errors.New("tagged fields cannot keep their size")

// WalkFetchResponse passes a Fetch response body through c up to the tags that
// end it, and returns how these must be changed so that the client sees the
// endpoints as m maps them, in the same number of bytes: shorter ones are
// followed by an unknown field as padding. If they would be longer, the
// endpoints are left out; the client then asks for metadata instead, as it did
// before KIP-951. The same happens to a section of more than MaxPeek bytes,
// which is not read as a whole: NodeEndpoints gets an unknown number there.
//
// c stays in front of the tags. Errors: that of c as it is, *VersionError,
// *MalformedError; the bytes passed by then are as they were.
func WalkFetchResponse(version int16, c Cursor, m MapEndpoint) (TailPatch, error) {
	var f FetchResponseStream
	if err := f.Reset(version, c); err != nil {
		return TailPatch{}, err
	}
	for part := (FetchResponsePartition{}); f.next(&part); {
	}
	return f.PatchEndpoints(m)
}

// PatchEndpoints is the second half of WalkFetchResponse, for who walks the
// partitions himself: to be called once Next has returned false. It consumes
// nothing.
func (f *FetchResponseStream) PatchEndpoints(m MapEndpoint) (TailPatch, error) {
	if f.version < fetchEndpoints || !f.s.ok() {
		return TailPatch{}, f.Err()
	}
	tail := f.s.peek(min(f.s.c.Remaining(), MaxPeek))
	if len(tail) > 0 && tail[0] == 0 { // no tags at all
		return TailPatch{}, nil
	}
	whole := len(tail) == f.s.c.Remaining()
	patch, err := patchTags(tail, m)
	if errors.Is(err, ErrShort) && !whole {
		patch, err = renumberEndpoints(tail)
	}
	if err != nil {
		f.s.malformed(err)
	}
	return TailPatch{Replace: patch}, f.Err()
}

// patchTags returns the section at the start of tail with its endpoints mapped
// and its size unchanged, or nil if it stays as it is.
func patchTags(tail []byte, m MapEndpoint) ([]byte, error) {
	t, err := parseTagSection(tail)
	if err != nil || !t.found {
		return nil, err
	}
	changed, err := t.mapEndpoints(m)
	if err != nil || !changed {
		return nil, err
	}
	patch := t.appendExact(make([]byte, 0, t.size), t.size)
	if patch == nil && t.found {
		t.dropEndpoints()
		patch = t.appendExact(make([]byte, 0, t.size), t.size)
	}
	if patch == nil {
		return nil, errNoRoom
	}
	return patch, nil
}

// appendExact appends the section in exactly size bytes, or returns nil if
// that cannot be done.
func (t *tagSection) appendExact(dst []byte, size int) []byte {
	number := max(t.highest+1, padNumber)
	missing := size - t.naturalSize()
	grow := wire.UvarintLen(uint32(t.count+1)) - wire.UvarintLen(uint32(t.count))
	switch room := missing - grow; {
	case missing == 0:
		return t.append(dst, 0)
	case room > wire.UvarintLen(number) && t.highest < number:
		dst = wire.AppendUvarint(dst, uint32(t.count+1))
		return appendPadding(t.appendFields(dst, 0), number, room)
	case missing > 0 && t.found && wire.UvarintLen(uint32(len(t.endpoints)))+missing <= wire.MaxUvarintLen:
		// Too little for a field of its own: a longer form of the length does.
		return t.append(dst, missing)
	}
	return nil
}

// naturalSize returns how many bytes append takes without widening.
func (t *tagSection) naturalSize() int {
	n := wire.UvarintLen(uint32(t.count)) + len(t.before) + len(t.after)
	if t.found {
		n += wire.UvarintLen(tagNodeEndpoints) + wire.UvarintLen(uint32(len(t.endpoints))) + len(t.endpoints)
	}
	return n
}

// appendPadding appends a field of zeros that takes room bytes in all. room is
// at least one more than its number takes.
func appendPadding(dst []byte, number uint32, room int) []byte {
	room -= wire.UvarintLen(number)
	width := 1
	for wire.UvarintLen(uint32(room-width)) > width {
		width++
	}
	dst = wire.AppendUvarint(dst, number)
	dst = wire.AppendUvarintWidth(dst, uint32(room-width), width)
	return append(dst, make([]byte, room-width)...)
}

// renumberEndpoints returns the start of a long section with the number of
// NodeEndpoints replaced by one that clients skip. Fields come in the order of
// their numbers (KIP-482) and this number is the lowest, so the field is the
// first or it is not there.
func renumberEndpoints(tail []byte) ([]byte, error) {
	r := wire.NewReader(tail)
	r.Uvarint() // how many fields there are
	at := r.Offset()
	number := r.Uvarint()
	switch {
	case r.Err() != nil:
		return nil, r.Err()
	case number != tagNodeEndpoints:
		return nil, nil
	case r.Offset() != at+1:
		return nil, errNoRoom
	}
	patch := append([]byte(nil), tail[:at+1]...)
	patch[at] = padNumber
	return patch, nil
}
