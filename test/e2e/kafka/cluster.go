package kafka

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Listener is a kind of broker listener; every broker has one of each.
type Listener int

// The listeners, in the order of their ports.
const (
	Plaintext Listener = iota
	TLS                // server authentication only
	MTLS               // client certificate required
	SASL               // SASL_PLAINTEXT: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
	SASLTLS            // SASL_SSL, the same mechanisms
	Link               // plaintext, advertised where nobody listens unless a test forwards from there
	controller
	listeners
)

var listenerNames = [listeners]string{"PLAINTEXT", "TLS", "MTLS", "SASL", "SASLTLS", "LINK", "CONTROLLER"}

// Encrypts says whether what passes the listener is TLS.
func (l Listener) Encrypts() bool { return l == TLS || l == MTLS || l == SASLTLS }

// The user that the SASL listeners know, under every mechanism.
const (
	User     = "alice"
	Password = "alice-secret"
)

// Cluster is a set of brokers (each also a controller) of one version. A broker that is alone creates topics that clients ask for, as brokers do
// unless told otherwise; several do not.
type Cluster struct {
	Brokers []*Broker // node ids 1 to len
	Certs   Certs
	jars    string
	dir     string
}

// Start formats and starts n brokers with their jars in jars and everything they write in dir, and waits until all of them take part.
func Start(ctx context.Context, jars, dir string, n int, certs Certs) (*Cluster, error) {
	if err := Need("java", "a JDK, 17 or newer (Debian: apt-get install openjdk-17-jdk-headless)"); err != nil {
		return nil, err
	}
	c := &Cluster{Certs: certs, jars: jars, dir: dir}
	for id := 1; id <= n; id++ {
		first, err := Ports(int(listeners) + linkPorts)
		if err != nil {
			return nil, err
		}
		c.Brokers = append(c.Brokers, &Broker{ID: id, first: first, cluster: c, dir: filepath.Join(dir, fmt.Sprint("broker", id))})
	}
	formatted := make(chan error, n)
	for _, b := range c.Brokers {
		go func() { formatted <- b.format() }()
	}
	for range c.Brokers {
		if err := <-formatted; err != nil {
			return nil, err
		}
	}
	for _, b := range c.Brokers {
		if err := b.Start(); err != nil {
			c.Stop()
			return nil, err
		}
	}
	for _, b := range c.Brokers {
		if err := b.WaitReady(ctx); err != nil {
			c.Stop()
			return nil, err
		}
	}
	return c, nil
}

// Stop ends every broker at once and removes what they wrote.
func (c *Cluster) Stop() {
	for _, b := range c.Brokers {
		b.Kill()
	}
	if os.Getenv("E2E_KEEP") == "" {
		_ = os.RemoveAll(c.dir)
	}
}

// Bootstrap is the list of addresses of one listener, all brokers.
func (c *Cluster) Bootstrap(l Listener) string {
	var all []string
	for _, b := range c.Brokers {
		all = append(all, b.Addr(l))
	}
	return strings.Join(all, ",")
}

// Ports returns every port that belongs to a broker, controllers included, and those where Link is advertised.
func (c *Cluster) Ports() []int {
	var all []int
	for _, b := range c.Brokers {
		for n := range int(listeners) + linkPorts {
			all = append(all, b.first+n)
		}
	}
	return all
}

func (c *Cluster) voters() string {
	var all []string
	for _, b := range c.Brokers {
		all = append(all, fmt.Sprintf("%d@%s", b.ID, b.Addr(controller)))
	}
	return strings.Join(all, ",")
}

// poll asks ok every 50 ms until it holds or ctx ends.
func poll(ctx context.Context, what string, ok func() error) error {
	var last error
	for {
		if last = ok(); last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w (last: %w)", what, ctx.Err(), last)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
