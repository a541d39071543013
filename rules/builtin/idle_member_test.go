package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestIdleMemberCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/idle_member")
}
