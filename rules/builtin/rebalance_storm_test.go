package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestRebalanceStormCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/rebalance_storm")
}
