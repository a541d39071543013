package rules_test

import (
	"encoding/json"
	"testing"
	"time"

	"warder/rules"
)

// TestTopicAsJSON: the form of the API and of the state file.
func TestTopicAsJSON(t *testing.T) {
	topic := rules.Topic{
		Name: "users", ID: rules.TopicID{1, 2, 3, 0xff}, Partitions: 3,
		Cleanup: rules.CleanupCompact | rules.CleanupDelete, ConfigTime: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	text, err := json.Marshal(topic)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"name":"users","id":"AQID_wAAAAAAAAAAAAAAAA","partitions":3,"cleanup_policy":"compact,delete","config_time":"2026-01-02T03:04:05Z"}`
	if string(text) != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
	var back rules.Topic
	if err := json.Unmarshal(text, &back); err != nil || back != topic {
		t.Errorf("%+v, %v", back, err)
	}
	for _, bad := range []string{"", "AQID", "AQID_wAAAAAAAAAAAAAAAAA", "AQID_wAAAAAAAAAAAAAA*A"} {
		var id rules.TopicID
		if err := id.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q passes as a topic id", bad)
		}
	}
}

func TestTopicSettings(t *testing.T) {
	var s rules.TopicSettings
	for _, name := range rules.SettingNames() {
		s.Set(name, "nonsense")
	}
	if s != (rules.TopicSettings{}) {
		t.Errorf("nonsense is %+v", s)
	}
	s.Set(rules.RetentionMs, "-1")
	s.Set(rules.RetentionBytes, "1073741824")
	s.Set(rules.MinInsync, "99999999999")
	s.Set(rules.Unclean, "true")
	s.Set("segment.ms", "1")
	if want := (rules.TopicSettings{RetentionMs: -1, RetentionBytes: 1 << 30, MinInsync: 1<<31 - 1, Unclean: true}); s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
}
