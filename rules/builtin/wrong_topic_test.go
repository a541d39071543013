package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestWrongTopicCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/wrong_topic")
}
