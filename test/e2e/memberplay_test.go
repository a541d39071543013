package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// memberRules is what the warder of these scenarios is told about the rules that follow the members of groups.
var memberRules = []ruleConfig{
	{"heartbeat-gap", "{warn_after: 0.4, calm_for: 1s}"},
	{"poll-gap", "{stuck_after: 24s, calm_for: 3s}"},
	{"rebalance-storm", "{window: 2m, limit: 8, burst: 1m, burst_limit: 4, stopped_percent: 25, planned_pause: 8s, settle: 5s, calm_for: 1m}"},
}

// rulesOfMembers are those that a group in good order hears nothing of.
var rulesOfMembers = []string{"heartbeat-gap", "poll-gap", "rebalance-storm"}

// playMembers runs a scenario of one of these rules.
func playMembers(t *testing.T, rule, name string, clients []string, run func(sides []*side)) {
	t.Helper()
	playRule(t, rulePlay{rule: rule, name: name, clients: clients, through: "members", run: run})
}

// crowd is a group that is watched, and the topic that it reads.
type crowd struct {
	*side
	group, topic string
	heard        *heard
	from         int // what was said before is dealt with
}

// crowd makes the topic of a group.
func (s *side) crowd(name string, partitions int) *crowd {
	h, err := listen(warderNamed(s.through))
	if err != nil {
		s.fail("%w", err)
	}
	return &crowd{side: s, group: s.topic("g-" + name), topic: s.create(s.topic(name), partitions, 1, nil), heard: h}
}

// join opens a member by a client id of its own, in a driver process of the same client.
func (c *crowd) join(in *side, clientID string, options M) *member {
	conn := maps.Clone(c.conn)
	conn["client_id"] = clientID
	args := M{"conn": conn, "group": c.group, "topics": []string{c.topic}}
	maps.Copy(args, options)
	if args["protocol"] == "consumer" { // which has these from the brokers
		delete(args, "session_timeout_ms")
		delete(args, "heartbeat_interval_ms")
	}
	var r struct{ Handle string }
	in.must("consumer_open", args, &r)
	return &member{s: in, handle: r.Handle}
}

// slow has the member take so long over each record from now on.
func (m *member) slow(each time.Duration) {
	m.s.must("consumer_slow", M{"handle": m.handle, "slow_ms": each.Milliseconds()}, nil)
}

// flow has records come to the topic, so many a second, until it is stopped.
func (c *crowd) flow(partitions, rate int) (stop func()) {
	p := c.producer(nil)
	over, done := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := ends(func() {
			for {
				select {
				case <-over:
					return
				default:
					c.generate(p, c.topic, gen{Count: rate, Size: 40, Partitions: partitions}, M{"rate": rate})
				}
			}
		})
		done <- err
	}()
	return func() {
		close(over)
		if err := <-done; err != nil {
			c.note("no records came any more: %v", err)
		}
		_ = c.ask("producer_close", M{"handle": p}, nil)
	}
}

// signal stops the process, or lets it go on.
func (s *side) signal(sig syscall.Signal) time.Time {
	if err := s.d.Signal(sig); err != nil {
		s.fail("%v: %w", sig, err)
	}
	return time.Now()
}

// says waits for what a rule says about the group.
func (c *crowd) says(rule, what string, ok func(finding) bool) finding {
	var found finding
	c.until(rule+" to say: "+what, 45*time.Second, func() error {
		said, err := c.heard.about(rule, c.group, c.from)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(said, ok)
		if i < 0 {
			return fmt.Errorf("it said %s; the group:\n%s", listed(said), c.explained())
		}
		found = said[i]
		return nil
	})
	return found
}

// saysOf waits for a kind of finding about the member with a client id.
func (c *crowd) saysOf(rule, clientID, kind string) finding {
	return c.says(rule, kind+" of "+clientID, func(f finding) bool { return f.Subject.ClientID == clientID && f.Evidence["kind"] == kind })
}

// fresh leaves what was said so far behind.
func (c *crowd) fresh() { c.from = c.heard.len() }

