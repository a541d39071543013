package state_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"warder/rules"
	"warder/rules/state"
)

var epoch = time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)

func mustFind(t *testing.T, s *state.Topics, name string) state.Topic {
	t.Helper()
	topic, ok := s.ByName([]byte(name))
	if !ok {
		t.Fatalf("%s is not known", name)
	}
	return topic
}

func TestTopicsByNameAndID(t *testing.T) {
	s := state.NewTopics(0)
	s.Learn("users", [16]byte{1}, 3)
	s.LearnConfig("users", "compact", epoch)
	want := state.Topic{Name: "users", ID: [16]byte{1}, Partitions: 3, Cleanup: rules.CleanupCompact, ConfigTime: epoch}
	if got := mustFind(t, s, "users"); got != want {
		t.Errorf("by name: %+v", got)
	}
	if got, ok := s.ByID([16]byte{1}); !ok || got != want {
		t.Errorf("by id: %+v", got)
	}
	if _, ok := s.ByID([16]byte{}); ok {
		t.Error("the zero id is somebody's")
	}
	s.Learn("users", [16]byte{}, 0) // no news
	if got := mustFind(t, s, "users"); got != want {
		t.Errorf("no news changed it: %+v", got)
	}
	s.Delete("users")
	if _, ok := s.ByID([16]byte{1}); ok || s.Len() != 0 {
		t.Error("a deleted topic is still there")
	}
	s.Delete("users")
	s.Learn("", [16]byte{2}, 1)
	s.LearnConfig("", "compact", epoch)
	if s.Len() != 0 {
		t.Error("a topic without a name")
	}
}

func TestRecreatedTopicLosesItsConfig(t *testing.T) {
	s := state.NewTopics(0)
	s.LearnConfig("users", "compact", epoch)
	s.Learn("users", [16]byte{1}, 3)
	if !mustFind(t, s, "users").Cleanup.Compacts() {
		t.Fatal("learning the id lost the configuration")
	}
	s.Learn("users", [16]byte{2}, 6)
	if got, want := mustFind(t, s, "users"), (state.Topic{Name: "users", ID: [16]byte{2}, Partitions: 6}); got != want {
		t.Errorf("%+v", got)
	}
	if _, ok := s.ByID([16]byte{1}); ok {
		t.Error("the old id still leads to it")
	}
}

func TestOldNewsOfAConfigAreIgnored(t *testing.T) {
	s := state.NewTopics(0)
	s.LearnConfig("users", "compact", epoch)
	s.LearnConfig("users", "delete", epoch.Add(-time.Second))
	if got := mustFind(t, s, "users").Cleanup; got != rules.CleanupCompact {
		t.Error(got)
	}
	s.LearnConfig("users", "delete", epoch)
	if got := mustFind(t, s, "users").Cleanup; got != rules.CleanupDelete {
		t.Error(got)
	}
	s.ForgetConfig("users")
	s.ForgetConfig("nobody")
	if got := mustFind(t, s, "users"); got.Cleanup.Known() || !got.ConfigTime.IsZero() || s.Len() != 1 {
		t.Errorf("%+v", got)
	}
}

func TestNewsComeAsAnotherPointer(t *testing.T) {
	s := state.NewTopics(0)
	s.Learn("users", [16]byte{1}, 3)
	first := s.Find([]byte("users"))
	s.Learn("users", [16]byte{1}, 3)
	if s.Find([]byte("users")) != first || s.FindID([16]byte{1}) != first {
		t.Error("no news, another pointer")
	}
	s.Learn("users", [16]byte{1}, 4)
	if s.Find([]byte("users")) == first || first.Partitions != 3 {
		t.Error("what was handed out has changed")
	}
}

