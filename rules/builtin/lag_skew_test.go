package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestLagSkewCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/lag_skew")
}
