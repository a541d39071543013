package messages

import (
	"errors"
	"runtime"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol/wire"
)

// bomb writes the smallest message of a layout, except that the array at hand
// number target (depth first) has as many elements as its element memory is worth.
type bomb struct {
	out    []byte
	target int // counts down; < 0: none is swollen
	count  int
	hit    bool
}

func (b *bomb) structure(l *layout) {
	for i := range l.fields {
		b.node(&l.fields[i], l.flexible)
	}
	if l.flexible {
		b.tagSection(l)
	}
}

func (b *bomb) node(n *node, flexible bool) {
	switch n.shape {
	case shapeFixed:
		b.out = append(b.out, make([]byte, n.size)...)
	case shapeString:
		b.out = wire.AppendFlexString(b.out, "", flexible)
	case shapeBytes:
		if flexible {
			b.out = wire.AppendNullableCompactBytes(b.out, nil, false)
		} else {
			b.out = wire.AppendNullableBytes(b.out, nil, false)
		}
	case shapeStruct:
		if n.nullable {
			b.out = append(b.out, 1)
		}
		b.structure(n.of)
	case shapeFixedArray, shapeStringArray, shapeStructArray:
		count := b.turn()
		b.out = wire.AppendArrayLen(b.out, count, flexible)
		for range count {
			switch n.shape {
			case shapeFixedArray:
				b.out = append(b.out, make([]byte, n.size)...)
			case shapeStringArray:
				b.out = wire.AppendFlexString(b.out, "", flexible)
			default:
				b.structure(n.of)
			}
		}
	}
}

// turn returns how many elements the array at hand gets. Arrays on the way to the
// target have one.
func (b *bomb) turn() int {
	b.target--
	switch {
	case b.target == -1:
		b.hit = true
		return b.count
	case b.target < -1:
		return 0
	}
	return 1
}

