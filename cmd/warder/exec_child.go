package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// childPatience is how long a program may take to end once it was asked to.
const childPatience = 10 * time.Second

// bootstrapVariables are where programs look for the brokers: the name that many of
// them know, and one of our own.
var bootstrapVariables = []string{"KAFKA_BOOTSTRAP_SERVERS", "WARDER_BOOTSTRAP"}

// runChild runs a program with warder's address in its environment, and gives its
// exit status, as a shell has it: 128 and the signal for one that a signal ended.
// When ctx ends the program is asked to end too.
func (a *app) runChild(ctx context.Context, command []string, bootstrap string) (status int, err error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = slices.DeleteFunc(slices.Clone(a.env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(bootstrapVariables, name)
	})
	for _, name := range bootstrapVariables {
		cmd.Env = append(cmd.Env, name+"="+bootstrap)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, a.stdout, a.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = childPatience
	err = cmd.Run()
	if cmd.ProcessState == nil {
		return 0, fmt.Errorf("cannot start %s: %w", command[0], err)
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) && ctx.Err() == nil {
		a.say("warder: %s: %v", command[0], err) // it has ended; its output may not be whole
	}
	if s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return 128 + int(s.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}
