package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"
)

const usage = `bench measures warder beside a plain relay and HAProxy; see docs/performance.md.

  bench [flags]        runs the loads and prints what came of them
  bench [flags] growth runs work that grows, and prints what warder takes for it
  bench [flags] docs   writes the figures of the last runs into docs/performance.md

`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what a run may be told; the environment gives defaults, for make.
type options struct {
	rounds  int
	seconds float64
	short   bool
	only    string
	targets string
	warder  string
	result  string
	growth  string
	command string
	page    string
	micro   bool
	pgo     string
}

func run(args []string) error {
	if len(args) == 3 && args[0] == "relay" {
		return relay(args[1], args[2])
	}
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	flags.IntVar(&o.rounds, "rounds", int(fromEnvironment("BENCH_ROUNDS", 5)), "rounds; BENCH_ROUNDS")
	flags.Float64Var(&o.seconds, "seconds", fromEnvironment("BENCH_SECONDS", 0.7), "how long each target has each load in a round; BENCH_SECONDS")
	flags.BoolVar(&o.short, "short", false, "one short round, to see whether it works")
	flags.StringVar(&o.only, "only", os.Getenv("BENCH_ONLY"), "loads whose name matches; BENCH_ONLY")
	flags.StringVar(&o.targets, "targets", os.Getenv("BENCH_TARGETS"), "targets whose name matches; BENCH_TARGETS")
	flags.StringVar(&o.warder, "warder", "bin/warder", "the binary to measure")
	flags.StringVar(&o.result, "result", ".cache/bench.json", "the file of the result")
	flags.StringVar(&o.growth, "growth", ".cache/bench-growth.json", "the file of the result of growth")
	flags.StringVar(&o.page, "page", "docs/performance.md", "the page that docs writes into")
	flags.BoolVar(&o.micro, "micro", true, "run Go's benchmarks of decoders, gate and keys too")
	flags.StringVar(&o.pgo, "pgo", "", "write a CPU profile of warder with all loads to this file, for the compiler, instead of a result")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if o.short {
		o.rounds, o.seconds = 1, 0.2
	}
	if o.pgo != "" {
		o.rounds, o.targets = 1, "^warder"
	}
	switch flags.Arg(0) {
	case "":
		o.command = "make bench"
		return measureAll(o, o.result, (*bench).measure)
	case "growth":
		o.command = "make bench-growth"
		return measureAll(o, o.growth, (*bench).runGrowth)
	case "docs":
		return writeDocs(o)
	}
	return fmt.Errorf("there is no %q; -h lists what there is", flags.Arg(0))
}

func fromEnvironment(name string, otherwise float64) float64 {
	if n, err := strconv.ParseFloat(os.Getenv(name), 64); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// report tells what is going on; the figures themselves go to standard output.
func report(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// bench is one run.
type bench struct {
	options
	ctx      context.Context //nolint:containedctx // of the whole run, ends with an interrupt
	dir      string
	sink     *broker
	certs    certs
	started  int
	nextPort int
	profiles []string // files
	result   *result
}

// measureAll runs what is to be run, saves its result and prints it.
func measureAll(o options, file string, what func(*bench) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Collections of this process would fall into one measurement and not into the other; what it keeps is made once.
	debug.SetGCPercent(400)
	dir, err := os.MkdirTemp("", "warder-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // in the folder for such files
	b := &bench{options: o, ctx: ctx, dir: dir}
	if b.warder, err = filepath.Abs(o.warder); err != nil {
		return err
	}
	if _, err := os.Stat(b.warder); err != nil {
		return fmt.Errorf("%w: make build", err)
	}
	if err := b.makeCerts(); err != nil {
		return err
	}
	b.result = newResult(o)
	if err := what(b); err != nil {
		return err
	}
	if o.pgo != "" {
		return b.mergeProfiles()
	}
	b.result.Ended, b.result.LoadAtEnd = time.Now().UTC(), loadAverage()
	if err := b.result.save(file); err != nil {
		return err
	}
	fmt.Print(b.result.page())
	report("the result is in %s", file)
	return nil
}

// measure runs all there is to run.
func (b *bench) measure() error {
	only, err := regexp.Compile(b.only)
	if err != nil {
		return err
	}
	if b.pgo == "" && b.micro && !b.short && only.MatchString("micro") {
		if err := b.runMicro(); err != nil {
			return err
		}
	}
	all, topics, err := makeLoads()
	if err != nil {
		return err
	}
	b.sink = &broker{topics: topics, logDirs: make([]byte, len(topics[1].answer.body))}
	defer b.sink.close()
	var chosen []workload
	for _, l := range all {
		if only.MatchString(l.name) {
			chosen = append(chosen, l)
		}
	}
	if err := b.runLoads(chosen); err != nil {
		return err
	}
	if b.pgo == "" && only.MatchString("idle") {
		if err := b.runIdle(); err != nil {
			return err
		}
	}
	if os.Getenv("BENCH_KAFKA") == "1" && b.pgo == "" {
		return b.runKafka()
	}
	return nil
}

// chosen are the targets that are asked for, without those that are not installed: that is said.
func (b *bench) chosen() ([]target, error) {
	only, err := regexp.Compile(b.options.targets)
	if err != nil {
		return nil, err
	}
	_, missing := exec.LookPath("haproxy")
	var rest []target
	for _, t := range targets {
		switch {
		case !only.MatchString(t.name):
		case missing != nil && (t.name == haproxy || t.name == haproxyTLS):
			b.result.skip("HAProxy is not installed (Debian: apt-get install haproxy): nothing could be compared with it.")
		default:
			rest = append(rest, t)
		}
	}
	return rest, nil
}
