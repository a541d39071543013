package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestPartitionerMixCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/partitioner_mix")
}
