package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// meter is what a load has done so far.
type meter struct {
	requests, records, bytes atomic.Int64
	timing                   atomic.Bool // answers are timed now
}

func (m *meter) add(requests, records, bytes int64) {
	m.requests.Add(requests)
	m.records.Add(records)
	m.bytes.Add(bytes)
}

// client is one connection of a load.
type client struct {
	net.Conn
	in          *bufio.Reader
	correlation uint32
}

// dial connects to a target and asks what every client asks first: versions, and the topics that it means to use.
func dial(ctx context.Context, t *running) (*client, error) {
	d := net.Dialer{Timeout: 20 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", t.addr)
	if err != nil {
		return nil, err
	}
	abortive(conn)
	if t.trust != nil {
		secure := tls.Client(conn, &tls.Config{RootCAs: t.trust, ServerName: "localhost", MinVersion: tls.VersionTLS13})
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		conn = secure
	}
	c := &client{Conn: conn, in: bufio.NewReaderSize(conn, clientBuffer)}
	if err := c.greet(); err != nil {
		c.Close()
		return nil, fmt.Errorf("the first requests to %s: %w", t.name, err)
	}
	return c, nil
}

// clientBuffer holds the answers to small requests.
const clientBuffer = 16 << 10

func (c *client) greet() error {
	versions := kmsg.NewPtrApiVersionsRequest()
	versions.Version, versions.ClientSoftwareName, versions.ClientSoftwareVersion = 3, "apache-kafka-java", "4.3.1"
	metadata := kmsg.NewPtrMetadataRequest()
	metadata.Version = spoken[3]
	for _, req := range []kmsg.Request{versions, metadata} {
		if err := c.send(requestFrame(req)); err != nil {
			return err
		}
		if _, err := c.skipped(); err != nil {
			return err
		}
	}
	return nil
}

// skipped reads an answer whatever it says.
func (c *client) skipped() (int, error) {
	size, err := c.answered()
	if err != nil {
		return 0, err
	}
	return c.in.Discard(size)
}

// send writes one request.
func (c *client) send(frame []byte) error {
	c.number(frame)
	_, err := c.Write(frame)
	return err
}

// number gives a request its correlation id.
func (c *client) number(frame []byte) {
	c.correlation++
	binary.BigEndian.PutUint32(frame[8:], c.correlation)
}

// answered waits for the beginning of an answer and gives the size of its frame, which is still to be read.
func (c *client) answered() (int, error) {
	head, err := c.in.Peek(4)
	if err != nil {
		return 0, err
	}
	return 4 + int(binary.BigEndian.Uint32(head)), nil
}

// stored reads the answer to a Produce of one partition.
func (c *client) stored() (int, error) {
	size, err := c.answered()
	if err != nil {
		return 0, err
	}
	const code = 4 + 4 + 1 + 1 + 16 + 1 + 4 // length, header, topics, topic id, partitions, partition
	answer, err := c.in.Peek(code + 2)
	if err != nil {
		return 0, err
	}
	if e := binary.BigEndian.Uint16(answer[code:]); e != 0 {
		return 0, fmt.Errorf("a Produce request of clean records was answered with error %d", e)
	}
	_, err = c.in.Discard(size)
	return size, err
}

// ended tells whether an error is only the end of a load.
func ended(ctx context.Context, err error) bool {
	return err == nil || ctx.Err() != nil && (errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) || reset(err))
}

func reset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
