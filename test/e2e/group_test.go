package e2e

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"warder/test/e2e/driver"
)

func TestGroups(t *testing.T) {
	runScenario(t, scenario{name: "group-classic", needs: []string{"group"}, run: func(s *side) any { return groups(s, "classic") }})
	runScenario(t, scenario{name: "group-kip848", needs: []string{"group:consumer"}, run: func(s *side) any { return groups(s, "consumer") }})
	runScenario(t, scenario{name: "group-share", needs: []string{"group:share"}, run: shareGroup})
	runScenario(t, scenario{name: "transactions", needs: []string{"transactions"}, run: transactions})
	runScenario(t, scenario{name: "transaction-offsets", needs: []string{"send_offsets"}, run: transactionOffsets})
}

// member is one open consumer.
type member struct {
	s      *side
	handle string
	values []string // what it was given so far, "partition offset value"
}

type memberState struct {
	Assignment []string
	Count      int
	Rebalances int
	Positions  map[string]int64
	Error      *driver.Error
}

func (s *side) member(group, topic, protocol string) *member {
	var r struct{ Handle string }
	s.must("consumer_open", M{"group": group, "topics": []string{topic}, "protocol": protocol}, &r)
	return &member{s: s, handle: r.Handle}
}

func (m *member) state() memberState {
	var st memberState
	m.s.must("consumer_state", M{"handle": m.handle}, &st)
	if st.Error != nil {
		m.s.fail("a group member ended: %w", st.Error)
	}
	return st
}

func (m *member) commit() map[string]int64 {
	var r struct{ Offsets map[string]int64 }
	m.s.must("consumer_commit", M{"handle": m.handle}, &r)
	return r.Offsets
}

func (m *member) close() {
	m.take()
	var r struct{ Hung bool }
	m.s.must("consumer_close", M{"handle": m.handle}, &r)
	if r.Hung {
		m.s.note("the library's consumer did not come to an end when asked to")
	}
}

// take adds what arrived to values.
func (m *member) take() {
	var r struct{ Records []read }
	m.s.must("consumer_take", M{"handle": m.handle}, &r)
	for _, rec := range r.Records {
		m.values = append(m.values, fmt.Sprintf("%d %d %s", rec.P, rec.O, plain(rec.V)))
	}
}

// share waits until the members own all partitions between them, each as many as want says.
func (s *side) share(want []int, members ...*member) {
	s.until(fmt.Sprintf("%v partitions", want), 60*time.Second, func() error {
		var got []string
		for i, m := range members {
			a := m.state().Assignment
			if len(a) != want[i] {
				return fmt.Errorf("member %d has %v", i, a)
			}
			got = append(got, a...)
		}
		sort.Strings(got)
		for i := 1; i < len(got); i++ {
			if got[i] == got[i-1] {
				return fmt.Errorf("%s belongs to two members", got[i])
			}
		}
		return nil
	})
}

// received waits until the members were given n records in all.
func (s *side) received(n int, members ...*member) {
	s.until(fmt.Sprintf("%d records", n), 60*time.Second, func() error {
		total := 0
		for _, m := range members {
			total += m.state().Count
		}
		if total != n {
			return fmt.Errorf("there are %d", total)
		}
		return nil
	})
}

// groups: one member reads and commits; a second joins and half of the partitions move; both read on; the first leaves; the group
// resumes later exactly where it was.
func groups(s *side, protocol string) any {
	topic := s.create(s.topic("t"), 4, 3, nil)
	group := s.topic("g")
	p := s.producer(nil)
	put := func(prefix string, n int) {
		s.generate(p, topic, gen{Count: n, Size: 40, Partitions: 4, TS: day, Prefix: prefix}, nil)
	}
	put("a", 200)
	first := s.member(group, topic, protocol)
	s.share([]int{4}, first)
	s.received(200, first)
	first.commit()
	second := s.member(group, topic, protocol)
	s.share([]int{2, 2}, first, second)
	put("b", 100)
	s.received(300, first, second)
	first.commit()
	second.commit()
	result := M{"described": describeGroup(s, group)}
	first.close()
	s.share([]int{4}, second)
	put("c", 40)
	s.until("40 more records", 60*time.Second, func() error {
		if n := len(first.values) + second.state().Count; n != 340 {
			return fmt.Errorf("there are %d in all", n)
		}
		return nil
	})
	second.commit()
	second.close()
	if s.d.Can("group_offsets") {
		result["offsets"] = offsets(s, group, topic)
	}
	put("d", 20)
	third := s.member(group, topic, protocol)
	s.received(20, third)
	third.close()
	s.closeProducer(p)
	all := append(append(first.values, second.values...), third.values...)
	sort.Strings(all)
	for i := 1; i < len(all); i++ {
		if all[i] == all[i-1] {
			s.fail("delivered twice: %s", all[i])
		}
	}
	result["received"] = all
	result["after"] = emptyGroup(s, group)
	s.must("delete_topic", M{"name": topic}, nil)
	return result
}

