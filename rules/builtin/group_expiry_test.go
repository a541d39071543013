package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestGroupExpiryCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/group_expiry")
}
