package fakebroker

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Client is a connection that speaks frames, for tests that must see the bytes of an answer.
// It belongs to one goroutine, but one may send while another receives.
type Client struct {
	tb   testing.TB
	conn net.Conn
	corr int32
	name string
}

// Response is one answer as it arrived; Body aliases Raw.
type Response struct {
	CorrelationID int32
	Raw           []byte // with its 4 length bytes
	Body          []byte // after the response header; set by Receive, which knows what was asked
}

// Dial connects to addr and closes the connection at the end of the test.
func Dial(tb testing.TB, addr string) *Client {
	tb.Helper()
	conn, err := net.DialTimeout("tcp", addr, Patience)
	if err != nil {
		tb.Fatalf("fakebroker: dial: %v", err)
	}
	return NewClient(tb, conn)
}

// NewClient makes a client of an existing connection, such as a TLS one.
func NewClient(tb testing.TB, conn net.Conn) *Client {
	tb.Helper()
	tb.Cleanup(func() { _ = conn.Close() })
	// A deadline for the whole connection, so that no read can hang a test.
	if err := conn.SetDeadline(time.Now().Add(2 * Patience)); err != nil {
		tb.Fatalf("fakebroker: %v", err)
	}
	return &Client{tb: tb, conn: conn, name: "fakebroker-client"}
}

// SetClientID changes the client id of later requests; the first one is "fakebroker-client".
func (c *Client) SetClientID(id string) { c.name = id }

// Conn gives access to the connection, to half-close or abort it.
func (c *Client) Conn() net.Conn { return c.conn }

// Encode makes the next request's frame without sending it. Correlation ids count up from 1.
func (c *Client) Encode(req kmsg.Request) []byte {
	c.corr++
	return AppendRequest(nil, req.Key(), req.GetVersion(), c.corr, &c.name, req.AppendTo(nil))
}

// Send sends a request in the version it is set to and returns the frame that went out.
func (c *Client) Send(req kmsg.Request) []byte {
	c.tb.Helper()
	raw := c.Encode(req)
	c.Write(raw)
	return raw
}

// Write sends raw bytes.
func (c *Client) Write(raw []byte) {
	c.tb.Helper()
	if _, err := c.conn.Write(raw); err != nil {
		c.tb.Fatalf("fakebroker: client write: %v", err)
	}
}

// Next reads the next answer without looking into it; Body is unset.
func (c *Client) Next() Response {
	c.tb.Helper()
	raw, err := readFrame(c.conn)
	if err != nil {
		c.tb.Fatalf("fakebroker: client read: %v", err)
	}
	if len(raw) < 8 {
		c.tb.Fatalf("fakebroker: answer of %d bytes has no correlation id", len(raw)-4)
	}
	return Response{CorrelationID: int32(binary.BigEndian.Uint32(raw[4:])), Raw: raw}
}

// Receive reads the answer to req and decodes it with kmsg into the kind of response that belongs to req.
func (c *Client) Receive(req kmsg.Request) (kmsg.Response, Response) {
	c.tb.Helper()
	r := c.Next()
	in := kbin.Reader{Src: r.Raw[8:]}
	if flexibleResponse(req.Key(), req.GetVersion()) {
		kmsg.SkipTags(&in)
	}
	r.Body = in.Src
	resp := req.ResponseKind()
	if err := resp.ReadFrom(r.Body); err != nil {
		c.tb.Fatalf("fakebroker: answer to key %d version %d: %v", req.Key(), req.GetVersion(), err)
	}
	return resp, r
}

// Do sends a request and receives its answer.
func (c *Client) Do(req kmsg.Request) kmsg.Response {
	c.tb.Helper()
	c.Send(req)
	resp, _ := c.Receive(req)
	return resp
}

// End waits for the other side to end the connection and returns how: io.EOF, or the error of an abort.
// It fails the test when bytes come instead.
func (c *Client) End() error {
	c.tb.Helper()
	var b [64]byte
	n, err := c.conn.Read(b[:])
	if n > 0 {
		c.tb.Fatalf("fakebroker: expected the end, got % x", b[:n])
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		c.tb.Fatalf("fakebroker: the connection did not end within %s", 2*Patience)
	}
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return err
}
