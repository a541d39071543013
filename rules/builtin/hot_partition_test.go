package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestHotPartitionCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/hot_partition")
}
