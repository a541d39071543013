package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"warder/proxy/embedded"
	"warder/rules/sink"
)

// demoPlay is how a demo is played; tests play it quickly, and with rules that do not refuse.
type demoPlay struct {
	action string        // what the rules that the demo shows do
	every  time.Duration // between rounds of mistakes
}

// errDemoMissing ends a demo in which something expected did not come.
var errDemoMissing = errors.New("something expected was not found")

// demo is a running demonstration.
type demo struct {
	opts     demoOptions
	how      demoPlay
	stage    *demoStage
	warder   *demoWarder
	outcomes []demoOutcome
}

// runDemo is `warder demo`: it returns errDemoMissing when something expected was missing.
func runDemo(ctx context.Context, o demoOptions) error {
	return playDemo(ctx, o, demoPlay{action: "block", every: 10 * time.Second})
}

// playDemo starts embedded brokers, warder in front of them and a shop that works through it, plays every act once,
// goes on until the duration is over or ctx ends, and writes the table.
func playDemo(ctx context.Context, o demoOptions, play demoPlay) (err error) {
	began := time.Now()
	whole := context.WithoutCancel(ctx) // what has begun is ended in order, also after Ctrl-C
	cluster, err := embedded.Start(ctx, embedded.Options{Brokers: 3, Topics: demoTopics})
	if err != nil {
		return err
	}
	defer cluster.Close()
	cfg, err := demoConfig(o, cluster.Bootstrap(), play.action)
	if err != nil {
		return err
	}
	w, err := startDemoWarder(whole, cfg, o.stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.stop()) }()
	d := &demo{opts: o, how: play, warder: w, stage: &demoStage{
		shop: &demoShop{bootstrap: w.bootstrap}, cluster: cluster, found: w.found, print: &demoPrinter{out: o.stdout, colour: o.colour},
	}}
	if err := d.stage.shop.open(ctx); err != nil {
		return err
	}
	return d.run(ctx, began)
}

func (d *demo) run(ctx context.Context, began time.Time) error {
	d.introduce()
	working, closeShop := context.WithCancel(context.WithoutCancel(ctx))
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		d.stage.shop.work(working)
	}()
	d.firstRound(ctx)
	d.furtherRounds(ctx, began)
	closeShop()
	<-closed
	return d.conclude()
}

func (d *demo) introduce() {
	p := d.stage.print
	p.line(p.ink(inkBold, "warder demo"))
	p.line("")
	p.field("brokers", d.stage.cluster.Bootstrap()+"  embedded, Kafka-compatible")
	p.field("warder", d.warder.bootstrap+"  point a client of your own here")
	p.field("page", "http://"+d.warder.admin+"/")
	p.field("rules", demoRules(d.how.action))
	p.field("shop", "checkout writes orders, billing reads them as a group and writes payments, signup keeps users up to date; users is compacted")
}

// firstRound plays every act once, with all there is to see.
func (d *demo) firstRound(ctx context.Context) {
	acts := demoActs()
	d.outcomes = make([]demoOutcome, len(acts))
	for i := range acts {
		act := &acts[i]
		d.outcomes[i].act = act
		if ctx.Err() != nil {
			continue
		}
		p := d.stage.print
		p.heading(i+1, len(acts), act.client+": "+act.does)
		p.field("", act.because)
		p.line("")
		d.play(ctx, &d.outcomes[i])
		d.showFinding(&d.outcomes[i])
		if act.after != nil && d.outcomes[i].missing() == nil {
			d.outcomes[i].err = act.after(ctx, d.stage)
		}
		if err := d.outcomes[i].err; err != nil {
			p.field("failed", p.ink(inkRed, err.Error()))
		}
	}
}

// play plays an act once and updates its outcome.
func (d *demo) play(ctx context.Context, o *demoOutcome) {
	ctx, cancel := context.WithTimeout(ctx, 3*demoPatience)
	defer cancel()
	refused, err := o.act.play(ctx, d.stage)
	if ctx.Err() != nil && err != nil && o.times > 0 {
		return // ended by Ctrl-C while repeating: the earlier plays count
	}
	o.times++
	if refused {
		o.refused++
	}
	if err != nil {
		o.err = err
	}
	o.finding = d.stage.finding(ctx, o.act, refused)
}

func (d *demo) showFinding(o *demoOutcome) {
	p := d.stage.print
	if o.finding == nil {
		p.field("operator", "Nothing was found.")
		return
	}
	f := o.finding
	p.field("operator", p.ink(inkRed, fmt.Sprintf("%s %s %s %s", clock(f.LastTime.Local()), f.Severity, f.Rule, f.Action)))
	p.field("", f.Summary)
	p.field("", f.Advice)
}

// furtherRounds repeats the acts, one line each, until the time is over.
func (d *demo) furtherRounds(ctx context.Context, began time.Time) {
	p := d.stage.print
	if d.opts.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, began.Add(d.opts.duration))
		defer cancel()
	}
	if ctx.Err() != nil {
		return
	}
	p.line("")
	p.field("", fmt.Sprintf("The shop goes on working, and the mistakes come again every %s. Ctrl-C ends the demo.", d.how.every))
	p.quiet = true
	defer func() { p.quiet = false }()
	for pause(ctx, d.how.every) {
		for i := range d.outcomes {
			o := &d.outcomes[i]
			d.play(ctx, o)
			if ctx.Err() == nil {
				p.line(fmt.Sprintf("  %s  %s: %s: %s", clock(time.Now()), o.act.client, o.act.does, o.result()))
			}
		}
	}
}

// conclude writes the table.
func (d *demo) conclude() error {
	p := d.stage.print
	rows := [][]string{{"what was done", "expected", "found", ""}}
	var ok []bool
	var missing []error
	add := func(done, expected, found string, err error) {
		verdict := "ok"
		if err != nil {
			verdict = "MISSING"
			missing = append(missing, fmt.Errorf("%s: %w", done, err))
		}
		rows = append(rows, []string{done, expected, found, verdict})
		ok = append(ok, err == nil)
	}
	for i := range d.outcomes {
		o := &d.outcomes[i]
		o.finding = d.stage.look(o.act) // also what came late, where nothing was expected
		add(o.act.client+": "+o.act.does, o.act.expected(), o.result(), o.missing())
	}
	s := d.stage.shop
	add(fmt.Sprintf("shop: %d orders, %d payments, %d users", s.orders.Load(), s.payments.Load(), s.users.Load()),
		"all stored", map[bool]string{true: "all stored", false: "not all stored"}[s.problem() == nil], s.problem())
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
		for i := range d.outcomes {
			q := d.outcomes[i].act.query()
			belongs = belongs || q.Match(&f)
		}
		if !belongs {
			n++
		}
	}
	return n
}

func (a *demoAct) expected() string { return demoWords(a.refused, a.rule, a.found) }

// result says in the words of expected what became of the act.
func (o *demoOutcome) result() string {
	if o.times == 0 {
		return "not played"
	}
	text := demoWords(o.refused > 0, o.act.rule, o.finding != nil)
	if o.times > 1 {
		text += fmt.Sprintf(" (%d times)", o.times)
	}
	return text
}

func demoWords(refused bool, rule string, found bool) string {
	text := "stored"
	if refused {
		text = "refused"
	}
	if found {
		return text + ", finding " + rule
	}
	return text + ", no finding"
}
