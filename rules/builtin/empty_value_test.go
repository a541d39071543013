package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestEmptyValueCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/empty_value")
}
