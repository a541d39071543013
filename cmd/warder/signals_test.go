package main

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/proxy/embedded"
)

// waitFor waits until something holds; the test's deadline is the limit.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("waiting for %s: %v", what, t.Context().Err())
		}
	}
}

// process is a warder of its own.
type process struct {
	*exec.Cmd
	log    *bufio.Scanner
	before []string // lines read
}

// launch starts `warder run` in front of a cluster; more is YAML beside the addresses.
func launch(t *testing.T, cluster *embedded.Cluster, more ...string) (p *process, bootstrap string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "warder.yaml")
	text := "upstream: {bootstrap: [" + cluster.Bootstrap() + "]}\nlisteners: [{address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\nlog: {format: json}\n" + strings.Join(more, "")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "run", "--config", file)
	cmd.Env = append(os.Environ(), "BE_WARDER=1")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p = &process{Cmd: cmd, log: bufio.NewScanner(stderr)}
	t.Cleanup(func() {
		if p.ProcessState == nil { // the test has given up
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	})
	var line struct{ Address string }
	if err := json.Unmarshal([]byte(p.says(t, `"listening"`)), &line); err != nil {
		t.Fatal(err)
	}
	return p, line.Address
}

// says waits for a line of the log.
func (p *process) says(t *testing.T, words string) string {
	t.Helper()
	for p.log.Scan() {
		p.before = append(p.before, p.log.Text())
		if strings.Contains(p.log.Text(), words) {
			return p.log.Text()
		}
	}
	t.Fatalf("never said %q:\n%s", words, strings.Join(p.before, "\n"))
	return ""
}

func startCluster(t *testing.T) *embedded.Cluster {
	t.Helper()
	cluster, err := embedded.Start(t.Context(), embedded.Options{Topics: users})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func TestHangupReloadsAndTermDrains(t *testing.T) {
	p, _ := launch(t, startCluster(t))
	p.signal(t, syscall.SIGHUP)
	p.says(t, "configuration reloaded")
	p.signal(t, syscall.SIGTERM)
	p.says(t, "draining")
	p.says(t, `"ended"`)
	if err := p.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// An answer that does not come holds up the drain; the second signal does not
// wait for it.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	cluster := startCluster(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	cluster.ControlKey(int16(kmsg.ListGroups), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(arrived)
		cluster.SleepControl(func() { <-release })
		return nil, nil, false
	})
	defer close(release)
	p, bootstrap := launch(t, cluster)
	conn, err := net.Dial("tcp", bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	listGroups := []byte{0, 0, 0, 10, 0, 16, 0, 0, 0, 0, 0, 1, 0xff, 0xff} // version 0, correlation id 1, no client id
	if _, err := conn.Write(listGroups); err != nil {
		t.Fatal(err)
	}
	<-arrived
	p.signal(t, syscall.SIGTERM)
	p.says(t, "draining")
	p.signal(t, syscall.SIGTERM)
	p.says(t, "second signal: ending at once")
	if err := p.Wait(); p.ProcessState.ExitCode() != exitFailed {
		t.Errorf("ended with %v", err)
	}
}
