package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestUntunedConsumerCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/untuned_consumer")
}
