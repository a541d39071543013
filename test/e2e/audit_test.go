package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/test/e2e/kafka"
)

// What clients say to a warder is captured, and looked at twice: in the file, and by a warder that only listens.
func TestAudit(t *testing.T) {
	names := clientNames()
	if !slices.Contains(names, "java") {
		names = append(names, "java")
	}
	playRule(t, rulePlay{rule: "audit", clients: names, through: "audited", run: auditedTraffic})
}

// audited are scenarios that are played while somebody captures, by Java. What they are about is told by what passes alone, and does not hinge on the second
// at which a rule looks at it: an audit ticks at others than the warder did.
var audited = []struct {
	name string
	run  func(*side)
}{
	{"keys", func(s *side) { keysThatMove([]*side{s}) }},
	{"partitions", func(s *side) { morePartitions([]*side{s}) }},
	{"aborted", func(s *side) { abortedSpike([]*side{s}) }},
}

// background is a program that captures until it is told to end.
type background struct {
	s              *side
	cmd            *exec.Cmd
	stdout, stderr *lockedBuffer
}

// begin starts a program and waits until it says that it captures.
func (s *side) begin(says, program string, args ...string) *background {
	b := &background{s, exec.CommandContext(s.ctx, program, args...), &lockedBuffer{}, &lockedBuffer{}}
	b.cmd.Stdout, b.cmd.Stderr = b.stdout, b.stderr
	if err := b.cmd.Start(); err != nil {
		s.fail("%w", err)
	}
	s.until(program+" to begin", 20*time.Second, func() error {
		if text := b.stderr.String(); !strings.Contains(text, says) {
			return fmt.Errorf("it says %q", text)
		}
		return nil
	})
	return b
}

// end ends it as Ctrl-C does, and gives what it wrote.
func (b *background) end() string {
	if err := b.cmd.Process.Signal(syscall.SIGINT); err != nil {
		b.s.fail("%w", err)
	}
	if err := b.cmd.Wait(); err != nil {
		b.s.fail("%v: %w\n%s", b.cmd.Args, err, b.stderr.String())
	}
	return b.stdout.String()
}

func auditedTraffic(sides []*side) {
	s := sides[0]
	for _, program := range []string{"dumpcap", "tshark"} {
		if err := kafka.Need(program, "tshark, and run as root or with CAP_NET_RAW (Debian: apt-get install tshark)"); err != nil {
			s.fail("%w", err)
		}
	}
	proxy := warderNamed("audited")
	_, text, _ := strings.Cut(proxy.addr["plain"], ":")
	first, err := strconv.Atoi(text)
	if err != nil {
		s.fail("%w", err)
	}
	var ports []string
	for i := range brokerPorts {
		ports = append(ports, strconv.Itoa(first+i))
	}
	config, file := filepath.Join(w.run, "warder-audited.yaml"), filepath.Join(w.run, "audited.pcapng")
	dumpcap := s.begin("File: ", "dumpcap", "-i", "lo", "-B", "64", "-f", fmt.Sprintf("tcp portrange %d-%d", first, first+brokerPorts-1), "-w", file)
	live := s.begin("looking at what passes lo", w.warderBin, "audit", "-i", "lo", "--port", strings.Join(ports, ","), "--config", config, "-o", "json")

	var parts []func()
	for _, one := range sides {
		parts = append(parts, one.mistakes)
		for _, play := range audited {
			if one.client == "java" {
				part := *one
				part.scenario += "-" + play.name // a topic of its own
				parts = append(parts, func() { play.run(&part) })
			}
		}
	}
	together(parts...)
	before := s.found()
	s.goesOn()
	listened := s.audit(live.end())
	dumpcap.end()
	if text := dumpcap.stderr.String(); !strings.Contains(text, "dropped on interface") || !strings.Contains(text, "/0 ") {
		s.fail("dumpcap dropped packets:\n%s", text)
	}
	after := s.found()

	out, err := exec.CommandContext(s.ctx, w.warderBin, "audit", "-r", file, "--config", config, "-o", "json").Output()
	if err != nil {
		s.fail("%w", err)
	}
	read := s.audit(string(out))
	for name, audit := range map[string]auditOutput{"the file": read, "the interface": listened} {
		s.sameFindings(name, before, after, audit)
		if n := audit.summary.Capture.NotFollowed; len(n) != 0 {
			s.fail("%s: not followed: %v", name, n)
		}
	}
	counted := s.tshark(file, first)
	if !maps.Equal(counted, read.requests()) || !maps.Equal(counted, listened.requests()) || counted["produce"] == 0 {
		s.fail("requests\nby tshark        %v\nof the file      %v\nof the interface %v", counted, read.requests(), listened.requests())
	}
	s.note("%d requests of %d APIs are counted by tshark and by warder; %d findings are the same", read.summary.Capture.Requests, len(counted), len(read.findings))
}

