package builtin

import (
	"testing"
	"time"

	"warder/rules"
	"warder/rules/ruletest"
)

func TestTransactionAbortsCases(t *testing.T) {
	ruletest.Run(t, Specs(), "testdata/transaction_aborts")
}

// newAborts has a rule with its defaults and a function that lets transactions end.
func newAborts(t *testing.T) (*transactionAborts, *rules.Watch, func(at time.Time, committed, aborted int)) {
	t.Helper()
	rule, err := newTransactionAborts(func(any) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	a, w := rule.(*transactionAborts), &rules.Watch{Key: "T"}
	return a, w, func(at time.Time, committed, aborted int) {
		w.Now = at
		for i := range committed + aborted {
			a.Watch(w, rules.TransactionEnded{At: at, Client: &rules.Identity{ClientID: "ledger"}, TransactionalID: "T", Committed: i < committed})
		}
		a.Tick(w)
	}
}

func TestAbortThresholds(t *testing.T) {
	for _, tt := range []struct {
		committed, aborted int
		want               rules.Severity
	}{
		{0, 19, 0}, {16, 3, 0}, {0, 20, rules.Critical},
		{18, 2, 0}, {17, 3, rules.Warning}, {57, 3, rules.Warning}, {58, 3, 0},
		{14, 6, rules.Critical}, {15, 6, rules.Warning},
	} {
		_, w, end := newAborts(t)
		end(epoch, tt.committed, tt.aborted)
		var got rules.Severity
		if reports, _ := w.Left(); len(reports) > 0 {
			got = reports[0].Severity
		}
		if got != tt.want {
			t.Errorf("%d committed, %d aborted: %v, want %v", tt.committed, tt.aborted, got, tt.want)
		}
	}
}

// What is older than the window does not count, and an id without transactions is
// forgotten.
func TestAbortWindowSlides(t *testing.T) {
	a, w, end := newAborts(t)
	end(epoch, 0, 19)
	end(epoch.Add(a.Window), 0, 19)
	if reports, _ := w.Left(); len(reports) != 0 {
		t.Errorf("%d findings: %s", len(reports), reports[0].Summary)
	}
	end(epoch.Add(a.Window+time.Second), 0, 1)
	if reports, _ := w.Left(); len(reports) != 1 {
		t.Errorf("%d findings about 20 aborts within the window", len(reports))
	}
	w.Now = epoch.Add(10 * a.Window)
	a.Tick(w)
	if reports, _ := w.Left(); len(reports) != 1 || !reports[0].Resolved || w.State != nil {
		t.Errorf("left %+v and state %v", reports, w.State)
	}
}

// News may come out of order.
func TestLateEndCounts(t *testing.T) {
	_, w, end := newAborts(t)
	end(epoch.Add(5*time.Minute), 10, 0)
	end(epoch, 0, 10)
	if reports, _ := w.Left(); len(reports) != 1 {
		t.Errorf("%d findings", len(reports))
	}
}

// A window that is changed while the rule runs begins anew, and slides.
func TestAbortWindowIsChanged(t *testing.T) {
	for _, window := range []time.Duration{time.Minute, time.Hour} {
		a, w, end := newAborts(t)
		end(epoch, 0, 19)
		a.Window = window
		end(epoch.Add(time.Second), 0, 19)
		end(epoch.Add(window+time.Minute), 0, 1)
		if reports, _ := w.Left(); len(reports) != 0 {
			t.Errorf("%v: %s", window, reports[0].Summary)
		}
		w.Now = epoch.Add(3 * window)
		if a.Tick(w); w.State != nil {
			t.Errorf("%v: %+v is left", window, w.State)
		}
	}
}
