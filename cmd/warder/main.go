// Command warder is a Kafka proxy that looks at what passes: it reports, and
// where it can refuses, what would hurt.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"warder/configs"
)

// Exit status.
const (
	exitOK       = 0
	exitFailed   = 1 // failed at run time
	exitUsage    = 2 // bad usage or configuration
	exitFindings = 3 // findings reached --fail-on
)

// app is what the commands share: where they write, and what they are told.
type app struct {
	stdout, stderr io.Writer
	env            []string // as os.Environ
	colour         bool     // stdout is a terminal that wants colours
	stderrColour   bool     // the same of stderr
}

// exitError is an error with an exit status of its own.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usageError is a mistake of the caller.
func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func main() {
	limitMemory()
	a := &app{
		stdout: os.Stdout, stderr: os.Stderr, env: os.Environ(),
		colour: wantsColour(os.Stdout), stderrColour: wantsColour(os.Stderr),
	}
	ctx, stop := untilSignal(context.Background())
	status := a.execute(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

// untilSignal gives a context that ends with the first SIGINT or SIGTERM. The
// second ends the process at once, whatever it is waiting for.
func untilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		fmt.Fprintln(os.Stderr, "warder: second signal: ending at once")
		os.Exit(exitFailed)
	}()
	return ctx, cancel
}

// execute runs one command line, tells its error to a person, and gives the
// exit status.
func (a *app) execute(ctx context.Context, args []string) int {
	root := a.command() //nolint:contextcheck // commands take the context that ExecuteContext gives them
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var problems configs.Problems
	var exit *exitError
	switch {
	case errors.As(err, &problems):
		if err := problems.Render(a.stderr, a.stderrColour); err != nil {
			return exitFailed
		}
		return exitUsage
	case errors.As(err, &exit):
		fmt.Fprintln(a.stderr, "warder:", err)
		return exit.status
	default:
		fmt.Fprintln(a.stderr, "warder:", err)
		return exitFailed
	}
}
