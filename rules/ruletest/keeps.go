package ruletest

import (
	"time"

	"warder/rules"
)

// habit is what a client does in the background while time passes.
type habit struct {
	client *client
	group  string
	what   string // beating, polling
	every  time.Duration
	next   time.Time
}

// keep begins a habit: `keeps beating G every 3s`, `keeps polling G`. Who waits
// in the coordinator or has left pauses.
func (s *stage) keep(c *client, words []string) {
	s.t.Helper()
	s.stop(c, words)
	h := &habit{client: c, group: words[1], what: words[0], every: 3 * time.Second}
	if h.what == "polling" {
		h.every = time.Second
	}
	if len(words) == 4 {
		h.every = s.duration(words[3])
	}
	h.next = s.now.Add(h.every)
	s.habits = append(s.habits, h)
}

// stop ends a habit: `stops beating G`.
func (s *stage) stop(c *client, words []string) {
	s.t.Helper()
	if len(words) < 2 || words[0] != "beating" && words[0] != "polling" {
		s.t.Fatalf("want beating or polling and a group, have %q", words)
	}
	kept := s.habits[:0]
	for _, h := range s.habits {
		if h.client != c || h.what != words[0] || h.group != words[1] {
			kept = append(kept, h)
		}
	}
	s.habits = kept
}

// live has clients do what they do in the background.
func (s *stage) live() {
	for _, h := range s.habits {
		if s.now.Before(h.next) {
			continue
		}
		h.next = s.now.Add(h.every)
		c := h.client
		switch {
		case c.generation[h.group] <= 0 || c.waits[h.group]:
		case h.what == "polling":
			s.idle(c, []string{h.group})
		case c.epochs[h.group]:
			s.consumerBeat(c, []string{h.group})
		default:
			s.beat(c, []string{h.group})
		}
	}
}

// idle is a Fetch of a member without news.
func (s *stage) idle(c *client, words []string) {
	s.t.Helper()
	s.emit(rules.MemberPolled{At: s.now, Client: c.identity, Membership: s.membership(c, s.named(words))})
}
