package e2e

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// Groups that are no consumer groups, as warder follows them.
func TestShareAndStreamsGroups(t *testing.T) {
	playRule(t, rulePlay{rule: "poison-message", name: "share-group", clients: []string{"java"}, run: sharePoison})
	playRule(t, rulePlay{rule: "offset-reset", name: "streams-group", clients: []string{"java"}, run: streamsGroup})
}

// followed is what /api/v1/groups/NAME says of a group.
type followed struct {
	Protocol   string
	Generation int
	Partial    bool
	Empty      time.Time `json:"empty_since"`
	Members    []struct {
		ID       string
		Client   struct{ Software string }
		Assigned []struct {
			Topic      string
			Partitions []int
		}
		Tasks *struct{ Active, Standby, Warmup []string }
	}
	Partitions []struct {
		Topic     string
		Partition int
		Committed *int64
		Lag       *int64
		Owner     string
		Share     *struct {
			Start                        *int64
			Accepted, Released, Rejected int
			Again                        []struct{ First, Last, Deliveries, Releases int }
		}
		Moves []struct{ Kind string }
	}
	Rebalances []struct{ Cause string }
}

// causes gives those of the rebalances that were seen: the topics that Streams makes raise the epoch as well.
func (g *followed) causes() (list []string) {
	for _, r := range g.Rebalances {
		if r.Cause != "unknown" {
			list = append(list, r.Cause)
		}
	}
	return list
}

// follows asks the records warder for a group until it is as wanted.
func (s *side) follows(group, what string, ok func(*followed) error) (g followed) {
	s.until(what, 60*time.Second, func() error {
		g = followed{}
		if err := warderNamed("records").shows(s.ctx, "/api/v1/groups/"+url.PathEscape(group), &g); err != nil {
			return err
		}
		if err := ok(&g); err != nil {
			return fmt.Errorf("%w: %+v", err, g)
		}
		return nil
	})
	return g
}

// sharePoison: two share consumers accept all records of a topic. Two of another group give one record back whenever
// they get it, until the broker archives it.
func sharePoison(sides []*side) {
	s := sides[0]
	topic, clean, bad := s.topic("t"), s.topic("clean"), s.topic("bad")
	s.must("alter_share_offsets", M{"group": clean}, nil)
	s.must("alter_share_offsets", M{"group": bad}, nil)
	s.create(topic, 2, 3, nil)
	p := s.producer(nil)
	s.generate(p, topic, gen{Count: 100, Size: 40, Partitions: 2, TS: day}, nil)
	open := func(group, release string) *member {
		var r struct{ Handle string }
		s.must("consumer_open", M{"group": group, "topics": []string{topic}, "protocol": "share", "release": release}, &r)
		return &member{s: s, handle: r.Handle}
	}
	first, second := open(clean, ""), open(clean, "")
	s.received(100, first, second)
	first.commit()
	second.commit()
	s.follows(clean, "all to be accepted", func(g *followed) error {
		accepted := 0
		for _, p := range g.Partitions {
			if p.Owner != "" || p.Committed != nil || p.Lag != nil {
				return fmt.Errorf("%s/%d is not shared", p.Topic, p.Partition)
			}
			if p.Share != nil {
				accepted += p.Share.Accepted
			}
		}
		if g.Protocol != "share" || len(g.Members) != 2 || g.Partial || accepted != 100 {
			return fmt.Errorf("%d accepted", accepted)
		}
		return nil
	})
	third, fourth := open(bad, "v77:"), open(bad, "v77:") // the 39th of partition 1
	lost := s.await("poison-message", topic, "critical", "share group "+bad+" has lost offset 38 on partition 1", "after 5 deliveries")
	if lost.Evidence["deliveries"] != 5.0 || lost.Evidence["archived"] != true {
		s.fail("evidence %v", lost.Evidence)
	}
	s.received(104, third, fourth) // the record five times, and not once more
	s.silentAbout("poison-message", topic, clean)
	for _, m := range []*member{first, second, third, fourth} {
		m.close()
	}
	left := s.follows(bad, "the group to be empty", func(g *followed) error {
		if g.Empty.IsZero() {
			return fmt.Errorf("%d members", len(g.Members))
		}
		return nil
	})
	if causes := left.causes(); len(causes) < 2 || causes[0] != "member-joined" || causes[1] != "member-joined" {
		s.fail("rebalances %v", causes)
	}
	s.closeProducer(p)
	emptyGroup(s, clean) // while there are share groups nobody can be asked who reads a topic
	emptyGroup(s, bad)
	s.must("delete_topic", M{"name": topic}, nil)
}

