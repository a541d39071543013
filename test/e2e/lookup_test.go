package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"warder/test/e2e/kafka"
)

// TestGroupsElsewhere: what warder shows of groups of which nothing comes through it is what the cluster says to the Java admin client.
func TestGroupsElsewhere(t *testing.T) {
	for _, c := range []struct {
		name, protocol string
		cluster        func() *kafka.Cluster
	}{
		{"group-elsewhere-classic", "classic", func() *kafka.Cluster { return w.three }},
		{"group-elsewhere-kip848", "consumer", func() *kafka.Cluster { return w.three }},
		{"group-elsewhere-old", "classic", func() *kafka.Cluster { return w.old }},
	} {
		need := "group"
		if c.protocol == "consumer" {
			need += ":consumer"
		}
		runScenario(t, scenario{name: c.name, needs: []string{need}, cluster: c.cluster(), modes: []string{"direct"}, run: func(s *side) any { return groupElsewhere(s, c.protocol) }})
	}
}

// lookupPassword is a file with the password, written once: a warder that starts meanwhile must not find it empty.
var lookupPassword = sync.OnceValues(func() (string, error) {
	file := filepath.Join(w.run, "lookup-password")
	return file, os.WriteFile(file, []byte(kafka.Password), 0o600)
})

// asksForGroups is a warder with credentials of its own, which no client goes through.
func asksForGroups(ctx context.Context, cluster *kafka.Cluster) (*proxy, error) {
	password, err := lookupPassword()
	if err != nil {
		return nil, err
	}
	name := "asks-three"
	if cluster == w.old {
		name = "asks-old"
	}
	return startWarder(ctx, name, proxySpec{
		cluster: cluster, upstream: kafka.SASL, listeners: []listenerSpec{{name: "plain"}},
		lookup: fmt.Sprintf("{username: %s, password_file: %s, mechanism: SCRAM-SHA-512, groups: {every: 10s}}", kafka.User, password),
		rules:  "  transaction-stall: {timeout: 1s, grace: 0s, unseen_after: 4s}",
	})
}

func groupElsewhere(s *side, protocol string) any {
	p, err := asksForGroups(s.ctx, s.cluster)
	if err != nil {
		s.fail("%w", err)
	}
	replicas := 3
	if s.cluster == w.old {
		replicas = 1
	}
	topic := s.create(s.topic("t"), 3, replicas, nil)
	group := s.topic("g")
	producer := s.producer(nil)
	s.generate(producer, topic, gen{Count: 90, Size: 40, Partitions: 3, TS: day}, nil)
	m := s.member(group, topic, protocol)
	s.share([]int{3}, m)
	s.received(90, m)
	m.commit()
	s.generate(producer, topic, gen{Count: 31, Size: 40, Partitions: 2, TS: day, Prefix: "b"}, nil)
	s.equalsAdmin(p, group, topic, func(g groupShown) bool { return g.State == "Stable" && g.Elsewhere == 1 && g.Partial })
	s.received(121, m)
	m.commit()
	m.close()
	s.generate(producer, topic, gen{Count: 7, Size: 40, Partitions: 3, TS: day, Prefix: "c"}, nil)
	s.closeProducer(producer)
	s.equalsAdmin(p, group, topic, func(g groupShown) bool { return g.State == "Empty" && g.Elsewhere == 0 && g.EmptySince != "" })
	s.must("delete_topic", M{"name": topic}, nil)
	return nil
}

// TestTransactionElsewhere: readers that come through warder stand still behind a transaction that does not, and warder asks the cluster whose it is.
func TestTransactionElsewhere(t *testing.T) {
	runScenario(t, scenario{name: "transaction-elsewhere", needs: []string{"transactions", "group"}, modes: []string{"direct"}, run: transactionElsewhere})
}

