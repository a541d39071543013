package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestKeyDriftCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/key_drift")
}
