package builtin_test

import (
	"testing"

	"warder/rules/builtin"
	"warder/rules/ruletest"
)

func TestOffsetRewindCases(t *testing.T) {
	ruletest.Run(t, builtin.Specs(), "testdata/offset_rewind")
}
