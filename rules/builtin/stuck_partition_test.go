package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestStuckPartitionCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/stuck_partition")
}
