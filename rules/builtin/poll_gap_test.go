package builtin_test

import (
	"strings"
	"testing"
	"time"

	"warder/rules"
	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestPollGapCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/poll_gap")
}

// The advice has the numbers that were measured and the names of the library.
func TestPollGapAdvice(t *testing.T) {
	start := time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)
	for software, want := range map[string]string{
		"apache-kafka-java": "Raise max.poll.interval.ms above 367000, or lower max.poll.records to less than 82 % of what it is (409, if it is the default of 500).",
		"kafka-python":      "Raise max_poll_interval_ms above 367000, or lower max_poll_records to less than 82 % of what it is (409, if it is the default of 500).",
		"librdkafka":        "Raise max.poll.interval.ms above 367000, or do less between two calls of poll or consume.",
	} {
		g := watchGroup(t, "poll-gap", start)
		client := &rules.Identity{ClientID: "billing", SoftwareName: software}
		member := rules.Membership{Group: "g", MemberID: "c1", Generation: 1}
		joins := func(at time.Time, as rules.Membership) {
			g.tell(rules.JoinRequested{At: at, Client: client, Membership: rules.Membership{Group: "g"}, SessionTimeout: 45 * time.Second, RebalanceTimeout: 5 * time.Minute})
			g.tell(rules.Joined{At: at, Client: client, Membership: as, Requested: at, Leader: as.MemberID})
		}
		joins(start, member)
		left := start.Add(5*time.Minute + 2*time.Second) // its work goes on: there is nothing to reckon with yet
		g.tell(rules.Left{At: left, Client: client, Group: "g", Members: []rules.LeavingMember{{MemberID: "c1", Reason: "consumer poll timeout has expired."}}})
		if first := g.tick(left); len(first) != 1 || first[0].Severity != rules.Critical || !strings.Contains(first[0].Advice, "longe") || strings.Contains(first[0].Advice, "Raise") {
			t.Errorf("%s: %+v", software, first)
		}
		back := start.Add(6*time.Minute + 6*time.Second)
		joins(back, rules.Membership{Group: "g", MemberID: "c7", Generation: 3})
		if got := g.tick(back); len(got) != 1 || got[0].Advice != want || got[0].Evidence.Get("processing_ms") != int64(366000) || got[0].Subject.Member != "c1" {
			t.Errorf("%s: %+v", software, got)
		}
	}
}
