package main

import (
	"bytes"
	"errors"
	"fmt"

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

func (a *demoAct) expected() string { return demoWords(a.refused, a.found) }

// result says in the words of expected what became of the act.
func (o *demoOutcome) result() string {
	if o.times == 0 {
		return "not played"
	}
	text := demoWords(o.refused > 0, o.finding != nil)
	if o.times > 1 {
		text += fmt.Sprintf(" (%d times)", o.times)
	}
	return text
}

func demoWords(refused bool, found bool) string {
	text := "passed"
	if refused {
		text = "refused"
	}
	if found {
		return text + ", finding"
	}
	return text + ", no finding"
}

// conclude writes the table.
func (d *demo) conclude() error {
	p := d.print
	rows := [][]string{{"rule", "what was done", "expected", "found", ""}}
	var ok []bool
	var missing []error
	add := func(err error, cells ...string) {
		verdict := "ok"
		if err != nil {
			verdict = "MISSING"
			missing = append(missing, fmt.Errorf("%s: %w", cells[1], err))
		}
		rows = append(rows, append(cells, verdict))
		ok = append(ok, err == nil)
	}
	for _, o := range d.outcomes {
		o.finding = d.stage.look(o.act) // also what came late, where nothing was expected
		add(o.missing(), o.act.rule, o.act.client+": "+o.act.does, o.act.expected(), o.result())
	}
	s := d.stage.shop
	add(s.problem(), "", fmt.Sprintf("shop: %d orders, %d payments, %d users", s.orders.Load(), s.payments.Load(), s.users.Load()),
		"all stored", map[bool]string{true: "all stored", false: "not all stored"}[s.problem() == nil])
	p.line("")
	p.table(rows, ok)
	p.line("")
	if others := d.others(); others > 0 {
		p.line(fmt.Sprintf("  %d further findings; see http://%s/ while a demo runs", others, d.warder.admin))
	}
	for _, err := range missing {
		p.line("  " + p.ink(inkRed, err.Error()))
	}
	if len(missing) > 0 {
		return errDemoMissing
	}
	p.line("  " + p.ink(inkGreen, "Everything expected was found."))
	return nil
}

// others counts the findings that belong to no act.
func (d *demo) others() int {
	n := 0
	for _, f := range d.stage.found.Query(sink.Query{}) {
		belongs := false
		for _, o := range d.outcomes {
			q := o.act.query()
			belongs = belongs || q.Match(&f)
		}
		if !belongs {
			n++
		}
	}
	return n
}
