package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestPoisonMessageCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/poison_message")
}