// mistakes are what is found without asking anybody, and a group that reads.
func (s *side) mistakes() {
	users := s.compacted("users", 3)
	s.put(users, alive("u-"), gen{Count: 5, Prefix: "u-", Value: "empty-object"})
	p := s.producer(M{"idempotent": false})
	s.send(p, users, "sync", []record{{key: []byte("u-k1"), value: []byte("v")}, {key: []byte("u-k2"), value: nil}})
	s.closeProducer(p)
	m := s.member(s.topic("g"), users, "classic")
	s.received(47, m)
	m.commit()
	m.close()
	s.await("tombstone", users, "critical")
	s.await("empty-value", users, "warning")
}

// goesOn writes for longer than it takes a rule that looks each second to look once more.
func (s *side) goesOn() {
	topic := s.create(s.topic("on"), 1, 1, nil)
	p := s.producer(nil)
	s.generate(p, topic, gen{Count: 30, Size: 50, Partitions: 1}, M{"rate": 12})
	s.closeProducer(p)
}

// found is all that the warder has found, by what identifies it.
func (s *side) found() map[string]string {
	list, err := findingsOf(s.ctx, warderNamed("audited"), url.Values{"limit": {"1000"}})
	if err != nil {
		s.fail("%w", err)
	}
	all := map[string]string{}
	for _, f := range list {
		all[f.Fingerprint] = f.identity()
	}
	return all
}

func (f finding) identity() string {
	return strings.Join([]string{f.Rule, f.Severity, f.Action, strconv.FormatBool(f.WouldBlock), f.Subject.Topic, f.Subject.Group, f.Subject.ClientID, f.Subject.Software}, " ")
}

// auditOutput is what `warder audit -o json` says.
type auditOutput struct {
	findings map[string]string
	summary  struct {
		Requests map[string]int
		Capture  struct {
			Requests    int
			NotFollowed M `json:"not_followed"`
		}
	}
}

// requests are the numbers of requests, by the name of the API in lower case.
func (a *auditOutput) requests() map[string]int {
	all := map[string]int{}
	for name, n := range a.summary.Requests {
		all[strings.ToLower(name)] = n
	}
	return all
}

func (s *side) audit(out string) auditOutput {
	a := auditOutput{findings: map[string]string{}}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, line := range lines[:len(lines)-1] {
		var f finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			s.fail("%q: %w", line, err)
		}
		if err := f.check(); err != nil {
			s.fail("%w", err)
		}
		a.findings[f.Fingerprint] = f.identity()
	}
	last := struct{ Summary any }{&a.summary}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		s.fail("%q: %w", lines[len(lines)-1], err)
	}
	return a
}

// sameFindings wants all that was found live before the capture ended, and nothing that was not found live at all.
func (s *side) sameFindings(name string, before, after map[string]string, audit auditOutput) {
	for id, what := range before {
		if audit.findings[id] != what {
			s.fail("%s: live found %s, the audit %q", name, what, audit.findings[id])
		}
	}
	for id, what := range audit.findings {
		if after[id] != what {
			s.fail("%s: the audit found %s, live %q", name, what, after[id])
		}
	}
}

// tshark counts the requests in a file by API. It writes the keys of all that a packet holds, with commas.
func (s *side) tshark(file string, first int) map[string]int {
	last := first + brokerPorts - 1
	cmd := exec.CommandContext(s.ctx, "tshark", "-r", file, "-d", fmt.Sprintf("tcp.port==%d-%d,kafka", first, last), "-o", "tcp.reassemble_out_of_order:TRUE",
		"-Y", fmt.Sprintf("kafka && tcp.dstport >= %d && tcp.dstport <= %d", first, last), "-T", "fields", "-e", "kafka.api_key")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.fail("tshark: %w\n%s", err, stderr.String())
	}
	counts := map[string]int{}
	for _, key := range slices.DeleteFunc(strings.FieldsFunc(string(out), func(r rune) bool { return r == ',' || r == '\n' }), func(k string) bool { return k == "" }) {
		n, err := strconv.Atoi(key)
		if err != nil {
			s.fail("tshark says %q", key)
		}
		counts[strings.ToLower(kmsg.NameForKey(int16(n)))]++
	}
	return counts
}

// lockedBuffer may be read while a program writes to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
