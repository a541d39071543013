package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"warder/test/e2e/driver"
)

// groupRules is what the warder of these scenarios is told about the rules that follow groups, offsets and transactions: what takes minutes or days in
// life takes seconds here.
var groupRules = []ruleConfig{
	{"stuck-partition", "{hold: 2s, slow_hold: 10s, critical_after: 8s, empty_after: 5s, learning_after: 1m}"},
	{"lag-skew", "{min_lag: 50, hold: 2s}"},
	{"poison-message", "{refetches: 3, refetch_for: 2s, restarts: 3, stuck_for: 10s}"},
	{"retention-loss", "{window: 2s}"},
	{"group-expiry", "{offsets_retention: 15s}"},
	{"transaction-stall", "{grace: 1s, standstill_after: 2s}"},
	{"transaction-aborts", "{window: 20s, min_transactions: 10}"},
	{"producer-fenced", "{over_after: 5s}"},
	{"unsafe-producer", "{critical: [\"unsafe-producer*\"]}"},
}

// play is a scenario about a group of its own, by one client.
type play struct {
	*side
	group string
}

// groupPlay makes it.
func (s *side) groupPlay(name string) play { return play{s, s.topic(name)} }

// named is the connection under another client id, so that a finding shows who is meant.
func (s *side) named(clientID string) M {
	return M{"bootstrap": s.conn["bootstrap"], "client_id": clientID}
}

// joins opens a member of the group, by a client id of its own, with what else is to be said about it.
func (p play) joins(topic, clientID string, more M) *member {
	args := M{"conn": p.named(clientID), "group": p.group, "topics": []string{topic}, "protocol": "classic"}
	maps.Copy(args, more)
	var r struct{ Handle string }
	p.must("consumer_open", args, &r)
	return &member{s: p.side, handle: r.Handle}
}

// ended waits until a member has met with a fatal error, and closes what is left of it.
func (m *member) ended() {
	m.s.until("the member to end", 60*time.Second, func() error {
		var st memberState
		m.s.must("consumer_state", M{"handle": m.handle}, &st)
		if st.Error == nil {
			return fmt.Errorf("it goes on: %+v", st)
		}
		return nil
	})
	m.s.must("consumer_close", M{"handle": m.handle}, nil)
}

// reaches waits until the member stands at an offset in each of the partitions, or beyond it.
func (m *member) reaches(n int64, names ...string) {
	m.s.until(fmt.Sprintf("offset %d of %v", n, names), 60*time.Second, func() error {
		at := m.state().Positions
		for _, name := range names {
			if at[name] < n {
				return fmt.Errorf("it stands at %v", at)
			}
		}
		return nil
	})
}

// records writes n to each of the partitions.
func (s *side) records(topic string, partitions, n int) {
	s.put(topic, gen{Count: n * partitions, Size: 30, Partitions: partitions})
}

// of names partitions of a topic as drivers do.
func of(topic string, partitions ...int) (names []string) {
	for _, p := range partitions {
		names = append(names, fmt.Sprintf("%s/%d", topic, p))
	}
	return names
}

// findingsAbout asks warder for what it has found of one rule about the group.
func (p play) findingsAbout(rule string) []finding {
	found, err := findingsOf(p.ctx, warderNamed(p.through), url.Values{"rule": {rule}, "group": {p.group}, "limit": {"100"}})
	if err != nil {
		p.fail("%w", err)
	}
	return found
}

// finds waits for a finding of a rule about the group, of that severity, with these words.
func (p play) finds(rule, severity string, words ...string) finding {
	return p.awaits(rule, fmt.Sprint(severity, words), func(f finding) bool { return f.Severity == severity && !f.Resolved && f.says(words...) })
}

// resolves waits until a finding is over.
func (p play) resolves(rule string, words ...string) finding {
	return p.awaits(rule, fmt.Sprint("resolved", words), func(f finding) bool { return f.Resolved && f.says(words...) })
}

func (p play) awaits(rule, what string, ok func(finding) bool) finding {
	return p.awaitOf(url.Values{"rule": {rule}, "group": {p.group}, "limit": {"100"}}, what, ok)
}

// awaitOf waits for one of the findings that a query of /api/v1/findings gives.
func (s *side) awaitOf(query url.Values, what string, ok func(finding) bool) (found finding) {
	s.until(fmt.Sprintf("%s among %v", what, query), 100*time.Second, func() error {
		all, err := findingsOf(s.ctx, warderNamed(s.through), query)
		i := slices.IndexFunc(all, ok)
		if err != nil || i < 0 {
			return errors.Join(err, errors.New(listed(all)))
		}
		found = all[i]
		return nil
	})
	return found
}

// quiet wants no finding of the rules about the group. Warder judges in its own time, so call it only when it has found something that came later.
func (p play) quiet(about ...string) {
	for _, rule := range about {
		if found := p.findingsAbout(rule); len(found) > 0 {
			p.fail("%s was to be silent about %s: %s", rule, p.group, listed(found))
		}
	}
}

// shown is what /api/v1/groups/NAME shows of a partition.
type shown struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Committed *int64 `json:"committed"`
	LogStart  *int64 `json:"log_start"`
	End       *int64 `json:"end"`
	Lag       *int64 `json:"lag"`
}

// view asks warder for what it knows of the group.
func (p play) view() []shown {
	var v struct {
		Partitions []shown `json:"partitions"`
	}
	text := p.admin("/api/v1/groups/" + url.PathEscape(p.group))
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		p.fail("%s: %w", text, err)
	}
	return v.Partitions
}

// admin asks the warder's admin interface.
func (s *side) admin(path string) string {
	text, err := warderNamed(s.through).tells(s.ctx, path)
	if err != nil {
		s.fail("%w", err)
	}
	return string(text)
}

// ownDrivers numbers the processes that scenarios start for themselves.
var ownDrivers atomic.Int64

// apart gives the same client in a process of its own, which the scenario ends.
func (s *side) apart() *side {
	own := *s
	key := fmt.Sprintf("%s-own%d", s.client, ownDrivers.Add(1))
	d, err := driver.Start(s.ctx, clients[s.client].command(w.cache), filepath.Join(w.run, "driver-"+key+".log"))
	if err != nil {
		s.fail("%w", err)
	}
	w.watch.Add(d.PID(), key)
	own.d, own.notes = d, nil
	return &own
}

// killed ends a process of its own with SIGKILL.
func (s *side) killed() {
	w.watch.Remove(s.d.PID())
	s.d.Kill()
}

// needs ends a scenario as a skip when the client's library has no such thing.
func (s *side) needs(capability string) {
	if !s.d.Can(capability) {
		panic(failure{&driver.Unsupported{Reason: fmt.Sprintf("%s %s: the library has no %s", s.client, s.d.Version, capability)}})
	}
}
