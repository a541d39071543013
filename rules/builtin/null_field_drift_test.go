package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestNullFieldDriftCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/null_field_drift")
}
