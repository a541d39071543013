package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"

	"pgregory.net/rapid"
)

// frame makes a request frame of this key whose body is n bytes.
func frame(key int16, n int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(10+n))
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	return append(b, make([]byte, 8+n)...)
}

// pieces is a connection that delivers given bytes in given pieces.
type pieces struct {
	net.Conn
	data  []byte
	sizes []int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := len(p.data)
	if len(p.sizes) > 0 {
		n, p.sizes = min(n, p.sizes[0]), p.sizes[1:]
	}
	n = copy(b, p.data[:n])
	p.data = p.data[n:]
	return n, nil
}

func (p *pieces) Close() error { return nil }

func TestGuardDeliversWholeWhatPrecedesARefusedRequest(t *testing.T) {
	bad := map[string][]byte{
		"unknown key":      frame(500, 3),
		"negative key":     frame(-1, 3),
		"removed key":      frame(4242, 0),
		"gigantic length":  {0xff, 0xff, 0xff, 0xff, 0, 18},
		"no header at all": {0, 0, 0, 9, 0, 18, 0, 0, 0, 0, 0, 0, 0},
	}
	rapid.Check(t, func(rt *rapid.T) {
		var good []byte
		for _, key := range rapid.SliceOfN(rapid.SampledFrom([]int16{0, 1, 3, 18, 60}), 0, 5).Draw(rt, "keys") {
			good = append(good, frame(key, rapid.IntRange(0, 40).Draw(rt, "body"))...)
		}
		name := rapid.SampledFrom([]string{"unknown key", "negative key", "removed key", "gigantic length", "no header at all"}).Draw(rt, "bad")
		var g guard
		c := &guardedConn{guard: &g, Conn: &pieces{
			data:  append(append([]byte(nil), good...), bad[name]...),
			sizes: rapid.SliceOfN(rapid.IntRange(1, 30), 0, 60).Draw(rt, "sizes"),
		}}
		got, err := io.ReadAll(c)
		if !errors.Is(err, errRefused) {
			rt.Fatalf("%s: got %v, want it refused", name, err)
		}
		// At most the bytes that do not yet betray the request may get through: never its key, nor a bad length.
		extra := len(got) - len(good)
		if !bytes.HasPrefix(got, good) || extra < 0 || extra > 5 {
			rt.Fatalf("%s: %d bytes delivered, %d are good", name, len(got), len(good))
		}
		if name == "gigantic length" && extra > 3 {
			rt.Fatal("a bad length was delivered")
		}
		if g.refused.Load() != 1 {
			rt.Fatalf("refused %d", g.refused.Load())
		}
	})
}

func TestGuardIsTransparentToGoodTraffic(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var good []byte
		for range rapid.IntRange(0, 6).Draw(rt, "frames") {
			good = append(good, frame(18, rapid.IntRange(0, 40).Draw(rt, "body"))...)
		}
		c := &guardedConn{guard: &guard{}, Conn: &pieces{data: bytes.Clone(good), sizes: rapid.SliceOfN(rapid.IntRange(1, 30), 0, 60).Draw(rt, "sizes")}}
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, good) {
			rt.Fatalf("got %d of %d bytes, %v", len(got), len(good), err)
		}
	})
}
