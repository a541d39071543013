package state_test

import (
	"fmt"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// inTransaction commits an offset of some partitions inside a transaction.
func (s *groupStory) inTransaction(id string, timeout time.Duration, offset int64, partitions ...int32) {
	ev := rules.Committed{
		At: s.now, Requested: s.now, Client: client("m1"), Membership: s.membership("m1"), TransactionalID: id, TransactionTimeout: timeout,
	}
	for _, p := range partitions {
		ev.Offsets = append(ev.Offsets, rules.PartitionOffset{TopicPartition: orders(p), Offset: offset})
	}
	s.group.Apply(ev)
}

func (s *groupStory) ended(id string, committed bool) {
	s.group.Apply(rules.OffsetsSettled{At: s.now, Group: "g", TransactionalID: id, Committed: committed})
}

func (s *groupStory) wantCommitted(what string, want ...int64) {
	s.t.Helper()
	for p, offset := range want {
		if got := s.group.Partition(orders(int32(p))); got == nil || got.Committed != offset {
			s.t.Errorf("%s: partition %d: %+v, want %d", what, p, got, offset)
		}
	}
}

func TestOffsetsOfATransactionCountAtItsEnd(t *testing.T) {
	s := newGroupStory(t)
	s.join("range", "m1")
	s.sync(map[string][]int32{"m1": {0, 1}})
	s.end(0, 500)
	s.commit("m1", 0, 100)
	s.inTransaction("T", 0, 200, 0, 1)
	s.inTransaction("U", 0, 900, 0) // as of a member that has just lost the partition
	s.wait(time.Second)
	s.wantCommitted("it goes on", 100, -1)
	if lag, _ := s.group.Partition(orders(0)).Lag(); lag != 400 {
		t.Errorf("a lag of %d", lag)
	}
	s.inTransaction("T", 0, 250, 0)
	s.ended("T", true)
	s.wantCommitted("committed", 250, 200)
	if p := s.group.Partition(orders(0)); !p.CommittedAt.Equal(s.now) || !p.RoseAt.Equal(s.now) {
		t.Errorf("%+v", p)
	}
	s.ended("U", false)
	s.ended("U", true) // there is none
	s.wantCommitted("aborted", 250, 200)
	if text := s.moves(); text != "" {
		t.Error(text)
	}
}

// A coordinator aborts what nobody ends; an end that may have been missed means nothing.
func TestPendingOffsetsAreDropped(t *testing.T) {
	for what, c := range map[string]struct {
		happens func(*groupStory)
		want    int64
	}{
		"in time":                {func(s *groupStory) { s.wait(39 * time.Second) }, 200},
		"its timeout has passed": {func(s *groupStory) { s.wait(41 * time.Second) }, 100},
		"however often it went on": {func(s *groupStory) {
			s.wait(35 * time.Second)
			s.inTransaction("T", 10*time.Second, 250, 0)
			s.wait(6 * time.Second)
		}, 100},
		"events were lost":          {func(s *groupStory) { s.group.Apply(rules.Gap{At: s.now, Lost: 1}) }, 100},
		"another transaction ended": {func(s *groupStory) { s.ended("U", false) }, 200},
	} {
		t.Run(what, func(t *testing.T) {
			s := consuming(t)
			s.commit("m1", 0, 100)
			s.inTransaction("T", 10*time.Second, 200, 0)
			c.happens(s)
			s.ended("T", true)
			s.wantCommitted(what, c.want)
		})
	}
	s := consuming(t)
	s.commit("m1", 0, 100)
	s.inTransaction("T", 0, 200, 0) // whose timeout nobody knows
	s.wait(15 * time.Minute)
	s.ended("T", true)
	s.wantCommitted("within the longest timeout that brokers allow", 200)
}

// However many transactions nobody ends, there are no more pending offsets than twice the partitions.
func TestPendingOffsetsAreBounded(t *testing.T) {
	s := consuming(t)
	for i := range 1000 {
		s.inTransaction(fmt.Sprint("T", i), time.Hour, int64(i), 0, 1)
		s.now = s.now.Add(time.Millisecond)
	}
	for i := range 1000 {
		s.ended(fmt.Sprint("T", i), true)
		if want := int64(i); i >= 998 {
			s.wantCommitted("the last are kept", want, want)
		} else {
			s.wantCommitted("the first are forgotten", -1, -1)
		}
	}
}

// Commits in a transaction show that the application works, and no more: the coordinator goes by heartbeats.
func TestTransactionsAreNoSignOfLife(t *testing.T) {
	s := consuming(t)
	alive := s.group.Member("m1").Alive
	s.wait(5 * time.Second)
	s.inTransaction("T", 0, 10, 0)
	if m := s.group.Member("m1"); !m.Alive.Equal(alive) || !m.Progress.Equal(s.now) {
		t.Errorf("alive %v, progress %v", m.Alive, m.Progress)
	}
	s.commit("m1", 0, 5)
	if m := s.group.Member("m1"); !m.Alive.Equal(s.now) {
		t.Errorf("alive %v", m.Alive)
	}
}

// Before KIP-447 producers committed for no member: that is nobody from outside.
func TestProducersOfOldCommitForNoMember(t *testing.T) {
	s := consuming(t)
	s.commit("m1", 0, 100)
	s.group.Apply(rules.Committed{
		At: s.now, Client: client("m1"), Membership: rules.Membership{Group: "g", Generation: -1}, TransactionalID: "T",
		Offsets: []rules.PartitionOffset{{TopicPartition: orders(0), Offset: 200}},
	})
	s.ended("T", true)
	s.wantCommitted("it counts", 200)
	if text := s.moves(); text != "" {
		t.Error(text)
	}
}

func TestTransactionsKnowTheirGroups(t *testing.T) {
	all := state.NewTransactions(2)
	if timeout := all.Joined("T", "g"); timeout != 0 {
		t.Errorf("timeout %v", timeout)
	}
	all.Joined("T", "g")
	all.Joined("T", "h")
	if got := fmt.Sprint(all.Ended("T"), all.Ended("T")); got != "[g h] []" {
		t.Error(got)
	}
	all.Joined("T", "g")
	if got := fmt.Sprint(all.Began("T", time.Second), all.Ended("T"), all.Joined("T", "g")); got != "[g] [] 1s" {
		t.Error(got)
	}
	for i := range 100 {
		all.Joined("U", fmt.Sprint(i))
	}
	if n := len(all.Ended("U")); n != 16 {
		t.Errorf("%d groups", n)
	}
	if all.Joined("V", "g"); all.Len() != 2 || all.Evicted() != 1 || len(all.Ended("T")) != 0 {
		t.Errorf("%d kept, %d evicted", all.Len(), all.Evicted())
	}
}
