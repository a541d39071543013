package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestRetentionLossCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/retention_loss")
}
