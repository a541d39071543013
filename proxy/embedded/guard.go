package embedded

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// guard ends connections whose next request would harm kfake: a key that kmsg does not know makes it call a nil
// request and panic, in our process; a length of up to 4 GiB is allocated as claimed.
type guard struct {
	tls     *tls.Config // nil for plaintext; constant
	refused atomic.Int64
}

// maxFrame is socket.request.max.bytes of a broker by default, 100 MiB.
const maxFrame = 100 << 20

// errRefused is what a guarded connection reads instead of the request that kfake must not see.
var errRefused = errors.New("embedded: request refused before it reached the broker")

func (g *guard) listen(network, address string) (net.Listener, error) {
	if err := loopback(address); err != nil {
		return nil, err
	}
	ln, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	if g.tls != nil {
		ln = tls.NewListener(ln, g.tls)
	}
	return &guardedListener{Listener: ln, guard: g}, nil
}

type guardedListener struct {
	net.Listener
	guard *guard
}

func (l *guardedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &guardedConn{Conn: c, guard: l.guard}, nil
}

// guardedConn follows the frames in the bytes that pass through Read. It reads nothing ahead.
// Its state belongs to the one goroutine at a time that reads the connection.
type guardedConn struct {
	net.Conn
	guard *guard

	head    [6]byte // length and API key of the frame under way
	have    int     // bytes of head seen
	rest    int64   // bytes of the frame still to come once head is complete
	refused bool
}

// Read delivers whole what comes before a refused request, then errRefused.
func (c *guardedConn) Read(p []byte) (int, error) {
	if c.refused {
		return 0, errRefused
	}
	n, err := c.Conn.Read(p)
	good := c.follow(p[:n])
	if good < n {
		c.refused = true
		c.guard.refused.Add(1)
		_ = c.Conn.Close()
		if good == 0 {
			return 0, errRefused
		}
		return good, nil
	}
	return n, err
}

// follow returns how many of these bytes kfake may see: all, or those before the frame to refuse.
func (c *guardedConn) follow(p []byte) int {
	for i := 0; i < len(p); {
		if c.have == len(c.head) {
			skip := min(c.rest, int64(len(p)-i))
			c.rest -= skip
			i += int(skip)
			if c.rest == 0 {
				c.have = 0
			}
			continue
		}
		start := i // the frame's first byte in p; 0 when it came with an earlier read
		took := copy(c.head[c.have:], p[i:])
		c.have += took
		i += took
		if !c.admit() {
			return start
		}
	}
	return len(p)
}

// admit judges the frame by what is there of its head: the length as soon as it is known, since kfake allocates
// on it before it reads on, then the key.
func (c *guardedConn) admit() bool {
	if c.have < 4 {
		return true
	}
	// The shortest request header has 10 bytes: key, version, correlation id, client id length.
	size := int64(binary.BigEndian.Uint32(c.head[:]))
	if size < 10 || size > maxFrame {
		return false
	}
	c.rest = size - 2
	return c.have < len(c.head) || kmsg.RequestForKey(int16(binary.BigEndian.Uint16(c.head[4:]))) != nil
}
