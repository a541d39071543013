package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

const (
	// dialStagger is the head start of one bootstrap broker before the next is
	// tried beside it (RFC 8305 calls it the connection attempt delay).
	dialStagger = 250 * time.Millisecond
	// maxParallelDials bounds how many bootstrap brokers are tried at once.
	maxParallelDials = 4
)

// dialer opens connections to brokers. Names are resolved anew for every dial.
type dialer struct {
	seeds    func() []string // bootstrap addresses of the configuration
	timeout  func() time.Duration
	tls      func() *tls.Config // nil: plaintext
	topology *topology
	next     atomic.Uint32 // where the next bootstrap dial begins, so that load spreads
}

// bootstrap connects to any live broker: the configured ones, then those the
// cluster named since. Several are tried in parallel, the first to answer wins.
func (d *dialer) bootstrap(ctx context.Context) (net.Conn, string, error) {
	candidates := d.candidates()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		conn    net.Conn
		address string
		err     error
	}
	results := make(chan result)
	var started, running int
	start := func() {
		address := candidates[started]
		started++
		running++
		go func() {
			conn, err := d.dial(ctx, address)
			select {
			case results <- result{conn, address, err}:
			case <-ctx.Done():
				if conn != nil {
					conn.Close()
				}
			}
		}()
	}
	start()
	stagger := time.NewTicker(dialStagger)
	defer stagger.Stop()
	var errs []error
	for {
		select {
		case r := <-results:
			running--
			if r.err == nil {
				return r.conn, r.address, nil
			}
			errs = append(errs, r.err)
			if started < len(candidates) {
				start()
			} else if running == 0 {
				return nil, "", closing(dialReason(errs), fmt.Errorf("no bootstrap broker answers: %w", errors.Join(errs...)))
			}
		case <-stagger.C:
			if started < len(candidates) && running < maxParallelDials {
				start()
			}
		case <-ctx.Done():
			return nil, "", closing(ReasonClientGone, context.Cause(ctx))
		}
	}
}

// candidates lists where a bootstrap connection may go: the configured brokers,
// starting at another one each time, then the others that are known.
func (d *dialer) candidates() []string {
	seeds := d.seeds()
	first := int(d.next.Add(1)-1) % len(seeds)
	list := make([]string, 0, len(seeds))
	seen := make(map[string]bool)
	for i := range seeds {
		list = append(list, seeds[(first+i)%len(seeds)])
		seen[seeds[i]] = true
	}
	for _, b := range d.topology.all() {
		if !seen[b.Address] {
			list = append(list, b.Address)
		}
	}
	return list
}

// node connects to exactly the broker with this id: clients that say which node
// they expect (ApiVersions v5) are told when it is another.
func (d *dialer) node(ctx context.Context, id int32) (net.Conn, string, error) {
	address, ok := d.topology.address(id)
	if !ok {
		return nil, "", closingf(ReasonBrokerUnreachable, "the address of broker %d is not known", id)
	}
	conn, err := d.dial(ctx, address)
	if err != nil {
		return nil, "", closing(dialReason([]error{err}), fmt.Errorf("broker %d does not answer: %w", id, err))
	}
	return conn, address, nil
}

// dial opens one connection, with its TLS handshake, within the dial timeout.
func (d *dialer) dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout())
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn = asSocket(conn)
	config := d.tls()
	if config == nil {
		return conn, nil
	}
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, &brokerTLSError{address: address, err: err}
	}
	return secure, nil
}

// brokerTLSError is a failed TLS handshake with a broker.
type brokerTLSError struct {
	address string
	err     error
}

func (e *brokerTLSError) Error() string {
	var notTLS tls.RecordHeaderError
	if errors.As(e.err, &notTLS) || errors.Is(e.err, io.EOF) {
		return fmt.Sprintf("broker %s does not speak TLS on this port (%v): remove upstream.tls or use its TLS port", e.address, e.err)
	}
	return fmt.Sprintf("TLS with broker %s: %v", e.address, e.err)
}

func (e *brokerTLSError) Unwrap() error { return e.err }

// dialReason tells a TLS problem, which someone must mend, from a broker that is away.
func dialReason(errs []error) CloseReason {
	for _, err := range errs {
		if _, ok := errors.AsType[*brokerTLSError](err); !ok {
			return ReasonBrokerUnreachable
		}
	}
	return ReasonBrokerTLS
}
