package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
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

// asksForGroups is a warder with credentials of its own, which no client goes through.
func asksForGroups(ctx context.Context, cluster *kafka.Cluster) (*proxy, error) {
	password := filepath.Join(w.run, "lookup-password")
	if err := os.WriteFile(password, []byte(kafka.Password), 0o600); err != nil {
		return nil, err
	}
	name := "asks-three"
	if cluster == w.old {
		name = "asks-old"
	}
	return startWarder(ctx, name, proxySpec{
		cluster: cluster, upstream: kafka.SASL, listeners: []listenerSpec{{name: "plain"}},
		lookup: fmt.Sprintf("{username: %s, password_file: %s, mechanism: SCRAM-SHA-512, groups: {every: 10s}}", kafka.User, password),
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
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+"/api/v1/groups/"+group, nil)
	if err != nil {
		return g, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return g, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return g, fmt.Errorf("warder answers %s", answer.Status)
	}
	return g, json.NewDecoder(answer.Body).Decode(&g)
}