// atPeace wants nothing to have been said of the group, see noFinding.
func (c *crowd) atPeace(rules ...string) {
	for _, rule := range rules {
		if said, err := c.heard.about(rule, c.group, 0); err != nil || len(said) > 0 {
			c.fail("%s was to be silent about %s: %s %w", rule, c.group, listed(said), err)
		}
	}
}

// only wants nothing to have been said of other members than this one.
func (c *crowd) only(clientID string, rules ...string) {
	for _, rule := range rules {
		said, err := c.heard.about(rule, c.group, 0)
		said = slices.DeleteFunc(said, func(f finding) bool { return f.Subject.ClientID == clientID })
		if err != nil || len(said) > 0 {
			c.fail("%s was to speak of %s alone: %s %w", rule, clientID, listed(said), err)
		}
	}
}

// rebalanced is a rebalance as the admin interface shows it.
type rebalanced struct {
	Generation int
	Cause      string
	Who        struct {
		ClientID string `json:"client_id"`
	}
	Reason       string
	Joined, Left int
	Duration     *int64 `json:"duration_ms"`
}

// rebalances are those that warder remembers of the group.
func (c *crowd) rebalances() []rebalanced {
	p := warderNamed(c.through)
	request, err := http.NewRequestWithContext(c.ctx, http.MethodGet, "http://"+p.admin+"/api/v1/groups/"+url.PathEscape(c.group), nil)
	if err != nil {
		c.fail("%w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		c.fail("%w", err)
	}
	defer answer.Body.Close()
	var view struct{ Rebalances []rebalanced }
	if err := json.NewDecoder(answer.Body).Decode(&view); err != nil {
		c.fail("group %s: %s: %w", c.group, answer.Status, err)
	}
	return view.Rebalances
}

// explained is what `warder explain group` prints.
func (c *crowd) explained() string {
	out, err := exec.CommandContext(c.ctx, w.warderBin, "explain", "group", c.group, "--all", "--admin", warderNamed(c.through).admin).CombinedOutput()
	if err != nil {
		c.fail("explain group %s: %w\n%s", c.group, err, out)
	}
	return string(out)
}

// tells wants `warder explain group` to say all of this.
func (c *crowd) tells(parts ...string) {
	story := c.explained()
	for _, part := range parts {
		if !strings.Contains(story, part) {
			c.fail("no %q in\n%s", part, story)
		}
	}
}

// heard is all that a warder has said about groups, in the order in which it was said.
type heard struct {
	mu  sync.Mutex
	all []finding
	err error
}

var listening struct {
	sync.Mutex
	to map[string]*heard
}

// listen follows what the warder says, from the first time on that it is asked.
func listen(p *proxy) (*heard, error) {
	listening.Lock()
	defer listening.Unlock()
	if h := listening.to[p.name]; h != nil {
		return h, nil
	}
	answer, err := http.Get("http://" + p.admin + "/api/v1/findings/stream")
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("stream of findings: %s", answer.Status)
	}
	h := &heard{}
	go h.read(answer)
	if listening.to == nil {
		listening.to = map[string]*heard{}
	}
	listening.to[p.name] = h
	return h, nil
}

func (h *heard) read(answer *http.Response) {
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, isData := strings.CutPrefix(lines.Text(), "data: ")
		if !isData {
			continue
		}
		var f finding
		strict := json.NewDecoder(strings.NewReader(data))
		strict.DisallowUnknownFields()
		err := strict.Decode(&f)
		if err == nil && !f.Resolved { // an end has no advice
			err = f.check()
		}
		h.mu.Lock()
		h.all = append(h.all, f)
		if h.err == nil {
			h.err = err
		}
		h.mu.Unlock()
	}
}

func (h *heard) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.all)
}

func (h *heard) about(rule, group string, from int) (list []finding, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.all[from:] {
		if f.Rule == rule && f.Subject.Group == group {
			list = append(list, f)
		}
	}
	return list, h.err
}
