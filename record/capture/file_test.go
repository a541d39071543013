package capture_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"warder/record/capture"
)

// talk is a short connection.
func talk(t *testing.T) *line {
	t.Helper()
	return newLine(t, clientHere, brokerHere).open().ask(heartbeat(1)).reply(answer(1)).ask(heartbeat(2)).reply(answer(2)).close()
}

func (l *line) info(p capture.Packet) gopacket.CaptureInfo {
	return gopacket.CaptureInfo{Timestamp: p.At, CaptureLength: len(p.Data), Length: p.Length}
}

// pcap writes what was sent as a file, with packets cut to snap bytes.
func (l *line) pcap() []byte {
	l.t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriterNanos(&b)
	err := w.WriteFileHeader(262144, layers.LinkTypeEthernet)
	for _, p := range *l.list {
		err = errors.Join(err, w.WritePacket(l.info(p), p.Data))
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return b.Bytes()
}

func (l *line) pcapng() []byte {
	l.t.Helper()
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriter(&b, layers.LinkTypeEthernet)
	if err != nil {
		l.t.Fatal(err)
	}
	raw, err := w.AddInterface(pcapgo.NgInterface{LinkType: layers.LinkTypeRaw})
	if err != nil {
		l.t.Fatal(err)
	}
	for i, p := range *l.list {
		ci := l.info(p)
		if i%2 == 1 { // of another interface, with another link type
			ci.InterfaceIndex, p.Data = raw, p.Data[14:]
			ci.CaptureLength, ci.Length = len(p.Data), len(p.Data)
		}
		err = errors.Join(err, w.WritePacket(ci, p.Data))
	}
	if err := errors.Join(err, w.Flush()); err != nil {
		l.t.Fatal(err)
	}
	return b.Bytes()
}

// swapped is a pcap file as a machine of the other order of bytes writes it, with
// microseconds.
func swapped(file []byte) []byte {
	out := slices.Clone(file)
	turn := func(at, size int) { slices.Reverse(out[at : at+size]) }
	binary.LittleEndian.PutUint32(out, 0xa1b2c3d4)
	for at, size := range map[int]int{0: 4, 4: 2, 6: 2, 16: 4, 20: 4} {
		turn(at, size)
	}
	for at := 24; at < len(out); {
		size := int(binary.LittleEndian.Uint32(out[at+8:]))
		binary.LittleEndian.PutUint32(out[at+4:], binary.LittleEndian.Uint32(out[at+4:])/1000)
		for i := range 4 {
			turn(at+4*i, 4)
		}
		at += 16 + size
	}
	return out
}

func zipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func readFile(t *testing.T, files ...[]byte) *seen {
	t.Helper()
	var feeds []capture.Feed
	for _, f := range files {
		feed, err := capture.Open(bytes.NewReader(f))
		if err != nil {
			t.Fatal(err)
		}
		feeds = append(feeds, feed)
	}
	return readAll(t, capture.New(capture.Files(feeds...), nil))
}

func TestFileFormats(t *testing.T) {
	l := talk(t)
	for name, file := range map[string][]byte{
		"pcap": l.pcap(), "pcap, other byte order": swapped(l.pcap()), "pcapng": l.pcapng(),
		"pcap, zipped": zipped(t, l.pcap()), "pcapng, zipped": zipped(t, l.pcapng()),
	} {
		t.Log(name)
		readFile(t, file).story("open ask reply ask reply close").asked(heartbeat(1), heartbeat(2)).replied(answer(1), answer(2))
	}
}

// A connection goes on from one file of a row to the next, and one that was cut off
// costs what is missing.
func TestFilesInARow(t *testing.T) {
	l := talk(t)
	one, two := *l, *l
	first, second := (*l.list)[:5], (*l.list)[5:]
	one.list, two.list = &first, &second
	readFile(t, one.pcap(), two.pcapng()).story("open ask reply ask reply close").asked(heartbeat(1), heartbeat(2))

	cut := one.pcap()
	got := readFile(t, cut[:len(cut)-3], two.pcap()).story("open ask lost close").asked(heartbeat(1), heartbeat(2))
	if !got.counts.CutOff {
		t.Error("nobody says that a file was cut off")
	}
}

func TestOtherFiles(t *testing.T) {
	for _, file := range []string{"", "ab", "no capture at all, but long enough", "\x1f\x8b no gzip either", "\x0a\x0d\x0d\x0a and no section"} {
		if _, err := capture.Open(bytes.NewReader([]byte(file))); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%q: %v", file, err)
		}
	}
}

// Whoever plays what was captured lets each second pass.
func TestTimesThatJump(t *testing.T) {
	l := newLine(t, clientHere, brokerHere).open().ask(heartbeat(1)).wait(365 * 24 * time.Hour).reply(answer(1))
	s := capture.New(&packets{*l.list}, nil)
	for {
		_, err := s.Next()
		if errors.Is(err, io.EOF) {
			t.Fatal("a year was read over")
		}
		if err != nil {
			return
		}
	}
}

// FuzzSource reads whatever there may be in a file. It must not fail over it, and what
// it gives must be what record promises.
func FuzzSource(f *testing.F) {
	t := &testing.T{}
	for _, l := range []*line{
		talk(t), newLine(t, clientHere, brokerHere).ask(produce(7, 1, 100)[50:]).reply(answer(7)).ask(heartbeat(8)).ask(heartbeat(9)).reply(answer(8)),
		newLine(t, clientHere, brokerHere).open().ask(produce(1, 1, 500)).snap(200).reply(answer(1)).ask(fetch(2, 12, -1)).reply(answer(2)),
		newLine(t, "[fd00::5]:40000", "[fd00::9]:9092").open().ask(produce(1, 1, 70_000)).reply(answer(1)).ask(heartbeat(2)).lose().reply(answer(2)),
	} {
		f.Add(l.pcap())
		f.Add(l.pcapng())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		feed, err := capture.Open(bytes.NewReader(b))
		if err != nil {
			return
		}
		s := capture.New(feed, nil)
		readLoosely(t, s)
		if s.Held() > 300<<20 {
			t.Errorf("%d bytes are held", s.Held())
		}
	})
}

// FuzzStream is about what a connection carries: any bytes from both sides, in segments
// of any size, some of them lost.
func FuzzStream(f *testing.F) {
	f.Add(slices.Concat(heartbeat(1), heartbeat(2)), slices.Concat(answer(1), answer(2)), []byte{7, 200, 30, 130, 3}, true)
	f.Add(produce(1, 0, 70_000), answer(1), []byte{255, 255, 0, 90}, false)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), []byte("HTTP/1.1 400"), []byte{9}, true)
	f.Fuzz(func(t *testing.T, up, down, cuts []byte, start bool) {
		if len(up) > 1<<20 || len(down) > 1<<20 {
			return
		}
		l := newLine(t, clientHere, brokerHere)
		if start {
			l.open()
		}
		for i := 0; len(up)+len(down) > 0 && i < 4000; i++ {
			cut := byte(99)
			if len(cuts) > 0 {
				cut = cuts[i%len(cuts)]
			}
			size := 1 + int(cut&63)*40
			if cut&128 != 0 || len(up) == 0 {
				n := min(size, len(down))
				l.reply(down[:n])
				down = down[n:]
			} else {
				n := min(size, len(up))
				l.ask(up[:n])
				up = up[n:]
			}
			if cut%11 == 3 {
				l.lose().wait(time.Second)
			}
		}
		readAll(t, capture.New(&packets{*l.list}, nil))
	})
}
