// Package pcapng writes traffic of the past as a capture that Wireshark opens: each
// connection as TCP over Ethernet, with a handshake, sequence numbers and an end, all of
// it made up around the bytes that are known. Findings, and places where bytes are
// missing, are comments of packets.
package pcapng

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"warder/record"
	"warder/rules"
)

// maxSegment is how many bytes of data a packet has at most, as on Ethernet.
const maxSegment = 1460

// brokerPort is the port of every broker in the capture: Wireshark takes what goes to
// it for Kafka.
const brokerPort = 9092

// Written says what was written.
type Written struct {
	Connections int `json:"connections"`
	Packets     int `json:"packets"`
}

// exporter writes packets.
type exporter struct {
	out     *pcapgo.NgWriter
	buffer  gopacket.SerializeBuffer
	conns   map[uint64]*conn
	inUse   map[ends]bool
	written Written
}

// Write writes all that a source gives. note is a comment of the whole capture.
func Write(w io.Writer, source record.Source, note string) (Written, error) {
	out, err := pcapgo.NewNgWriterInterface(w, pcapgo.NgInterface{
		Name: "warder", Comment: note, LinkType: layers.LinkTypeEthernet, TimestampResolution: 9,
		Description: "a recording of warder: addresses of brokers and all of TCP are made up",
	}, pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: "warder"}})
	if err != nil {
		return Written{}, err
	}
	x := &exporter{out: out, buffer: gopacket.NewSerializeBuffer(), conns: map[uint64]*conn{}, inUse: map[ends]bool{}}
	for {
		e, err := source.Next()
		if errors.Is(err, io.EOF) {
			return x.written, x.out.Flush()
		}
		if err == nil {
			err = x.entry(e)
		}
		if err != nil {
			return x.written, err
		}
	}
}

func (x *exporter) entry(e *record.Entry) error {
	if e.Kind == record.Found {
		return x.found(e.At, e.Finding)
	}
	if e.Kind == record.Opened {
		return x.open(e)
	}
	c := x.conns[e.Conn]
	if c == nil {
		return nil
	}
	switch e.Kind {
	case record.Request:
		return x.data(c, toBroker, e)
	case record.Answer:
		return x.data(c, toClient, e)
	case record.Lost:
		return x.packet(c, toClient, e.At, packet{ack: true, comment: "warder: bytes are missing here"})
	case record.Closed:
		return x.close(e, c)
	case record.Opened, record.Identified, record.Learned, record.Found, record.Passed:
	}
	return nil
}

func (x *exporter) open(e *record.Entry) error {
	first := uint32(e.Conn) * 2_654_435_761 // far from that of who had the port before, as hosts take care of (RFC 6528)
	c := &conn{ends: x.endsOf(e), next: [2]uint32{first, ^first}}
	x.conns[e.Conn] = c
	x.inUse[c.ends] = true
	x.written.Connections++
	comment := fmt.Sprintf("warder: connection %d to broker %s", e.Conn, e.Broker)
	if e.Node >= 0 {
		comment += fmt.Sprintf(" (node %d)", e.Node)
	}
	if e.Listener != "" {
		comment += ", listener " + e.Listener
	}
	return errors.Join(
		x.packet(c, toBroker, e.At, packet{syn: true, comment: comment}),
		x.packet(c, toClient, e.At, packet{syn: true, ack: true}),
		x.packet(c, toBroker, e.At, packet{ack: true}),
	)
}

func (x *exporter) close(e *record.Entry, c *conn) error {
	delete(x.conns, e.Conn)
	delete(x.inUse, c.ends)
	first, second := toBroker, toClient
	if e.ByBroker {
		first, second = second, first
	}
	return errors.Join(
		x.packet(c, first, e.At, packet{fin: true, ack: true}),
		x.packet(c, second, e.At, packet{fin: true, ack: true}),
		x.packet(c, first, e.At, packet{ack: true}),
	)
}

// data writes bytes in as many segments as they need.
func (x *exporter) data(c *conn, way way, e *record.Entry) error {
	for data := e.Data; len(data) > 0; {
		n := min(len(data), maxSegment)
		p := packet{ack: true, data: data[:n], push: n == len(data)}
		if err := x.packet(c, way, e.At, p); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// found comments on the connection that a finding is about, if it is open.
func (x *exporter) found(at time.Time, f *rules.Finding) error {
	remote, err := netip.ParseAddrPort(f.Subject.Remote)
	if err != nil {
		return nil //nolint:nilerr // it is about no client
	}
	var about *conn
	for _, c := range x.conns { // the one there is; with several, that of the lowest broker
		if c.ends.client == unmapped(remote) && (about == nil || c.ends.broker.Compare(about.ends.broker) < 0) {
			about = c
		}
	}
	if about == nil {
		return nil
	}
	comment := fmt.Sprintf("warder: %s %s (%s): %s", f.Severity, f.Rule, f.Action, f.Summary)
	return x.packet(about, toClient, at, packet{ack: true, comment: comment})
}
