package protocol_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"warder/protocol"
)

func TestFrameSize(t *testing.T) {
	var malformed *protocol.MalformedError
	var limit *protocol.LimitError
	isMalformed := func(err error) bool { return errors.As(err, &malformed) }
	isLimit := func(err error) bool { return errors.As(err, &limit) }
	isShort := func(err error) bool { return errors.Is(err, protocol.ErrShort) }
	fine := func(err error) bool { return err == nil }
	for _, c := range []struct {
		in   []byte
		size int
		want func(error) bool
	}{
		{[]byte{0, 0, 0, 8}, 8, fine},
		{[]byte{0, 0, 4, 0, 99}, 1024, fine},
		{[]byte{0, 0, 4}, 0, isShort},
		{nil, 0, isShort},
		{[]byte{0, 0, 0, 7}, 0, isMalformed},
		{[]byte{0xff, 0xff, 0xff, 0xff}, 0, isMalformed},
		{[]byte{0, 0, 4, 1}, 0, isLimit},
		{[]byte{0x7f, 0xff, 0xff, 0xff}, 0, isLimit},
	} {
		size, err := protocol.FrameSize(c.in, protocol.MinRequestHeader, 1024)
		if size != c.size || !c.want(err) {
			t.Errorf("% x: %d, %v", c.in, size, err)
		}
	}
	if limit.Got != 0x7fffffff || limit.Max != 1024 {
		t.Errorf("limit error %+v", limit)
	}
}

func TestFrameHasTheSizeAskedFor(t *testing.T) {
	for _, size := range []int{0, 1, 4095, 4096, 4097, 1 << 20, 4 << 20, 4<<20 + 1} {
		f := protocol.NewFrame(size)
		if len(f.Bytes()) != size {
			t.Errorf("frame of %d bytes has %d", size, len(f.Bytes()))
		}
		f.Release()
	}
}

func TestFrameReleasedTwicePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	f := protocol.NewFrame(5 << 20) // above the pools: nobody else can get it meanwhile
	f.Release()
	f.Release()
}

func TestReadFrame(t *testing.T) {
	content := newGenerator(1).bytes(3 << 20)
	content = append(content, make([]byte, 3<<20-len(content))...)
	for _, size := range []int{0, 1, 5000, 256 << 10, 256<<10 + 1, 3 << 20} {
		source := iotest.HalfReader(bytes.NewReader(content[:size]))
		f, err := protocol.ReadFrame(source, size)
		if err != nil || !bytes.Equal(f.Bytes(), content[:size]) {
			t.Fatalf("frame of %d bytes: error %v or wrong content", size, err)
		}
		f.Release()
		if size == 0 {
			continue
		}
		short := bytes.NewReader(content[:size-1])
		if _, err := protocol.ReadFrame(short, size); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("frame of %d bytes cut short: %v", size, err)
		}
	}
}

// A peer that claims 100 MiB and sends little costs little.
func TestReadFrameTakesMemoryAsBytesArrive(t *testing.T) {
	for _, sent := range []int{1000, 256 << 10, 300 << 10} {
		content := make([]byte, sent)
		allocated := allocatedBytes(func() {
			if _, err := protocol.ReadFrame(bytes.NewReader(content), protocol.DefaultMaxFrame); err == nil {
				t.Fatal("no error")
			}
		})
		if most := uint64(max(512<<10, 6*sent)); allocated > most {
			t.Errorf("%d bytes allocated for %d sent, want %d at most", allocated, sent, most)
		}
	}
}

func TestFirstBytes(t *testing.T) {
	hello := []byte{0x16, 3, 1, 2, 0}
	request := []byte{0, 0, 0, 30, 0, 18}
	if !protocol.LooksLikeTLS(hello) || protocol.LooksLikeTLS(request) || protocol.LooksLikeTLS(hello[:2]) {
		t.Error("TLS is not told from Kafka")
	}
	if _, err := protocol.FrameSize(hello, 8, protocol.DefaultMaxFrame); err == nil {
		t.Error("a ClientHello passes as a frame")
	}
	if alert := []byte{0x15, 3, 3, 0, 2, 2, 80}; !protocol.LooksLikeTLS(alert) {
		t.Error("an alert of a TLS server is not told from Kafka")
	}
	if !protocol.LooksLikeGSSAPI(0x6082) || protocol.LooksLikeGSSAPI(protocol.ApiVersions) || protocol.LooksLikeGSSAPI(-1) {
		t.Error("a GSSAPI token is not told from a request")
	}
}
