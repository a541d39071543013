package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// TestOldBroker repeats the main exchanges with a broker of Kafka 3.
func TestOldBroker(t *testing.T) {
	old := func(name string, needs []string, run func(*side) any) {
		runScenario(t, scenario{name: "kafka3-" + name, needs: needs, run: run, cluster: w.old,
			warder: func(ctx context.Context) (M, error) {
				p, err := startBareWarder(ctx, "kafka3", w.old)
				if err != nil {
					return nil, err
				}
				return M{"bootstrap": p.addr["plain"]}, nil
			}})
	}
	old("round-trip", nil, oldRoundTrip)
	old("group", []string{"group"}, oldGroup)
	old("transactions", []string{"transactions"}, oldTransactions)
}

func oldRoundTrip(s *side) any {
	topic := s.create(s.topic("t"), 2, 1, nil)
	p := s.producer(M{"codec": "gzip"})
	g := gen{Count: 200, Size: 100, Partitions: 2, TS: day, Flavour: "mixed"}
	s.generate(p, topic, g, nil)
	s.closeProducer(p)
	s.holds(topic, nil, g)
	result := s.consume(topic, nil).Partitions
	s.must("delete_topic", M{"name": topic}, nil)
	return result
}

func oldGroup(s *side) any {
	topic, group := s.create(s.topic("t"), 2, 1, nil), s.topic("g")
	p := s.producer(nil)
	s.generate(p, topic, gen{Count: 40, Size: 40, Partitions: 2, TS: day}, nil)
	first, second := s.member(group, topic, "classic"), s.member(group, topic, "classic")
	s.share([]int{1, 1}, first, second)
	s.until("each member to have read its partition", time.Minute, func() error {
		for _, m := range []*member{first, second} {
			st := m.state()
			if len(st.Assignment) != 1 || st.Positions[st.Assignment[0]] != 20 {
				return fmt.Errorf("%+v", st)
			}
		}
		return nil
	})
	first.commit()
	second.commit()
	first.close()
	second.close()
	s.generate(p, topic, gen{Count: 10, Size: 40, Partitions: 2, TS: day, Prefix: "later"}, nil)
	third := s.member(group, topic, "classic")
	s.received(10, third)
	third.close()
	s.closeProducer(p)
	return third.sorted()
}

func oldTransactions(s *side) any {
	topic := s.create(s.topic("t"), 1, 1, nil)
	p := s.producer(M{"transactional_id": s.topic("x")})
	var kept gen
	for _, end := range []string{"abort", "commit"} {
		kept = gen{Count: 20, Size: 60, Partitions: 1, TS: day, Prefix: end}
		s.must("begin", M{"handle": p}, nil)
		s.generate(p, topic, kept, nil)
		s.must(end, M{"handle": p}, nil)
	}
	s.closeProducer(p)
	s.holds(topic, M{"isolation": "read_committed"}, kept)
	return "committed ones only"
}
