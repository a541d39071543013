package proxy

import (
	"cmp"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"warder/rules"
	"warder/rules/engine"
	"warder/rules/state"
)

// groupCollector shows how far groups are behind, and how often they rebalance, by
// what the engine's model of groups knows at the time of a scrape. Labels come
// from traffic, so every family has a bound of series: those that matter most have
// one of their own, all others are one series of the group "other".
type groupCollector struct {
	source                                 atomic.Pointer[groupSource]
	lag, late, committed, rebalanced, said *prometheus.Desc
}

// groupSource is where a groupCollector looks, and how many series a family may
// have.
type groupSource struct {
	engine *engine.Engine
	limit  int
}

// otherGroup is the label of what has no series of its own.
const otherGroup = "other"

func newGroupCollector() *groupCollector {
	partition := []string{"group", "topic", "partition"}
	return &groupCollector{
		lag:        prometheus.NewDesc("warder_group_lag_records", "Records between the committed offset of a group and the end of the partition. Beyond metrics.max_series, those that lag least are summed under the group other, without topic and partition.", partition, nil),
		late:       prometheus.NewDesc("warder_group_lag_seconds", "How long ago the next record that a group has to read was written, as an estimate, where it is known. The group other has the longest of the rest.", partition, nil),
		committed:  prometheus.NewDesc("warder_group_committed_offset", "Committed offset of a group: the next one it reads. The group other has the sum of the rest.", partition, nil),
		rebalanced: prometheus.NewDesc("warder_group_rebalances_total", "Rebalances of a group that have ended, by cause; the second half of a cooperative change is not another. Beyond metrics.max_series, the rest is summed under the group other.", []string{"group", "cause"}, nil),
		said:       prometheus.NewDesc("warder_share_group_records_total", "Records of which members of a share group said that they accepted, released (gave back) or rejected them. Beyond metrics.max_series, the rest is summed under the group other.", []string{"group", "outcome"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *groupCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.lag, c.late, c.committed, c.rebalanced, c.said} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. Groups that cannot be asked in time,
// since events are dropped already, are missing.
func (c *groupCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.source.Load()
	if s == nil {
		return
	}
	partitions := &partitionRanking{limit: s.limit}
	causes, said := &kindRanking{limit: s.limit, kinds: int(state.NumCauses)}, &kindRanking{limit: s.limit, kinds: len(shareOutcomes)}
	now := time.Now()
	s.engine.ViewAll(rules.ByGroup, func(_ string, m rules.ModelState) {
		g, ok := m.(*state.Group)
		if !ok {
			return
		}
		if g.Protocol.Exclusive() {
			g.EachPartition(func(p *state.GroupPartition) { partitions.add(measure(g.ID, p, now)) })
		} else {
			addSaid(said, g)
		}
		for cause, n := range g.Rebalanced() {
			if n > 0 {
				causes.add(kindSeries{g.ID, state.Cause(cause).String(), n})
			}
		}
	})
	c.partitions(ch, partitions)
	for _, r := range causes.ranked() {
		ch <- prometheus.MustNewConstMetric(c.rebalanced, prometheus.CounterValue, float64(r.n), r.group, r.kind)
	}
	for _, r := range said.ranked() {
		ch <- prometheus.MustNewConstMetric(c.said, prometheus.CounterValue, float64(r.n), r.group, r.kind)
	}
}

// shareOutcomes are what members of a share group say of records.
var shareOutcomes = [...]string{"accepted", "released", "rejected"}

// addSaid adds up what the members of a share group said.
func addSaid(ranking *kindRanking, g *state.Group) {
	var sums [len(shareOutcomes)]int64
	g.EachPartition(func(p *state.GroupPartition) {
		if s := p.Share(); s != nil {
			for i, n := range []int64{s.Accepted, s.Released, s.Rejected} {
				sums[i] += n
			}
		}
	})
	for i, n := range sums {
		if n > 0 {
			ranking.add(kindSeries{g.ID, shareOutcomes[i], uint64(n)})
		}
	}
}

func (c *groupCollector) partitions(ch chan<- prometheus.Metric, ranking *partitionRanking) {
	for _, p := range ranking.ranked() {
		number := ""
		if p.partition >= 0 {
			number = strconv.Itoa(int(p.partition))
		}
		if p.lag >= 0 {
			ch <- prometheus.MustNewConstMetric(c.lag, prometheus.GaugeValue, float64(p.lag), p.group, p.topic, number)
		}
		if p.late >= 0 {
			ch <- prometheus.MustNewConstMetric(c.late, prometheus.GaugeValue, p.late.Seconds(), p.group, p.topic, number)
		}
		if p.committed >= 0 {
			ch <- prometheus.MustNewConstMetric(c.committed, prometheus.GaugeValue, float64(p.committed), p.group, p.topic, number)
		}
	}
}

// labelable says whether a name that a client chose can be a label: whatever cannot
// is counted under other.
func labelable(name string) bool { return len(name) <= 255 && utf8.ValidString(name) }

// partitionSeries is the values of one partition of a group; those that are not
// known are negative.
type partitionSeries struct {
	group, topic   string
	partition      int32
	lag, committed int64
	late           time.Duration
}

func measure(group string, p *state.GroupPartition, now time.Time) partitionSeries {
	s := partitionSeries{group: group, topic: p.Topic, partition: p.Partition, lag: -1, committed: p.Committed, late: -1}
	if lag, ok := p.Lag(); ok {
		s.lag = lag
	}
	if late, ok := p.TimeLag(now); ok {
		s.late = max(late, 0)
	}
	return s
}

// partitionRanking keeps the partitions that lag most. It holds at most twice its
// limit of them, at about 80 bytes each.
type partitionRanking struct {
	limit int
	top   []partitionSeries
	rest  *partitionSeries // nil while there is none
}

func (r *partitionRanking) add(s partitionSeries) {
	if !labelable(s.group) || !labelable(s.topic) {
		r.fold(s)
		return
	}
	if r.top = append(r.top, s); len(r.top) >= 2*r.limit {
		r.cut()
	}
}

// cut folds all into the rest that do not fit beside it.
func (r *partitionRanking) cut() {
	slices.SortFunc(r.top, func(a, b partitionSeries) int {
		return cmp.Or(cmp.Compare(b.lag, a.lag), cmp.Compare(a.group, b.group), cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
	})
	for len(r.top) > r.limit-1 {
		r.fold(r.top[len(r.top)-1])
		r.top = r.top[:len(r.top)-1]
	}
}

func (r *partitionRanking) fold(s partitionSeries) {
	if r.rest == nil {
		r.rest = &partitionSeries{group: otherGroup, partition: -1, lag: -1, committed: -1, late: -1}
	}
	r.rest.lag = added(r.rest.lag, s.lag)
	r.rest.committed = added(r.rest.committed, s.committed)
	r.rest.late = max(r.rest.late, s.late)
}

// added is a sum of which either may not be known.
func added(sum, n int64) int64 {
	if n < 0 {
		return sum
	}
	return max(sum, 0) + n
}

func (r *partitionRanking) ranked() []partitionSeries {
	if len(r.top) > r.limit || r.rest != nil && len(r.top) == r.limit {
		r.cut()
	}
	if r.rest != nil {
		return append(r.top, *r.rest)
	}
	return r.top
}

// kindSeries counts what happened to a group, by kinds: rebalances by cause, records
// of a share group by what members said of them.
type kindSeries struct {
	group, kind string
	n           uint64
}

// kindRanking keeps the most frequent of them. The rest is one series for each
// kind, since it is kinds that one acts on.
type kindRanking struct {
	limit int
	kinds int // that there are
	top   []kindSeries
	rest  map[string]uint64
}

func (r *kindRanking) add(s kindSeries) {
	if !labelable(s.group) || s.group == otherGroup { // which would be told twice
		r.fold(s)
		return
	}
	if r.top = append(r.top, s); len(r.top) >= 2*r.limit {
		r.cut()
	}
}

func (r *kindRanking) cut() {
	slices.SortFunc(r.top, func(a, b kindSeries) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.group, b.group), cmp.Compare(a.kind, b.kind))
	})
	for len(r.top) > r.limit-r.kinds {
		r.fold(r.top[len(r.top)-1])
		r.top = r.top[:len(r.top)-1]
	}
}

func (r *kindRanking) fold(s kindSeries) {
	if r.rest == nil {
		r.rest = map[string]uint64{}
	}
	r.rest[s.kind] += s.n
}

func (r *kindRanking) ranked() []kindSeries {
	if len(r.top)+len(r.rest) > r.limit {
		r.cut()
	}
	for kind, n := range r.rest {
		r.top = append(r.top, kindSeries{otherGroup, kind, n})
	}
	return r.top
}