func transactionElsewhere(s *side) any {
	p, err := asksForGroups(s.ctx, s.cluster)
	if err != nil {
		s.fail("%w", err)
	}
	topic := s.create(s.topic("t"), 1, 3, nil)
	hangs := s.producer(M{"transactional_id": s.topic("hangs")})
	s.must("begin", M{"handle": hangs}, nil)
	s.generate(hangs, topic, gen{Count: 3, Size: 40, Partitions: 1, TS: day}, nil)
	others := s.producer(nil)
	conn := M{"bootstrap": p.addr["plain"], "security": secure("SASL_PLAINTEXT", "PLAIN", false), "client_id": "e2e-reader"}
	var reader struct{ Handle string }
	s.must("consumer_open", M{"conn": conn, "group": s.topic("g"), "topics": []string{topic}, "isolation": "read_committed"}, &reader)
	written := 0
	s.until("the finding", 60*time.Second, func() error {
		written++
		s.generate(others, topic, gen{Count: 2, Size: 40, Partitions: 1, TS: day, Prefix: itoa(written)}, nil)
		return findingNow(s.ctx, p, "transaction-stall", topic, func(f finding) bool {
			id, known := f.Evidence["producer_id"].(float64)
			return !f.Resolved && known && id >= 0 && f.Evidence["start_offset"] == 0.0 && f.Evidence["last_stable_offset"] == 0.0
		})
	})
	s.must("abort", M{"handle": hangs}, nil)
	s.until("the end of it", 60*time.Second, func() error {
		return findingNow(s.ctx, p, "transaction-stall", topic, func(f finding) bool { return f.Resolved })
	})
	s.must("consumer_close", M{"handle": reader.Handle}, nil)
	s.closeProducer(hangs)
	s.closeProducer(others)
	s.must("delete_topic", M{"name": topic}, nil)
	return nil
}

// findingNow wants a finding to be there.
func findingNow(ctx context.Context, p *proxy, rule, topic string, ok func(finding) bool) error {
	found, err := findingsOf(ctx, p, about(rule, topic))
	if err == nil && !slices.ContainsFunc(found, ok) {
		err = fmt.Errorf("there are %s", listed(found))
	}
	return err
}

// groupShown is what /api/v1/groups/NAME says.
type groupShown struct {
	State      string
	Elsewhere  int    `json:"members_elsewhere"`
	EmptySince string `json:"empty_since"`
	Partial    bool
	Partitions []struct {
		Topic               string
		Partition           int
		Committed, End, Lag *int64
	}
}

// equalsAdmin waits until warder shows a group, as idle as it is, like the Java admin client does.
func (s *side) equalsAdmin(p *proxy, group, topic string, also func(groupShown) bool) {
	brokers := M{"bootstrap": s.cluster.Bootstrap(kafka.Plaintext)}
	s.until("warder to show group "+group+" as the cluster does", 60*time.Second, func() error {
		var committed, ends struct{ Offsets map[string]int64 }
		if err := w.admin.Call(s.ctx, "group_offsets", M{"conn": brokers, "group": group}, &committed); err != nil {
			return err
		}
		if err := w.admin.Call(s.ctx, "list_offsets", M{"conn": brokers, "topic": topic, "spec": "latest"}, &ends); err != nil {
			return err
		}
		want, got := map[string]string{}, map[string]string{}
		for partition, end := range ends.Offsets {
			offset := committed.Offsets[topic+"/"+partition]
			want[partition] = fmt.Sprintf("committed %d, end %d, lag %d", offset, end, end-offset)
		}
		g, err := groupOf(s.ctx, p, group)
		if err != nil {
			return err
		}
		for _, p := range g.Partitions {
			if p.Committed != nil && p.End != nil && p.Lag != nil {
				got[itoa(p.Partition)] = fmt.Sprintf("committed %d, end %d, lag %d", *p.Committed, *p.End, *p.Lag)
			}
		}
		if !maps.Equal(got, want) || len(want) == 0 || !also(g) {
			return fmt.Errorf("warder shows %+v: %v, the cluster %v", g, got, want)
		}
		return nil
	})
}

// groupOf asks warder for a group.
func groupOf(ctx context.Context, p *proxy, group string) (g groupShown, err error) {
	err = p.shows(ctx, "/api/v1/groups/"+group, &g)
	return g, err
}
