package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestFormatDriftCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/format_drift")
}
