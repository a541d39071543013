package proxy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/rs/zerolog"

	"warder/rules"
	"warder/rules/engine"
	"warder/rules/state"
)

// meteredGroups is metrics over the model of groups, told of events directly.
type meteredGroups struct {
	*Metrics
	t      *testing.T
	engine *engine.Engine
	logs   *state.Logs
	now    time.Time
}

func newMeteredGroups(t *testing.T, limit int) *meteredGroups {
	t.Helper()
	r := &meteredGroups{Metrics: NewMetrics(), t: t, logs: state.NewLogs(0), now: time.Now()}
	e, err := engine.New(engine.Options{
		Cluster: "test", Specs: []rules.Spec{forbidden}, Topics: state.NewTopics(0), Models: []rules.Model{state.NewGroups(r.logs)},
		Inline: true, Log: zerolog.Nop(), Now: func() time.Time { return r.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.engine = e
	r.Observe(e, limit)
	return r
}

var rigClient = &rules.Identity{ClientID: "billing", Remote: netip.MustParseAddrPort("10.0.0.1:5000")}

// lags has a group commit an offset of a partition that ends lag records later.
func (r *meteredGroups) lags(group, topic string, partition int32, committed, lag int64) {
	tp := rules.TopicPartition{Topic: topic, Partition: partition}
	r.logs.Learn(tp, state.LogEnds{HighWatermark: committed + lag, At: r.now, LastStableOffset: -1, LogStartOffset: -1})
	r.engine.Emit(rules.Committed{
		At: r.now, Requested: r.now, Client: rigClient, Membership: rules.Membership{Group: group, Generation: -1},
		Offsets: []rules.PartitionOffset{{TopicPartition: tp, Offset: committed}},
	})
}

// joinsAndLeaves is a rebalance for a member that joins, in which nobody is left.
func (r *meteredGroups) joinsAndLeaves(group string) {
	member := rules.Membership{Group: group, MemberID: "m1", Generation: 1}
	r.engine.Emit(rules.JoinRequested{At: r.now, Client: rigClient, Membership: rules.Membership{Group: group, Generation: -1}, SessionTimeout: 10 * time.Second, ProtocolType: "consumer", Protocols: []string{"range"}})
	r.engine.Emit(rules.Joined{At: r.now, Client: rigClient, Membership: member, Requested: r.now, Protocol: "range", Leader: "m1", Members: []rules.GroupMember{{MemberID: "m1"}}})
	r.engine.Emit(rules.Synced{At: r.now, Client: rigClient, Membership: member, Readable: true})
}

func (r *meteredGroups) pass(d time.Duration) {
	for range int(d / time.Second) {
		r.now = r.now.Add(time.Second)
		r.engine.Tick(r.now)
	}
}

// scrape gives the series of a family as text, labels and value.
func (r *meteredGroups) scrape(name string) map[string]float64 {
	r.t.Helper()
	families, err := r.Registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	series := map[string]float64{}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				series[labelText(m)] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return series
}

func labelText(m *dto.Metric) string {
	var text []string
	for _, l := range m.GetLabel() {
		text = append(text, l.GetName()+"="+l.GetValue())
	}
	return strings.Join(text, " ")
}

func (r *meteredGroups) want(name string, want map[string]float64) {
	r.t.Helper()
	if got := r.scrape(name); fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Errorf("%s\ngot  %v\nwant %v", name, got, want)
	}
}

// A share group has no lag that anybody but the brokers knows, so only what its members
// say of records is counted.
func TestShareGroupMetrics(t *testing.T) {
	r := newMeteredGroups(t, 100)
	who := rules.Membership{Group: "workers", MemberID: "m1"}
	orders := rules.TopicPartition{Topic: "orders", Partition: 3}
	r.logs.Learn(orders, state.LogEnds{HighWatermark: 100, At: r.now, LastStableOffset: -1, LogStartOffset: -1})
	r.engine.Emit(rules.ConsumerHeartbeat{
		At: r.now, Requested: r.now, Client: rigClient, Membership: who, Protocol: rules.ShareEpochs, Epoch: 1, HeartbeatInterval: 5 * time.Second,
		Assigned: []rules.TopicPartition{orders}, AssignedSaid: true,
	})
	r.engine.Emit(rules.Acknowledged{At: r.now, Client: rigClient, Membership: who, Records: []rules.AcknowledgedRecords{
		{TopicPartition: orders, First: 0, Last: 9, Type: rules.AckAccept}, {TopicPartition: orders, First: 10, Last: 11, Type: rules.AckRelease},
		{TopicPartition: orders, First: 12, Last: 12, Type: rules.AckReject}, {TopicPartition: orders, First: 13, Last: 13, Type: rules.AckRenew},
	}})
	r.pass(2 * time.Second)
	r.want("warder_share_group_records_total", map[string]float64{"group=workers outcome=accepted": 10, "group=workers outcome=released": 2, "group=workers outcome=rejected": 1})
	for _, family := range []string{"warder_group_lag_records", "warder_group_committed_offset"} {
		r.want(family, map[string]float64{})
	}
}

func TestGroupMetrics(t *testing.T) {
	r := newMeteredGroups(t, 100)
	r.lags("billing", "orders", 3, 100, 7)
	r.lags("billing", "orders", 4, 50, 0)
	r.joinsAndLeaves("billing")
	r.pass(2 * time.Minute)
	r.want("warder_group_lag_records", map[string]float64{"group=billing partition=3 topic=orders": 7, "group=billing partition=4 topic=orders": 0})
	r.want("warder_group_committed_offset", map[string]float64{"group=billing partition=3 topic=orders": 100, "group=billing partition=4 topic=orders": 50})
	if late := r.scrape("warder_group_lag_seconds"); late["group=billing partition=4 topic=orders"] != 0 || len(late) == 0 {
		t.Errorf("%v", late)
	}
	rebalances := r.scrape("warder_group_rebalances_total")
	if rebalances["cause=member-joined group=billing"] != 1 {
		t.Errorf("%v", rebalances)
	}
	families, err := r.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

// However many groups there are, a family has so many series and no more, and
// what has none of its own is counted.
func TestGroupMetricsAreBounded(t *testing.T) {
	const limit, groups, partitions = 100, 300, 3
	r := newMeteredGroups(t, limit)
	sum, committed := 0.0, 0.0
	for g := range groups {
		for p := range partitions {
			lag := int64(g*partitions + p)
			r.lags(fmt.Sprint("g", g), "orders", int32(p), 1000-lag, lag)
			sum, committed = sum+float64(lag), committed+float64(1000-lag)
		}
		r.joinsAndLeaves(fmt.Sprint("g", g))
	}
	r.pass(2 * time.Minute)
	lag := r.scrape("warder_group_lag_records")
	if _, ok := lag["group=other partition= topic="]; !ok || len(lag) != limit || !equalSum(lag, sum) {
		t.Errorf("%d series, want %d with a sum of %v: %v", len(lag), limit, sum, lag)
	}
	if lag["group=g299 partition=2 topic=orders"] != groups*partitions-1 {
		t.Error("what lags most has a series of its own")
	}
	if offsets := r.scrape("warder_group_committed_offset"); len(offsets) != limit || !equalSum(offsets, committed) {
		t.Errorf("%d series", len(offsets))
	}
	rebalances := r.scrape("warder_group_rebalances_total")
	if n := len(rebalances); n > limit || rebalances["cause=member-joined group=other"] < 200 {
		t.Errorf("%d series: %v", n, rebalances)
	}
	joined := 0.0
	for text, n := range rebalances {
		if strings.HasPrefix(text, "cause=member-joined") {
			joined += n
		}
	}
	if joined != groups {
		t.Errorf("%v of %d rebalances are told", joined, groups)
	}
}

func equalSum(series map[string]float64, want float64) bool {
	sum := 0.0
	for _, v := range series {
		sum += v
	}
	return sum == want
}

// What a client calls itself cannot break the page, nor be told twice.
func TestGroupMetricsOfOddNames(t *testing.T) {
	r := newMeteredGroups(t, 100)
	r.lags("bad\xff", "orders", 0, 10, 5)
	r.lags("bad\xfe", "orders", 1, 10, 6)
	r.lags(strings.Repeat("x", 300), "orders", 2, 10, 7)
	r.lags("other", "orders", 3, 10, 8)
	r.joinsAndLeaves("other")
	r.joinsAndLeaves("bad\xff")
	r.pass(2 * time.Minute)
	r.want("warder_group_lag_records", map[string]float64{"group=other partition= topic=": 18, "group=other partition=3 topic=orders": 8})
	if n := r.scrape("warder_group_rebalances_total")["cause=member-joined group=other"]; n != 2 {
		t.Errorf("%v rebalances", n)
	}
}
