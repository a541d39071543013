package state_test

import (
	"reflect"
	"testing"

	"warder/rules"
	"warder/rules/state"
)

func TestWhatTasksRead(t *testing.T) {
	s := state.NewTopologies(2)
	count := func(topic string) int { return map[string]int{"orders": 4, "users": 2}[topic] }
	if list, whole := s.Find("app").Reads(nil, "0", []int32{1}, count); list != nil || whole {
		t.Errorf("nothing is known: %v, %v", list, whole)
	}
	if _, whole := s.Find("app").Reads(nil, "0", nil, count); !whole {
		t.Error("no task reads nothing")
	}
	s.Learn("app", &state.Topology{Epoch: 1, Subtopologies: map[string]state.Subtopology{
		"0": {Topics: []string{"orders", "users", "unheard-of"}, Whole: true},
		"1": {Topics: []string{"users"}},
	}})
	s.Learn("app", &state.Topology{Epoch: 0}) // of an application that is replaced
	topology := s.Find("app")
	list, whole := topology.Reads(nil, "0", []int32{1, 3}, count)
	want := []rules.TopicPartition{
		{Topic: "orders", Partition: 1}, {Topic: "orders", Partition: 3},
		{Topic: "users", Partition: 1}, // which has no partition 3
		{Topic: "unheard-of", Partition: 1}, {Topic: "unheard-of", Partition: 3},
	}
	if !reflect.DeepEqual(list, want) || !whole {
		t.Errorf("%v, %v", list, whole)
	}
	if list, whole := topology.Reads(nil, "1", []int32{0}, count); len(list) != 1 || whole {
		t.Errorf("a pattern reads more: %v, %v", list, whole)
	}
	if list, whole := topology.Reads(nil, "7", []int32{0}, count); list != nil || whole {
		t.Errorf("no such subtopology: %v, %v", list, whole)
	}
	s.Learn("a", &state.Topology{})
	s.Learn("b", &state.Topology{})
	if s.Len() != 2 || s.Evicted() != 1 || s.Find("app") != nil {
		t.Errorf("%d known, %d evicted", s.Len(), s.Evicted())
	}
}
