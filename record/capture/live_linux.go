package capture

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"
)

// The ring that the kernel writes packets to: 32 MiB, about a third of a second of a
// network of a gigabit a second. What does not fit is dropped, and counted.
const (
	blockSize  = 1 << 20
	blockCount = 32
	frameSize  = 2048 // packets of version 3 take what they need; the kernel wants a divisor of the block
	// everything is as much of a packet as is wanted. A packet is never larger than a
	// block, whatever the card has joined.
	everything = blockSize
	// blockWait is after how long the kernel gives a block that is not full.
	blockWait = 100 * time.Millisecond
	// pollWait is how long a wait for packets takes at most.
	pollWait = 500 * time.Millisecond
)

// MaxLivePorts bounds the ports of a live capture, where a row of ports that follow one
// another counts as one: the kernel compares each packet with each of them, and takes
// programs of 4,096 instructions.
const MaxLivePorts = 200

// Any is the name that stands for all interfaces.
const Any = "any"

// Live reads packets from an interface as they pass. It sees what the machine itself
// sends and receives, and switches no interface to promiscuous mode.
type Live struct {
	ctx     context.Context //nolint:containedctx // the end of a capture is part of what it is, as the end of a file
	fd      int
	ring    []byte
	block   int       // of the ring, to be read next or being read
	left    int       // packets of it that have not been given
	at      int       // where in the ring the next of them is
	reading bool      // block is ours until it is given back
	until   time.Time // when ctx ended; packets before that are still read
	dropped uint64
}

// Listen captures TCP from and to the ports on an interface, or on Any, until ctx ends.
// It needs CAP_NET_RAW.
func Listen(ctx context.Context, name string, ports []uint16) (*Live, error) {
	index := 0
	if name != Any {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return nil, fmt.Errorf("there is no interface %q; there are: %s", name, interfaces())
		}
		index = i.Index
	}
	rows := ranges(ports)
	if len(rows) > MaxLivePorts {
		return nil, fmt.Errorf("%d ports apart from each other are more than the %d that a live capture takes", len(rows), MaxLivePorts)
	}
	// A datagram socket gives packets without the header of the link layer, which differs
	// between interfaces. With protocol 0 nothing comes before the filter stands.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EPERM) {
		return nil, needsCapability()
	}
	if err != nil {
		return nil, fmt.Errorf("opening a packet socket: %w", err)
	}
	l := &Live{ctx: ctx, fd: fd}
	if err := l.begin(index, rows); err != nil {
		return nil, errors.Join(fmt.Errorf("capturing on %s: %w", name, err), l.Close())
	}
	return l, nil
}

func needsCapability() error {
	self, err := os.Executable()
	if err != nil {
		self = "warder"
	}
	return fmt.Errorf("capturing packets needs CAP_NET_RAW: run as root, or allow it to the program with `setcap cap_net_raw+ep %s`", self)
}

// begin sets up the filter and the ring, and then has packets come.
func (l *Live) begin(index int, ports []portRange) error {
	if err := l.filter(ports); err != nil {
		return fmt.Errorf("the filter: %w", err)
	}
	if err := unix.SetsockoptInt(l.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return err
	}
	err := unix.SetsockoptTpacketReq3(l.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq3{
		Block_size: blockSize, Block_nr: blockCount, Frame_size: frameSize, Frame_nr: blockSize / frameSize * blockCount,
		Retire_blk_tov: uint32(blockWait.Milliseconds()),
	})
	if err != nil {
		return fmt.Errorf("the ring for packets: %w", err)
	}
	l.ring, err = unix.Mmap(l.fd, 0, blockSize*blockCount, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("the ring for packets: %w", err)
	}
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
	return unix.Bind(l.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index})
}