func TestTopicsAreBoundedAndKeepTheUsed(t *testing.T) {
	s := state.NewTopics(100)
	for i := range 1000 {
		s.Learn(fmt.Sprint("topic-", i), [16]byte{1, byte(i), byte(i >> 8)}, 1)
		for used := range min(i, 20) {
			if _, ok := s.ByName(fmt.Append(nil, "topic-", used)); !ok {
				t.Fatalf("topic-%d, in use, was dropped at %d", used, i)
			}
		}
	}
	if s.Len() != 100 || s.Evicted() != 900 {
		t.Errorf("%d topics, %d evicted", s.Len(), s.Evicted())
	}
	byID := 0
	for i := range 1000 {
		if topic, ok := s.ByID([16]byte{1, byte(i), byte(i >> 8)}); ok {
			byID++
			if _, ok := s.ByName([]byte(topic.Name)); !ok {
				t.Errorf("%s has an id and no name", topic.Name)
			}
		}
	}
	if byID != 100 {
		t.Errorf("%d ids", byID)
	}
}

func TestTopicsSurviveARestart(t *testing.T) {
	s := state.NewTopics(0)
	s.Learn("users", [16]byte{1}, 3)
	s.LearnConfig("users", "compact,delete", epoch)
	s.LearnConfig("carts", "", epoch)
	s.Learn("orders", [16]byte{3}, 1)
	saved, err := json.Marshal(s.Export())
	if err != nil {
		t.Fatal(err)
	}
	var loaded []state.Topic
	if err := json.Unmarshal(saved, &loaded); err != nil {
		t.Fatal(err)
	}
	fresh := state.NewTopics(0)
	fresh.LearnConfig("orders", "delete", epoch) // known already: stays
	fresh.Import(loaded)
	want := s.Export()
	want[1] = state.Topic{Name: "orders", Cleanup: rules.CleanupDelete, ConfigTime: epoch}
	if diff := cmp.Diff(want, fresh.Export()); diff != "" {
		t.Error(diff)
	}
	if _, ok := fresh.ByID([16]byte{1}); !ok {
		t.Error("ids are lost")
	}
}

func TestReadsAllocateNothing(t *testing.T) {
	s := state.NewTopics(0)
	s.Learn("users", [16]byte{1}, 3)
	name := []byte("users")
	if n := testing.AllocsPerRun(100, func() {
		s.Find(name)
		s.ByName(name)
		s.ByID([16]byte{1})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTopicsFromManySides(t *testing.T) {
	s := state.NewTopics(50)
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 2000 {
				name := fmt.Sprint("topic-", (i*7+w)%80)
				switch i % 6 {
				case 0:
					s.Learn(name, [16]byte{byte(i)}, i%5)
				case 1:
					s.LearnConfig(name, "compact", epoch.Add(time.Duration(i)))
				case 2:
					s.Delete(name)
				case 3:
					s.Import(s.Export())
				default:
					if topic, ok := s.ByName([]byte(name)); ok && topic.Name != name {
						t.Errorf("%s is called %s", name, topic.Name)
					}
				}
			}
		})
	}
	all.Wait()
	if s.Len() > 50 {
		t.Errorf("%d topics", s.Len())
	}
}

func TestLearnSaysWhatIsNews(t *testing.T) {
	topics := state.NewTopics(10)
	one, two := [16]byte{1}, [16]byte{2}
	for i, step := range []struct {
		id         [16]byte
		partitions int
		news       bool
	}{
		{one, 3, true}, {one, 3, false}, {[16]byte{}, 0, false}, {[16]byte{}, 4, true}, {two, 4, true}, {two, 0, false},
	} {
		if news := topics.Learn("t", step.id, step.partitions); news != step.news {
			t.Errorf("step %d: news %t", i, news)
		}
	}
	if topics.Learn("", one, 1) {
		t.Error("a topic without a name is news")
	}
}

// names gives the names of topics in any order.
func names(topics []state.Topic) map[string]bool {
	out := map[string]bool{}
	for _, t := range topics {
		out[t.Name] = true
	}
	return out
}

