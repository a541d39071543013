package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"warder/proxy/embedded"
)

// demoPlay is how a demo is played; tests play it quickly, and in part.
type demoPlay struct {
	scenes []demoScene
	every  time.Duration // between rounds of mistakes
}

// errDemoMissing ends a demo in which something expected did not come.
var errDemoMissing = errors.New("something expected was not found")

// demo is a running demonstration.
type demo struct {
	opts     demoOptions
	how      demoPlay
	stage    *demoStage
	print    *demoPrinter
	warder   *demoWarder
	outcomes []*demoOutcome
}

// runDemo is `warder demo`: it returns errDemoMissing when something expected was missing.
func runDemo(ctx context.Context, o demoOptions) error {
	return playDemo(ctx, o, demoPlay{scenes: demoScenes(), every: 10 * time.Second})
}

// playDemo starts embedded brokers, warder in front of them and a shop that works through it, plays every act once,
// goes on until the duration is over or ctx ends, and writes the table.
func playDemo(ctx context.Context, o demoOptions, play demoPlay) (err error) {
	began := time.Now()
	whole := context.WithoutCancel(ctx) // what has begun is ended in order, also after Ctrl-C
	cluster, err := embedded.Start(ctx, embedded.Options{Brokers: 3, Topics: demoTopics(play.scenes), Config: demoBrokers})
	if err != nil {
		return err
	}
	defer cluster.Close()
	cfg, err := demoConfig(o, cluster.Bootstrap(), play.scenes)
	if err != nil {
		return err
	}
	w, err := startDemoWarder(whole, cfg, o.stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.stop()) }()
	d := &demo{
		opts: o, how: play, warder: w, print: &demoPrinter{out: o.stdout, colour: o.colour},
		stage: &demoStage{shop: &demoShop{bootstrap: w.bootstrap}, cluster: cluster, admin: w.admin, found: w.found},
	}
	for _, act := range demoActs(play.scenes) {
		d.outcomes = append(d.outcomes, &demoOutcome{act: act})
	}
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
	d.stage.shop.closeKept()
	return d.conclude()
}

func (d *demo) introduce() {
	p := d.print
	p.line(p.ink(inkBold, "warder demo"))
	p.line("")
	p.field("brokers", d.stage.cluster.Bootstrap()+"  embedded, Kafka-compatible")
	p.field("warder", d.warder.bootstrap+"  point a client of your own here")
	p.field("page", "http://"+d.warder.admin+"/")
	p.field("shop", "checkout writes orders, billing reads them as a group and writes payments, signup keeps users up to date; users is compacted. It does nothing wrong. Others do:")
	p.field("acts", "each shows what a client does and how that comes about, what its developer sees, and what the operator of warder sees: time, severity, rule, action, the finding and its advice")
	p.field("rules", "where one has more than its defaults the act shows it as it stands below `rules:` in a file; windows and numbers are made small, so that nobody has to wait")
}

// firstRound plays every act once, with all there is to see.
func (d *demo) firstRound(ctx context.Context) {
	background := d.begin(ctx)
	defer background.Wait()
	chapter := ""
	for i, o := range d.outcomes {
		if ctx.Err() != nil {
			break
		}
		if o.act.chapter != chapter {
			chapter = o.act.chapter
			d.print.chapter(chapter)
		}
		d.print.heading(i+1, len(d.outcomes), o.act.rule+"  "+o.act.title())
		d.print.field("", o.act.because)
		if o.act.config != "" {
			d.print.field("rule", o.act.config)
		}
		if o.began != nil {
			<-o.began
			_, _ = o.printed.WriteTo(d.print.out)
		} else {
			d.play(ctx, o, d.print)
		}
		d.showFinding(o)
		if o.act.after != nil && o.missing() == nil {
			o.err = o.act.after(ctx, d.stage.of(o.act, d.print))
		}
		if o.err != nil {
			d.print.field("failed", d.print.ink(inkRed, o.err.Error()))
		}
	}
}

// begin plays all acts that are played once, side by side. What they print waits until their turn comes.
func (d *demo) begin(ctx context.Context) *sync.WaitGroup {
	var background sync.WaitGroup
	for _, o := range d.outcomes {
		if !o.act.once {
			continue
		}
		began := make(chan struct{})
		o.began, o.printed = began, &bytes.Buffer{}
		background.Go(func() {
			defer close(began)
			d.play(ctx, o, &demoPrinter{out: o.printed, colour: d.print.colour})
		})
	}
	return &background
}

// play plays an act and updates its outcome.
func (d *demo) play(ctx context.Context, o *demoOutcome, p *demoPrinter) {
	ctx, cancel := context.WithTimeout(ctx, 3*demoPatience)
	defer cancel()
	st := d.stage.of(o.act, p)
	refused, err := o.act.play(ctx, st)
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
	o.finding = st.finding(ctx, refused)
}

func (d *demo) showFinding(o *demoOutcome) {
	p := d.print
	if o.finding == nil {
		p.field("operator", "Nothing was found.")
		return
	}
	p.finding(o.finding)
}

// furtherRounds repeats the acts that can be, one line each, until the time is over.
func (d *demo) furtherRounds(ctx context.Context, began time.Time) {
	p := d.print
	if d.opts.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, began.Add(d.opts.duration))
		defer cancel()
	}
	if ctx.Err() != nil {
		return
	}
	p.line("")
	p.line(fmt.Sprintf("  The shop goes on working, and what takes no time comes again every %s. Ctrl-C ends the demo.", d.how.every))
	for pause(ctx, d.how.every) {
		for _, o := range d.outcomes {
			if o.act.once {
				continue
			}
			d.play(ctx, o, &demoPrinter{out: io.Discard})
			if ctx.Err() == nil {
				p.line(fmt.Sprintf("  %s  %s: %s", clock(time.Now()), o.act.title(), o.result()))
			}
		}
	}
}
