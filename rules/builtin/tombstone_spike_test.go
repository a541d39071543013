package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestTombstoneSpikeCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/tombstone_spike")
}
