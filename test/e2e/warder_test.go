package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"warder/test/e2e/kafka"
)

// proxy is one running warder. Each client listener has an address and broker ports right behind it.
type proxy struct {
	name     string
	args     []string
	addr     map[string]string // listener name -> bootstrap address
	ports    []int             // where clients are served
	upstream kafka.Listener
	admin    string // address of the admin interface

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
}

var warders struct {
	sync.Mutex
	all map[string]*proxy
}

// buildWarder builds the checkout's warder; the end-to-end tests never run an older binary.
func buildWarder(ctx context.Context, cache string) (string, error) {
	bin := filepath.Join(cache, "bin", "warder")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, "./cmd/warder")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building warder: %w\n%s", err, out)
	}
	return bin, nil
}

// listenerSpec is one client listener of a proxy under test.
type listenerSpec struct {
	name string
	tls  string // "", "tls" or "mtls"
}

// proxySpec says how a warder is configured.
type proxySpec struct {
	cluster   *kafka.Cluster
	upstream  kafka.Listener
	listeners []listenerSpec
	rules     string // YAML below `rules:`, indented by two
	lookup    string // YAML of `upstream.lookup`, in one line
	audit     string // YAML of `audit`, in one line
}

const brokerPorts = 6

// startWarder gives the running warder of that name, started from spec when first asked for.
func startWarder(ctx context.Context, name string, spec proxySpec) (*proxy, error) {
	warders.Lock()
	defer warders.Unlock()
	if p := warders.all[name]; p != nil {
		return p, nil
	}
	p := &proxy{name: name, addr: map[string]string{}, upstream: spec.upstream}
	file, err := p.configure(spec)
	if err != nil {
		return nil, err
	}
	p.args = []string{"run", "--config", file}
	return p, p.begin(ctx)
}

// startBareWarder starts warder with nothing but flags: the way the README begins.
func startBareWarder(ctx context.Context, name string, cluster *kafka.Cluster) (*proxy, error) {
	warders.Lock()
	defer warders.Unlock()
	if p := warders.all[name]; p != nil {
		return p, nil
	}
	const pool = 100 // ports behind the address that warder keeps for brokers when told nothing else
	first, err := kafka.Ports(pool + 2)
	if err != nil {
		return nil, err
	}
	addr, admin := hostPort(first), hostPort(first+pool+1)
	p := &proxy{name: name, addr: map[string]string{"plain": addr}, admin: admin}
	p.serves(first, pool+1)
	p.args = []string{"run", "--upstream", cluster.Bootstrap(kafka.Plaintext), "--listen", addr, "--admin", admin}
	return p, p.begin(ctx)
}

func hostPort(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// serves notes n ports where clients are served.
func (p *proxy) serves(first, n int) {
	for port := first; port < first+n; port++ {
		p.ports = append(p.ports, port)
	}
}

func (p *proxy) log() string { return filepath.Join(w.run, "warder-"+p.name+".log") }

func (p *proxy) begin(ctx context.Context) error {
	w.compare.Follow(p.name, p.log(), p.ports, p.upstream.Encrypts())
	if err := p.start(ctx); err != nil {
		return err
	}
	if warders.all == nil {
		warders.all = map[string]*proxy{}
	}
	warders.all[p.name] = p
	return nil
}

// configure writes the configuration file of spec.
func (p *proxy) configure(spec proxySpec) (string, error) {
	var y strings.Builder
	fmt.Fprintf(&y, "upstream:\n  name: e2e\n  bootstrap: [%s]\n", strings.ReplaceAll(spec.cluster.Bootstrap(spec.upstream), ",", ", "))
	switch spec.upstream {
	case kafka.TLS, kafka.SASLTLS:
		fmt.Fprintf(&y, "  tls: {ca: %s}\n", w.certs.CA)
	case kafka.MTLS:
		fmt.Fprintf(&y, "  tls: {ca: %s, cert: %s, key: %s}\n", w.certs.CA, w.certs.ClientCert, w.certs.ClientKey)
	default: // plaintext and SASL without TLS need nothing said
	}
	if spec.lookup != "" {
		fmt.Fprintf(&y, "  lookup: %s\n", spec.lookup)
	}
	y.WriteString("listeners:\n")
	for _, l := range spec.listeners {
		first, err := kafka.Ports(brokerPorts)
		if err != nil {
			return "", err
		}
		p.addr[l.name] = hostPort(first)
		p.serves(first, brokerPorts)
		fmt.Fprintf(&y, "  - name: %s\n    address: %s\n    ports: %d-%d\n", l.name, hostPort(first), first+1, first+brokerPorts-1)
		switch l.tls {
		case "tls":
			fmt.Fprintf(&y, "    tls: {cert: %s, key: %s}\n", w.certs.ServerCert, w.certs.ServerKey)
		case "mtls":
			fmt.Fprintf(&y, "    tls: {cert: %s, key: %s, client_ca: %s, client_auth: require}\n", w.certs.ServerCert, w.certs.ServerKey, w.certs.CA)
		}
	}
	admin, err := kafka.Ports(1)
	if err != nil {
		return "", err
	}
	p.admin = hostPort(admin)
	fmt.Fprintf(&y, "admin: {address: %s}\n", p.admin)
	if spec.audit != "" {
		fmt.Fprintf(&y, "audit: %s\n", spec.audit)
	}
	if spec.rules != "" {
		fmt.Fprintf(&y, "rules:\n%s\n", spec.rules)
	}
	file := filepath.Join(w.run, "warder-"+p.name+".yaml")
	return file, os.WriteFile(file, []byte(y.String()), 0o600)
}

// start runs the process and waits until its listeners accept.
func (p *proxy) start(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	log, err := os.OpenFile(p.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(w.warderBin, p.args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = w.run
	cmd.Env = append(os.Environ(), "WARDER_LOG_LEVEL=debug", "WARDER_LOG_FORMAT=json") // read by package compare
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	for _, addr := range p.addr {
		if err := accepts(ctx, addr, done); err != nil {
			return fmt.Errorf("warder %s, log %s: %w", p.name, log.Name(), err)
		}
	}
	return nil
}

func accepts(ctx context.Context, addr string, done <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-done:
			return fmt.Errorf("the process ended before %s accepted", addr)
		case <-ctx.Done():
			return fmt.Errorf("%s does not accept: %w", addr, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// kill ends the process with SIGKILL and waits for it.
func (p *proxy) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.cmd.Process.Kill()
	<-p.done
}

// terminate asks the process to end, as whoever stops a service does, and wants it to end well, sooner than at its drain deadline of 25 s.
func (p *proxy) terminate() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		return fmt.Errorf("warder %s has not ended 20 s after SIGTERM", p.name)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("warder %s ended with %d", p.name, code)
	}
	return nil
}

// tells asks for a page of the admin interface.
func (p *proxy) tells(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s\n%s", path, answer.Status, text)
	}
	return text, err
}

// shows reads a page of the admin interface into v.
func (p *proxy) shows(ctx context.Context, path string, v any) error {
	text, err := p.tells(ctx, path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// warderNamed gives a warder that was started, or nil.
func warderNamed(name string) *proxy {
	warders.Lock()
	defer warders.Unlock()
	return warders.all[name]
}

// stopWarders ends them all and names those that had already ended: nothing but a test may end a warder.
func stopWarders() (ended []string) {
	warders.Lock()
	defer warders.Unlock()
	for _, p := range warders.all {
		select {
		case <-p.done:
			ended = append(ended, p.name)
		default:
			p.kill()
		}
	}
	return ended
}
