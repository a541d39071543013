package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestTimeoutMisfitCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/timeout_misfit")
}