func TestEachTopicIsToldOnce(t *testing.T) {
	s := state.NewTopics(0)
	if s.Tell("users") || len(s.Untold(10)) != 0 {
		t.Error("told of a topic that is not known")
	}
	s.Import([]state.Topic{{Name: "saved"}})
	s.Learn("users", [16]byte{}, 3)
	s.Learn("orders", [16]byte{2}, 3)
	if !s.Tell("users") || s.Tell("users") {
		t.Error("users is not told just once")
	}
	if diff := cmp.Diff(map[string]bool{"saved": true, "orders": true}, names(s.Untold(10))); diff != "" {
		t.Error(diff)
	}
	if got := s.Untold(10); len(got) != 0 {
		t.Errorf("told again: %v", got)
	}
	s.Learn("users", [16]byte{1}, 3) // it has had that id all along
	s.Learn("orders", [16]byte{2}, 6)
	if s.Tell("users") || s.Tell("orders") {
		t.Error("a topic is news although it is the same")
	}
	s.Learn("orders", [16]byte{3}, 6)
	if !s.Tell("orders") || s.Tell("orders") {
		t.Error("a topic that was made anew is no news")
	}
	s.Delete("users")
	s.Learn("users", [16]byte{}, 1)
	if diff := cmp.Diff(map[string]bool{"users": true}, names(s.Untold(10))); diff != "" {
		t.Error(diff)
	}
	s.TellAgain()
	s.Delete("saved")
	if diff := cmp.Diff(map[string]bool{"users": true, "orders": true}, names(s.Untold(10))); diff != "" {
		t.Error(diff)
	}
}

func TestUntoldComesInPieces(t *testing.T) {
	s := state.NewTopics(50)
	for i := range 120 { // some are forgotten before anybody is told
		s.Learn(fmt.Sprint("topic-", i), [16]byte{}, 1)
	}
	got := map[string]bool{}
	for _, want := range []int{20, 20, 10, 0} {
		piece := s.Untold(20)
		if len(piece) != want {
			t.Errorf("%d topics, want %d", len(piece), want)
		}
		for name := range names(piece) {
			got[name] = true
		}
	}
	if len(got) != 50 {
		t.Errorf("%d topics told", len(got))
	}
}

func TestTopicSettingsAreForgotten(t *testing.T) {
	topics := state.NewTopics(0)
	topics.LearnSettings("", rules.TopicSettings{})
	topics.ForgetSettings("orders")
	topics.LearnSettings("orders", rules.TopicSettings{RetentionMs: 5})
	if got := topics.Find([]byte("orders")).Settings; !got.Known || got.RetentionMs != 5 {
		t.Errorf("%+v", got)
	}
	topics.LearnConfig("orders", "compact", time.Now())
	restarted := state.NewTopics(0)
	restarted.Import(topics.Export())
	if got := restarted.Find([]byte("orders")); got.Settings.Known || !got.Cleanup.Compacts() {
		t.Errorf("after a restart %+v", got)
	}
	topics.ForgetSettings("orders")
	if got := topics.Find([]byte("orders")); got.Settings.Known || !got.Cleanup.Compacts() || topics.Len() != 1 {
		t.Errorf("%+v, %d topics", got, topics.Len())
	}
}

// Who follows is given what is known, and told of what is learnt, but not of what is
// known already.
func TestTopicsAreFollowed(t *testing.T) {
	s := state.NewTopics(0)
	s.Learn("early", [16]byte{}, 1)
	var heard []state.Topic
	if known := s.Follow(func(t state.Topic) { heard = append(heard, t) }); len(known) != 1 || known[0].Name != "early" {
		t.Errorf("known: %v", known)
	}
	at := time.Unix(1000, 0)
	for range 2 {
		s.Learn("orders", [16]byte{1}, 3)
		s.LearnConfig("orders", "compact", at)
	}
	s.LearnSettings("orders", rules.TopicSettings{RetentionMs: 7})
	if len(heard) != 3 || heard[1].Cleanup != rules.CleanupCompact || heard[2].Settings.RetentionMs != 7 || heard[2].Partitions != 3 {
		t.Errorf("heard: %+v", heard)
	}
}
