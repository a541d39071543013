package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"warder/rules"
	"warder/rules/sink"
)

// demoOutcome is what became of one act. While the act is played in the background it belongs to that goroutine, until
// began is closed.
type demoOutcome struct {
	act     *demoAct
	began   <-chan struct{} // closed when the background has played it; nil for acts that are played in their turn
	printed *bytes.Buffer   // what that printed
	times   int             // how often it was played
	refused int             // of them refused
	finding *rules.Finding  // what was found of it at last; nil for nothing
	err     error           // what kept the act from being played as meant
}

// missing says what was expected and did not come; nil when all did.
func (o *demoOutcome) missing() error {
	switch {
	case o.err != nil:
		return o.err
	case o.times == 0:
		return errors.New("not played")
	case o.act.refused && o.refused < o.times:
		return fmt.Errorf("refused %d of %d times", o.refused, o.times)
	case !o.act.refused && o.refused > 0:
		return fmt.Errorf("refused %d times, although it must be stored", o.refused)
	case o.act.found && o.finding == nil:
		return errors.New("no finding by rule " + o.act.rule)
	case !o.act.found && o.finding != nil:
		return errors.New("a finding by rule " + o.finding.Rule + ", although there must be none")
	}
	return nil
}

// result says in a word or two what became of the act.
func (o *demoOutcome) result() string {
	if o.times == 0 {
		return "not played"
	}
	text := demoWords(o.refused > 0, o.finding != nil)
	if o.times > 1 {
		text += fmt.Sprintf(" ×%d", o.times)
	}
	return text
}

// demoWords says what became of something, as short as a table wants it.
func demoWords(refused bool, found bool) string {
	switch {
	case refused && found:
		return "refused, found"
	case refused:
		return "refused"
	case found:
		return "found"
	}
	return "silent"
}

// demoTable is what was done and what came of it.
type demoTable struct {
	rows    [][]string
	ok      []bool
	missing []error
}

func (t *demoTable) add(err error, rule, done, result string) {
	if err != nil {
		result = "MISSING"
		t.missing = append(t.missing, fmt.Errorf("%s: %w", done, err))
	}
	t.rows, t.ok = append(t.rows, []string{rule, done, result}), append(t.ok, err == nil)
}

func (t *demoTable) chapter(title string) {
	t.rows, t.ok = append(t.rows, []string{title}), append(t.ok, true)
}

// conclude writes the table.
func (d *demo) conclude() error {
	p, t := d.print, &demoTable{rows: [][]string{{"rule", "what was done", "came of it"}}}
	var before demoAct
	for _, o := range d.outcomes {
		if o.act.chapter != before.chapter {
			t.chapter(o.act.chapter)
		}
		rule := ""
		if o.act.rule != before.rule {
			rule = o.act.rule
		}
		o.finding = d.stage.look(o.act) // also what came late, where nothing was expected
		t.add(o.missing(), rule, o.act.title(), o.result())
		before = *o.act
	}
	s := d.stage.shop
	t.chapter("Besides")
	t.add(s.problem(), "", fmt.Sprintf("shop: %d orders, %d payments, %d users", s.orders.Load(), s.payments.Load(), s.users.Load()), "all stored")
	p.chapter("What came of it")
	p.table(t.rows, t.ok)
	p.line("")
	d.showOthers()
	for _, err := range t.missing {
		p.line("  " + p.ink(inkRed, err.Error()))
	}
	if len(t.missing) > 0 {
		return errDemoMissing
	}
	p.line("  " + p.ink(inkGreen, "Everything expected was found: "+d.score()))
	return nil
}

// score counts what was shown.
func (d *demo) score() string {
	mistakes, refused, innocent := 0, 0, 0
	for _, o := range d.outcomes {
		switch {
		case o.act.refused:
			mistakes, refused = mistakes+1, refused+1
		case o.act.found:
			mistakes++
		default:
			innocent++
		}
	}
	text := counted(mistakes, "mistake") + ", " + strconv.Itoa(refused) + " of them refused."
	if innocent > 0 {
		text += fmt.Sprintf(" %d that look alike and are none were let be.", innocent)
	}
	return text
}

// showOthers lists the findings that belong to no act.
func (d *demo) showOthers() {
	for _, f := range d.stage.found.Query(sink.Query{}) {
		if !slices.ContainsFunc(d.outcomes, func(o *demoOutcome) bool {
			q := o.act.query()
			return q.Match(&f)
		}) {
			d.print.field("further", fmt.Sprintf("%s: %s", f.Rule, f.Summary))
		}
	}
}
