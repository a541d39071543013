package capture

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// Packet is what was captured of one packet.
type Packet struct {
	At     time.Time
	Data   []byte // valid until the next packet is asked for; empty: nothing came, only time has passed
	Length int    // of the packet when it was sent
	Link   layers.LinkType
}

// Feed gives packets, io.EOF at their end. io.ErrUnexpectedEOF is the end of a
// file that was cut off.
type Feed interface {
	Read() (Packet, error)
}

// files is one feed of several, one after the other, as `tcpdump -C` cuts them.
type files struct {
	all    []Feed
	broken bool // one of them was cut off
}

// Files reads feeds one after the other. One that is cut off ends there.
func Files(all ...Feed) Feed { return &files{all: all} }

func (f *files) Read() (Packet, error) {
	for len(f.all) > 0 {
		p, err := f.all[0].Read()
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			f.broken = true
		case !errors.Is(err, io.EOF):
			return p, err
		}
		f.all = f.all[1:]
	}
	if f.broken {
		return Packet{}, io.ErrUnexpectedEOF
	}
	return Packet{}, io.EOF
}

// Magic numbers of compression and of pcapng's section header.
const (
	magicGzip   = 0x1f8b
	magicPcapng = 0x0a0d0d0a
)

// Open reads a file in the format pcap or pcapng, compressed with gzip or not.
func Open(r io.Reader) (Feed, error) {
	buffered := bufio.NewReaderSize(r, 1<<20)
	magic, err := buffered.Peek(4)
	if err != nil {
		return nil, notACapture(err)
	}
	if binary.BigEndian.Uint16(magic) == magicGzip {
		plain, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, notACapture(err)
		}
		buffered = bufio.NewReaderSize(plain, 1<<20)
		if magic, err = buffered.Peek(4); err != nil {
			return nil, notACapture(err)
		}
	}
	if binary.BigEndian.Uint32(magic) == magicPcapng {
		ng, err := pcapgo.NewNgReader(buffered, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
		if err != nil {
			return nil, notACapture(err)
		}
		return &ngFile{ng}, nil
	}
	old, err := pcapgo.NewReader(buffered)
	if err != nil {
		return nil, notACapture(err)
	}
	return &oldFile{old}, nil
}

func notACapture(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("too short for a pcap or pcapng file")
	}
	return fmt.Errorf("neither pcap nor pcapng: %w", err)
}

type oldFile struct{ r *pcapgo.Reader }

func (f *oldFile) Read() (Packet, error) {
	data, ci, err := f.r.ZeroCopyReadPacketData()
	return packetOf(data, &ci, f.r.LinkType(), err)
}

// unknownLink is no link type of any list.
const unknownLink layers.LinkType = 0xffff

type ngFile struct{ r *pcapgo.NgReader }

func (f *ngFile) Read() (Packet, error) {
	data, ci, err := f.r.ZeroCopyReadPacketData()
	link := unknownLink
	if err == nil && len(ci.AncillaryData) > 0 {
		link, _ = ci.AncillaryData[0].(layers.LinkType)
	}
	return packetOf(data, &ci, link, err)
}

func packetOf(data []byte, ci *gopacket.CaptureInfo, link layers.LinkType, err error) (Packet, error) {
	if err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("reading packets: %w", err)
		}
		return Packet{}, err
	}
	return Packet{At: ci.Timestamp, Data: data, Length: max(ci.Length, len(data)), Link: link}, nil
}
