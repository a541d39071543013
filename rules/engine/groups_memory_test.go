package engine_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/builtin"
	"warder/rules/engine"
	"warder/rules/state"
)

// mostOfGroups is what the model of groups, the ends of their logs and the states of all
// rules may hold together, whatever groups do; see docs/performance.md.
const mostOfGroups = 512 << 20

const (
	manyMembers     = 12_000 // of one group, which is followed on 10,000
	ofEachMember    = 5      // partitions
	manySmallGroups = 1_500
	ofEachGroup     = 40 // partitions
)

// crowd is more groups, members and partitions than there is room for.
type crowd struct {
	*bench
	t      *testing.T
	logs   *state.Logs
	groups *state.Groups
	now    time.Time
	reads  map[string][]rules.TopicPartition // by group
	names  []string                          // of them, in order
	ids    map[string]*rules.Identity        // who commits
}

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	c := &crowd{t: t, logs: state.NewLogs(0), now: epoch, reads: map[string][]rules.TopicPartition{}, ids: map[string]*rules.Identity{}}
	c.groups = state.NewGroups(c.logs)
	c.bench = newBench(t, builtin.Specs(), func(o *engine.Options) {
		o.Models, o.Now = []rules.Model{c.groups}, func() time.Time { return c.now }
	})
	return c
}

// forms has members join a group, some hundreds at a time, and take the partitions of its own topic.
func (c *crowd) forms(group string, members, each int) {
	var clients []*rules.Identity
	member := func(i int) rules.Membership {
		return rules.Membership{Group: group, MemberID: fmt.Sprintf("%s-consumer-%05d-8b1d2c3e", group, i), Generation: 1}
	}
	for i := range members {
		clients = append(clients, &rules.Identity{
			ClientID: fmt.Sprintf("%s-%05d", group, i), SoftwareName: "apache-kafka-java", SoftwareVersion: "4.1.0",
			Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 5000),
		})
		c.Emit(rules.JoinRequested{
			At: c.now, Client: clients[i], Membership: rules.Membership{Group: group, Generation: -1}, SessionTimeout: time.Hour, RebalanceTimeout: time.Minute,
			ProtocolType: "consumer", Protocols: []string{"range"}, Topics: []string{group},
		})
		if i%500 == 499 || i == members-1 {
			c.answers(group, clients[i/500*500:], i/500*500, each, member)
		}
	}
	c.names, c.ids[group] = append(c.names, group), clients[0]
}

// answers tells clients, of which the first is the one with that number, that they are members.
func (c *crowd) answers(group string, clients []*rules.Identity, first, each int, member func(int) rules.Membership) {
	for i, client := range clients {
		m := member(first + i)
		c.Emit(rules.Joined{At: c.now, Client: client, Membership: m, Requested: c.now, Protocol: "range", Leader: member(0).MemberID})
		ev := rules.Synced{At: c.now, Client: client, Membership: m, Requested: c.now, Readable: true}
		for p := range each {
			ev.Assigned = append(ev.Assigned, rules.TopicPartition{Topic: group, Partition: int32((first+i)*each + p)})
		}
		c.reads[group] = append(c.reads[group], ev.Assigned...)
		c.Emit(ev)
	}
}

// round moves the logs on by five seconds. Groups commit, unless offset is negative: in a
// transaction if there is an id.
func (c *crowd) round(end, start, offset int64, transaction string) {
	for _, group := range c.names {
		ev := rules.Committed{
			At: c.now, Requested: c.now, Client: c.ids[group], Membership: rules.Membership{Group: group, MemberID: "m", Generation: 1},
			TransactionalID: transaction, TransactionTimeout: time.Hour,
		}
		for _, tp := range c.reads[group] {
			c.logs.Learn(tp, state.LogEnds{HighWatermark: end, At: c.now, LastStableOffset: end, LogStartOffset: start, StartAt: c.now})
			ev.Offsets = append(ev.Offsets, rules.PartitionOffset{TopicPartition: tp, Offset: offset})
		}
		if offset >= 0 {
			c.Emit(ev)
		}
	}
	c.now = c.now.Add(5 * time.Second)
	c.Tick(c.now)
}

// TestMemoryOfGroupsIsBounded feeds more partitions and members than are followed, in one large group and many small
// ones, and has them do whatever costs memory: commits far apart, steps back, transactions that nobody ends, lag on
// every partition, logs whose beginning comes nearer, and losses.
func TestMemoryOfGroupsIsBounded(t *testing.T) {
	if raceEnabled {
		t.Skip("there is one goroutine, and it would take minutes")
	}
	before := heap()
	c := newCrowd(t)
	c.forms("large", manyMembers, ofEachMember)
	for i := range manySmallGroups {
		c.forms(fmt.Sprintf("small-%04d", i), 2, ofEachGroup/2)
	}
	most := int64(0)
	measure := func(what string) {
		t.Helper()
		grown := heap() - before
		most = max(most, grown)
		t.Logf("%-30s %6.1f MiB", what, float64(grown)/(1<<20))
	}
	measure("groups have formed")
	end := int64(0)
	for range 3 {
		end += 1000
		c.round(end, 0, end, "")
	}
	measure("all keep up")
	for i := range int64(8) {
		c.round(end, 0, end-10*(i+1), "")
	}
	measure("all have gone back eight times")
	for i := range 2 {
		c.round(end, 0, end, fmt.Sprint("transaction-", i))
	}
	measure("transactions are open")
	for i := range int64(18) {
		end += 1000
		c.round(end, 20*i, -1, "")
	}
	measure("all lag")
	c.round(end, end-1, -1, "")
	c.round(end, end-1, -1, "")
	measure("all have lost records")

	if c.groups.Len() != state.DefaultGroupPartitions || c.groups.Evicted() == 0 {
		t.Errorf("%d partitions are followed, %d were not", c.groups.Len(), c.groups.Evicted())
	}
	c.View(rules.ByGroup, "large", func(m rules.ModelState) {
		if n := m.(*state.Group).Members(); n != 10_000 {
			t.Errorf("%d members of the large group are followed", n)
		}
	})
	told := map[string]bool{}
	for _, f := range c.found.found {
		told[f.Rule] = true
	}
	for _, rule := range []string{"offset-rewind", "stuck-partition", "retention-loss"} {
		if !told[rule] {
			t.Errorf("%s has found nothing, so its state was not there", rule)
		}
	}
	if most > mostOfGroups {
		t.Errorf("the heap has grown by %d bytes, more than %d", most, mostOfGroups)
	}
	c.now = c.now.Add(31 * 24 * time.Hour)
	c.Tick(c.now)
	if c.groups.Len() != 0 {
		t.Errorf("%d partitions of groups that nobody has heard of for a month", c.groups.Len())
	}
	measure("all are forgotten")
	runtime.KeepAlive(c)
}
