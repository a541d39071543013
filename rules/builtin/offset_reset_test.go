package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestOffsetResetCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/offset_reset")
}