// silentAbout wants no finding of a rule about a group on a topic.
func (s *side) silentAbout(rule, topic, group string) {
	found, err := findingsOf(s.ctx, warderNamed("records"), about(rule, topic))
	if err != nil {
		s.fail("%w", err)
	}
	if i := slices.IndexFunc(found, func(f finding) bool { return strings.Contains(f.Summary, group) }); i >= 0 {
		s.fail("found %+v", found[i])
	}
}

// streamsGroup: an application of Kafka Streams is started twice; its tasks move half, and back when one is closed.
func streamsGroup(sides []*side) {
	s := sides[0]
	from, to, app := s.create(s.topic("from"), 4, 3, nil), s.create(s.topic("to"), 4, 3, nil), s.topic("app")
	p := s.producer(nil)
	open := func() string {
		var r struct{ Handle string }
		s.must("streams_open", M{"application": app, "from": from, "to": to}, &r)
		return r.Handle
	}
	// Four partitions are read from the topic, and four from the one that Streams makes to repartition.
	tasks := func(want ...int) func(*followed) error {
		return func(g *followed) error {
			var each []int
			owned := map[string]bool{}
			for _, m := range g.Members {
				n := 0
				for _, a := range m.Assigned {
					n += len(a.Partitions)
				}
				if m.Tasks == nil || len(m.Tasks.Active) != n {
					return fmt.Errorf("member %s has tasks %+v", m.ID, m.Tasks)
				}
				each = append(each, n)
			}
			for _, p := range g.Partitions {
				owned[p.Owner] = true
			}
			slices.Sort(each)
			if g.Protocol != "streams" || !slices.Equal(each, want) || len(g.Partitions) != 8 || owned[""] || len(owned) != len(want) {
				return fmt.Errorf("%v partitions each", each)
			}
			return nil
		}
	}
	one := open()
	s.follows(app, "one member with all tasks", tasks(8))
	two := open()
	s.follows(app, "two members", tasks(4, 4))
	s.generate(p, from, gen{Count: 200, Size: 40, Partitions: 4, TS: day}, nil)
	s.follows(app, "all to be read", func(g *followed) error {
		read := int64(0)
		for _, p := range g.Partitions {
			if p.Committed == nil || p.Lag == nil || *p.Lag != 0 {
				return fmt.Errorf("%s/%d lags", p.Topic, p.Partition)
			}
			if p.Topic == from {
				read += *p.Committed
			}
		}
		if read != 200 {
			return fmt.Errorf("%d records read", read)
		}
		return nil
	})
	s.must("streams_close", M{"handle": two}, nil)
	s.follows(app, "one member again", tasks(8))
	s.must("streams_close", M{"handle": one}, nil)
	g := s.follows(app, "the group to be empty", func(g *followed) error {
		if g.Empty.IsZero() {
			return fmt.Errorf("%d members", len(g.Members))
		}
		return nil
	})
	if causes := g.causes(); !slices.Equal(causes, []string{"member-joined", "member-joined", "member-left"}) {
		s.fail("rebalances %v", causes)
	}
	begun := 0
	for _, p := range g.Partitions { // were empty when Streams began to read them, the second member anew since nothing was committed
		for _, m := range p.Moves {
			if m.Kind != "reset-earliest" {
				s.fail("%s/%d: %+v", p.Topic, p.Partition, p.Moves)
			}
		}
		begun += len(p.Moves)
	}
	if begun == 0 {
		s.fail("no partition was seen to be begun: %+v", g.Partitions)
	}
	s.closeProducer(p)
	s.must("delete_topic", M{"name": from}, nil)
	s.must("delete_topic", M{"name": to}, nil)
}
