package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// target is what may stand between clients and brokers.
type target struct {
	name  string // in tables
	tls   bool   // towards clients
	start func(*bench, *running, string) error
}

// The names by which loads and goals speak of targets.
const (
	direct      = "direct"
	relayTCP    = "Go relay"
	haproxy     = "HAProxy"
	warderOff   = "warder, no rules"
	warderNulls = "warder, tombstone blocks"
	warderAlert = "warder, all alert"
	warderBlock = "warder, all block"
	haproxyTLS  = "HAProxy, TLS"
	warderTLS   = "warder, TLS"
)

var targets = []target{
	{name: direct, start: func(_ *bench, r *running, broker string) error { r.addr = broker; return nil }},
	{name: relayTCP, start: startRelay},
	{name: haproxy, start: startHAProxy},
	{name: warderOff, start: startWarder("  defaults: {action: \"off\"}")},
	{name: warderNulls, start: startWarder("  defaults: {action: \"off\"}\n  tombstone: {action: block}")},
	{name: warderAlert, start: startWarder("  defaults: {action: alert}")},
	{name: warderBlock, start: startWarder("  defaults: {action: block}")},
	{name: haproxyTLS, tls: true, start: startHAProxy},
	{name: warderTLS, tls: true, start: startWarder("  defaults: {action: \"off\"}")},
}

// running is a target at work.
type running struct {
	target
	addr  string
	admin string         // of warder
	trust *x509.CertPool // set where clients speak TLS
	cmd   *exec.Cmd
	done  chan struct{}
	log   string
}

func (r *running) pid() int { return r.cmd.Process.Pid }

// measured reports whether there is a process to measure.
func (r *running) measured() bool { return r.cmd != nil }

// startTarget starts t in front of a new address of the sink.
func (b *bench) startTarget(t target) (*running, error) {
	broker, err := b.sink.listen()
	if err != nil {
		return nil, err
	}
	return b.startBefore(t, broker)
}

func (b *bench) startBefore(t target, broker string) (*running, error) {
	r := &running{target: t}
	if t.tls {
		r.trust = b.certs.trust
	}
	if err := t.start(b, r, broker); err != nil {
		return nil, fmt.Errorf("%s: %w", t.name, err)
	}
	return r, nil
}

// command starts the process of a target, its output in a file, and waits until it accepts.
func (b *bench) command(r *running, name string, args ...string) error {
	b.started++
	r.log = b.file(fmt.Sprintf("%d.log", b.started))
	log, err := os.Create(r.log)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, dieWithUs()
	if err := cmd.Start(); err != nil {
		return err
	}
	r.cmd, r.done = cmd, make(chan struct{})
	go func() {
		cmd.Wait() //nolint:errcheck // how it ended is in its log
		close(r.done)
	}()
	return b.until(r, "accept connections", func() bool {
		conn, err := net.DialTimeout("tcp", r.addr, time.Second)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
}

// until waits for something to hold of a target.
func (b *bench) until(r *running, what string, holds func() bool) error {
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	for !holds() {
		select {
		case <-r.done:
			return b.withLog(r, errors.New("the process ended"))
		case <-ctx.Done():
			return b.withLog(r, fmt.Errorf("it did not %s in time", what))
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

func (b *bench) withLog(r *running, err error) error {
	text, _ := os.ReadFile(r.log)
	return fmt.Errorf("%w; the end of its log:\n%s", err, text[max(0, len(text)-2000):])
}

// stop ends the process of a target.
func (r *running) stop() {
	if r.cmd != nil {
		r.cmd.Process.Signal(syscall.SIGKILL) //nolint:errcheck // it may have ended
		<-r.done
	}
}

func (b *bench) file(name string) string { return filepath.Join(b.dir, name) }

// Ports are below those that the kernel hands out.
const firstPort, lastPort = 20000, 32000

// freePorts gives n ports in a row that nobody listens on, and gives none twice: a warder opens those of brokers as they appear.
func (b *bench) freePorts(n int) (int, error) {
	for first := max(b.nextPort, firstPort); first+n < lastPort; first += n {
		free := true
		for port := first; port < first+n && free; port++ {
			l, err := net.Listen("tcp", hostPort(port))
			if free = err == nil; free {
				l.Close()
			}
		}
		if free {
			b.nextPort = first + n
			return first, nil
		}
	}
	return 0, errors.New("no free ports")
}

func hostPort(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func startHAProxy(b *bench, r *running, broker string) error {
	port, err := b.freePorts(1)
	if err != nil {
		return err
	}
	r.addr = hostPort(port)
	return b.haproxyAt(r, broker)
}

// haproxyAt starts HAProxy on the address that r has.
func (b *bench) haproxyAt(r *running, broker string) error {
	bind := r.addr
	if r.tls {
		bind += " ssl crt " + b.certs.both
	}
	config := b.file(fmt.Sprintf("haproxy-%d.cfg", b.started))
	text := `global
    maxconn 9000
defaults
    mode tcp
    timeout connect 10s
    timeout client 1h
    timeout server 1h
listen bench
    bind ` + bind + `
    server sink ` + broker + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	return b.command(r, "haproxy", "-db", "-f", config)
}

// startWarder gives the start of a warder with these rules: the real binary with a configuration as operators write it.
func startWarder(rules string) func(*bench, *running, string) error {
	return func(b *bench, r *running, broker string) error {
		const brokerPorts = 8
		port, err := b.freePorts(brokerPorts + 2)
		if err != nil {
			return err
		}
		r.addr, r.admin = hostPort(port), hostPort(port+brokerPorts+1)
		var y strings.Builder
		fmt.Fprintf(&y, "upstream:\n  name: bench\n  bootstrap: [%s]\n", broker)
		fmt.Fprintf(&y, "listeners:\n  - address: %s\n    ports: %d-%d\n    limits: {connections_per_ip: 100000}\n", r.addr, port+1, port+brokerPorts)
		if r.tls {
			fmt.Fprintf(&y, "    tls: {cert: %s, key: %s}\n", b.certs.cert, b.certs.key)
		}
		fmt.Fprintf(&y, "admin: {address: %s}\nprofiling: {pprof: true}\nrules:\n%s\n", r.admin, rules)
		config := b.file(fmt.Sprintf("warder-%d.yaml", port))
		if err := os.WriteFile(config, []byte(y.String()), 0o600); err != nil {
			return err
		}
		return b.command(r, b.warder, "run", "--config", config)
	}
}
