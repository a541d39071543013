package builtin

import (
	"testing"

	"warder/rules"
)

// txnTombstones is what the rule tombstone knows of one transactional id.
type txnTombstones = heldBack[tombstones]

func TestRefusedBatchIsNotHeld(t *testing.T) {
	w := &watched{rule: &tombstone{}}
	refused := batch(1, 1, 7, 0).(rules.Observation)
	refused.Refused = true
	w.see(refused)
	w.see(batch(2, 2, 7, 0))
	w.see(end(3, 7, 0, true))
	if len(w.said) != 1 || w.said[0] != "2 committed" {
		t.Errorf("%v", w.said)
	}
}
