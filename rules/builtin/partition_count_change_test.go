package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestPartitionCountChangeCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/partition_count_change")
}
