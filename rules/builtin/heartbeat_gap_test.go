package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestHeartbeatGapCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/heartbeat-gap")
}