// tagSection writes known tagged fields, as they have arrays too, and when it is
// its turn many unknown ones.
func (b *bomb) tagSection(l *layout) {
	unknown := b.turn()
	if !b.hit || unknown != b.count {
		unknown = 0
	}
	b.out = wire.AppendUvarint(b.out, uint32(len(l.tagged)+unknown))
	for i := range l.tagged {
		n := &l.tagged[i]
		value := bomb{target: b.target, count: b.count, hit: b.hit}
		value.node(n, true)
		b.target, b.hit = value.target, value.hit
		b.out = wire.AppendUvarint(b.out, n.tag)
		b.out = wire.AppendUvarint(b.out, uint32(len(value.out)))
		b.out = append(b.out, value.out...)
	}
	for i := range unknown {
		b.out = wire.AppendUvarint(b.out, uint32(1000+i))
		b.out = wire.AppendUvarint(b.out, 0)
	}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// TestHonestCountsCostWhatIsClaimed: for every array and every tag section of
// every message, what kmsg allocates is at most what check adds up, so that the
// limit on the sum is a limit on memory.
func TestHonestCountsCostWhatIsClaimed(t *testing.T) {
	bombs := 0
	for key := range int16(100) {
		rq := kmsg.RequestForKey(key)
		if rq == nil {
			continue
		}
		for version := range rq.MaxVersion() + 1 {
			if version != rq.MaxVersion() && version%4 != 0 {
				continue // the others differ little
			}
			bombs += bombard(t, message{key, version, false})
			bombs += bombard(t, message{key, version, true})
		}
	}
	if bombs < 1000 {
		t.Errorf("only %d bombs", bombs)
	}
}

func bombard(t *testing.T, m message) (bombs int) {
	t.Helper()
	l := layoutOf(m)
	if l == nil {
		return 0
	}
	for target := 0; ; target++ {
		b := bomb{target: target, count: 500}
		b.structure(l)
		if !b.hit {
			return bombs
		}
		w := walker{reader: wire.NewReader(b.out), memory: messageMemory}
		if !w.structure(l) || w.reader.Remaining() != 0 {
			t.Fatalf("%s %v target %d: %v at %d", kmsg.NameForKey(m.key), m, target, w.reader.Err(), w.reader.Offset())
		}
		got := allocated(func() { readKmsg(t, m, b.out) })
		if slack := 4 << 10; got > w.memory+slack {
			t.Errorf("%s %v target %d: %d bytes cost %d, claimed were %d", kmsg.NameForKey(m.key), m, target, len(b.out), got, w.memory)
		}
		bombs++
	}
}

func readKmsg(t *testing.T, m message, body []byte) {
	t.Helper()
	var err error
	if m.response {
		resp := kmsg.ResponseForKey(m.key)
		resp.SetVersion(m.version)
		err = resp.ReadFrom(body)
	} else {
		rq := kmsg.RequestForKey(m.key)
		rq.SetVersion(m.version)
		err = rq.ReadFrom(body)
	}
	if err != nil {
		t.Errorf("%v: %v", m, err)
	}
}

// TestClaimedCountsCostNothing: a count that the bytes do not bear out is found
// before anything is allocated for it.
func TestClaimedCountsCostNothing(t *testing.T) {
	const size = 512 << 10
	zeros := make([]byte, size)
	for name, c := range map[string]struct {
		m    message
		head []byte
	}{
		"Metadata v1 topics":          {message{3, 1, false}, []byte{0, 7, 0xff, 0xff}},
		"DeleteTopics v5 names":       {message{20, 4, false}, []byte{0xff, 0xff, 0x1f}},
		"OffsetFetch v8 groups":       {message{9, 8, false}, []byte{0xff, 0xff, 0x1f}},
		"Metadata response brokers":   {message{3, 9, true}, []byte{0, 0, 0, 0, 0xff, 0xff, 0x1f}},
		"ApiVersions request tags":    {message{18, 3, false}, []byte{2, 'a', 2, 'b', 0xff, 0xff, 0xff, 0xff, 0x0f}},
		"OffsetFetch tags of a group": {message{9, 8, false}, []byte{2, 2, 'g', 1, 0xff, 0xff, 0xff, 0xff, 0x0f}},
	} {
		body := append(append([]byte(nil), c.head...), zeros...)
		var err error
		got := allocated(func() { _, err = decodeAny(c.m.key, c.m.version, c.m.response, body) })
		var malformed *MalformedError
		var limit *LimitError
		if !errors.As(err, &malformed) && !errors.As(err, &limit) {
			t.Errorf("%s: %v", name, err)
		}
		if got > memoryBase {
			t.Errorf("%s: %d bytes were allocated", name, got)
		}
	}
}

// TestSmallElementsAreLimited: honest counts of tiny elements, which cost kmsg
// many times their size, stop at the promised factor.
func TestSmallElementsAreLimited(t *testing.T) {
	m := message{44, 1, false} // IncrementalAlterConfigs: an empty resource takes 4 bytes, in memory 56
	b := bomb{target: 0, count: 200_000}
	b.structure(layoutOf(m))
	var err error
	got := allocated(func() { _, err = DecodeRequest(m.key, m.version, b.out, Limits{}) })
	if err == nil && got > memoryFactor*len(b.out)+memoryBase {
		t.Errorf("%d bytes cost %d", len(b.out), got)
	}
	var limit *LimitError
	if err != nil && (!errors.As(err, &limit) || got > memoryBase) {
		t.Errorf("%v after %d bytes", err, got)
	}
	// Unknown tags: two bytes each, a hundred in memory.
	m = message{18, 3, false}
	b = bomb{target: 0, count: 10_000}
	b.structure(layoutOf(m))
	if _, err := DecodeRequest(m.key, m.version, b.out, Limits{}); !errors.As(err, &limit) || limit.What != "memory" {
		t.Errorf("10,000 unknown tags: %v", err)
	}
}

func TestBodyLimit(t *testing.T) {
	var limit *LimitError
	if _, err := DecodeRequest(3, 1, make([]byte, DefaultMaxRequest+1), Limits{}); !errors.As(err, &limit) || limit.Max != DefaultMaxRequest {
		t.Error(err)
	}
	if _, err := DecodeResponse(3, 1, make([]byte, DefaultMaxResponse+1), Limits{}); !errors.As(err, &limit) || limit.Max != DefaultMaxResponse {
		t.Error(err)
	}
	if _, err := DecodeRequest(3, 1, make([]byte, 101), Limits{MaxBytes: 100}); !errors.As(err, &limit) || limit.Got != 101 {
		t.Error(err)
	}
}