// describeGroup tells how the client sees its own group of two.
func describeGroup(s *side, group string) any {
	var d struct {
		State   string
		Members int
	}
	if err := s.ask("describe_group", M{"group": group}, &d); err != nil {
		return errorName(err)
	}
	var list struct{ Groups []string }
	s.must("list_groups", nil, &list)
	return M{"state": d.State, "members": d.Members, "listed": slices.Contains(list.Groups, group)}
}

// settledOffset is the group's offset when the transaction that ended last has reached the group's log: the end of a transaction is
// answered before.
func settledOffset(s *side, group, topic string) (found any) {
	s.until("a committed offset", 20*time.Second, func() error {
		found = offsets(s, group, topic)
		if len(found.(M)) == 0 {
			return errors.New("there is none")
		}
		return nil
	})
	return found
}

func offsets(s *side, group, topic string) any {
	var r struct{ Offsets map[string]int64 }
	s.must("group_offsets", M{"group": group}, &r)
	all := M{}
	for tp, o := range r.Offsets {
		all[strings.TrimPrefix(tp, topic)] = o
	}
	return all
}

// emptyGroup deletes a group that has no members any more.
func emptyGroup(s *side, group string) any {
	if !s.d.Can("delete_group") {
		return nil
	}
	s.until("the group to be deletable", 30*time.Second, func() error { return s.ask("delete_group", M{"group": group}, nil) })
	var list struct{ Groups []string }
	s.must("list_groups", nil, &list)
	return M{"listed": slices.Contains(list.Groups, group)}
}

// shareGroup: two share consumers are given every record once between them, and acknowledged ones do not come again.
func shareGroup(s *side) any {
	group := s.topic("g")
	s.must("alter_share_offsets", M{"group": group}, nil) // before the topic, so that brokers that know the
	topic := s.create(s.topic("t"), 3, 3, nil)            // topic know this too
	p := s.producer(nil)
	s.generate(p, topic, gen{Count: 200, Size: 40, Partitions: 3, TS: day}, nil)
	first, second := s.member(group, topic, "share"), s.member(group, topic, "share")
	s.received(200, first, second)
	first.commit()
	second.commit()
	first.close()
	second.close()
	s.generate(p, topic, gen{Count: 20, Size: 40, Partitions: 3, TS: day, Prefix: "later"}, nil)
	third := s.member(group, topic, "share")
	s.received(20, third)
	third.commit()
	third.close()
	s.closeProducer(p)
	all := append(append(first.values, second.values...), third.values...)
	sort.Strings(all)
	emptyGroup(s, group)
	s.must("delete_topic", M{"name": topic}, nil)
	return all
}

// transactions: one commits, one aborts, one commits again; a committed reader sees two, the log holds three.
func transactions(s *side) any {
	topic := s.create(s.topic("t"), 2, 3, nil)
	p := s.producer(M{"transactional_id": s.topic("x"), "codec": "gzip"})
	var kept, all []gen
	for i, end := range []string{"commit", "abort", "commit"} {
		g := gen{Count: 30, Size: 60, Partitions: 2, TS: day, Prefix: fmt.Sprintf("x%d-", i)}
		s.must("begin", M{"handle": p}, nil)
		s.generate(p, topic, g, nil)
		s.must(end, M{"handle": p}, nil)
		all = append(all, g)
		if end == "commit" {
			kept = append(kept, g)
		}
	}
	s.closeProducer(p)
	s.holds(topic, M{"isolation": "read_committed"}, kept...)
	s.holds(topic, M{"isolation": "read_uncommitted"}, all...)
	result := s.consume(topic, M{"isolation": "read_committed"}).Partitions
	s.must("delete_topic", M{"name": topic}, nil)
	return result
}

// transactionOffsets reads, writes and commits offsets in one transaction; an aborted one leaves the offsets alone.
func transactionOffsets(s *side) any {
	from, to := s.create(s.topic("from"), 1, 3, nil), s.create(s.topic("to"), 1, 3, nil)
	group := s.topic("g")
	plainProducer := s.producer(nil)
	s.generate(plainProducer, from, gen{Count: 30, Size: 40, Partitions: 1, TS: day}, nil)
	m := s.member(group, from, "classic")
	s.received(30, m)
	p := s.producer(M{"transactional_id": s.topic("x")})
	step := func(prefix string, offset int64, end string) gen {
		g := gen{Count: 30, Size: 40, Partitions: 1, TS: day, Prefix: prefix}
		s.must("begin", M{"handle": p}, nil)
		s.generate(p, to, g, nil)
		s.must("send_offsets", M{"handle": p, "group": group, "consumer": m.handle, "offsets": M{from + "/0": offset}}, nil)
		s.must(end, M{"handle": p}, nil)
		return g
	}
	kept := step("kept", 20, "commit")
	result := M{"committed": settledOffset(s, group, from)}
	step("dropped", 30, "abort")
	result["after abort"] = settledOffset(s, group, from)
	m.close()
	s.holds(to, M{"isolation": "read_committed"}, kept)
	resumed := s.member(group, from, "classic")
	s.received(10, resumed)
	resumed.close()
	s.closeProducer(p)
	s.closeProducer(plainProducer)
	s.must("delete_topic", M{"name": from}, nil)
	s.must("delete_topic", M{"name": to}, nil)
	return result
}

func (m *member) sorted() []string {
	sort.Strings(m.values)
	return m.values
}