func (l *Live) filter(ports []portRange) error {
	raw, err := filter(ports)
	if err != nil {
		return err
	}
	program := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		program[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return unix.SetsockoptSockFprog(l.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// Offsets in a block of the ring (struct tpacket_block_desc, with tpacket_hdr_v1 in it,
// of linux/if_packet.h).
const (
	atStatus  = 8
	atPackets = 12
	atFirst   = 16
)

// status is the word by which the kernel and we tell each other whose the block is.
func (l *Live) status() *uint32 {
	return (*uint32)(unsafe.Pointer(&l.ring[l.block*blockSize+atStatus])) //nolint:gosec // shared with the kernel, and aligned
}

// Read gives the next packet, or says that time has passed.
func (l *Live) Read() (Packet, error) {
	for {
		for l.left > 0 {
			if p, ok := l.packet(); ok {
				if !l.until.IsZero() && p.At.After(l.until) {
					return Packet{}, io.EOF
				}
				return p, nil
			}
		}
		l.release()
		if atomic.LoadUint32(l.status())&unix.TP_STATUS_USER != 0 {
			l.take()
			continue
		}
		if l.until.IsZero() && l.ctx.Err() != nil {
			l.until = time.Now()
		}
		if !l.until.IsZero() && time.Since(l.until) > 2*blockWait {
			return Packet{}, io.EOF
		}
		if passed, err := l.wait(); passed || err != nil {
			// Packets of a moment ago may still be on their way to us.
			return Packet{At: time.Now().Add(-2 * blockWait)}, err
		}
	}
}

// wait waits for packets, and says whether there were none.
func (l *Live) wait() (passed bool, err error) {
	wait := pollWait
	if !l.until.IsZero() {
		wait = blockWait
	}
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}}, int(wait.Milliseconds()))
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("waiting for packets: %w", err)
	}
	if n == 0 {
		return true, nil
	}
	// An interface that goes down is an error of the socket, which then has packets
	// again when it comes up.
	code, err := unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 && unix.Errno(code) != unix.ENETDOWN {
		err = unix.Errno(code)
	}
	return code != 0, err
}

// take begins with a block that the kernel has filled.
func (l *Live) take() {
	base := l.block * blockSize
	l.left, l.reading = int(binary.NativeEndian.Uint32(l.ring[base+atPackets:])), true
	l.at = base + int(binary.NativeEndian.Uint32(l.ring[base+atFirst:]))
}

// release gives the block back, once it has been read.
func (l *Live) release() {
	if !l.reading {
		return
	}
	atomic.StoreUint32(l.status(), unix.TP_STATUS_KERNEL)
	l.block, l.reading = (l.block+1)%blockCount, false
}

// packet gives the next packet of the block. ok is false for what would be seen twice.
func (l *Live) packet() (p Packet, ok bool) {
	const head = unix.SizeofTpacket3Hdr
	h := (*unix.Tpacket3Hdr)(unsafe.Pointer(&l.ring[l.at])) //nolint:gosec // written by the kernel, and aligned
	from := l.ring[l.at+head:]                              // a struct sockaddr_ll
	start := l.at + int(h.Net)
	p = Packet{
		At: time.Unix(int64(h.Sec), int64(h.Nsec)), Data: l.ring[start : start+int(h.Snaplen)], Length: int(h.Len), Link: layers.LinkTypeRaw,
	}
	l.at += int(h.Next_offset)
	l.left--
	hardware, kind := binary.NativeEndian.Uint16(from[8:]), from[10]
	// What goes over the loopback interface leaves it and comes in.
	return p, len(p.Data) > 0 && !(hardware == unix.ARPHRD_LOOPBACK && kind == unix.PACKET_OUTGOING)
}

// Dropped is how many packets the kernel has dropped so far.
func (l *Live) Dropped() uint64 {
	// Asking sets what the kernel counts to zero.
	if stats, err := unix.GetsockoptTpacketStatsV3(l.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		l.dropped += uint64(stats.Drops)
	}
	return l.dropped
}

// Close ends the capture.
func (l *Live) Close() error {
	var err error
	if l.ring != nil {
		err = unix.Munmap(l.ring)
		l.ring = nil
	}
	return errors.Join(err, unix.Close(l.fd))
}

// interfaces lists the names that Listen takes, for people.
func interfaces() string {
	names := []string{Any}
	all, _ := net.Interfaces() // without a list the error is still true
	for _, i := range all {
		names = append(names, i.Name)
	}
	return strings.Join(names, ", ")
}
