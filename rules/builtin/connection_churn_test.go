package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestConnectionChurnCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/connection_churn")
}
