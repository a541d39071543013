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
