package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestDangerousAdminCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/dangerous_admin")
}
