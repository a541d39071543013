// Package driver talks to the client drivers of the end-to-end tests (README.md describes the protocol).
package driver

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// Driver is one running driver process. Its methods may be called concurrently.
type Driver struct {
	Client, Version string
	caps            map[string]bool

	cmd  *exec.Cmd
	in   io.WriteCloser
	done chan struct{} // closed when the process's output has ended

	mu      sync.Mutex
	next    int
	waiting map[int]chan reply
}

type reply struct {
	ID          int             `json:"id"`
	OK          bool            `json:"ok"`
	Unsupported bool            `json:"unsupported"`
	Result      json.RawMessage `json:"result"`
	Error       *Error          `json:"error"`
}

// Error is what a client library said.
type Error struct {
	Name      string `json:"name"`
	Code      *int   `json:"code"`
	Message   string `json:"message"`
	Retriable *bool  `json:"retriable"`
}

func (e *Error) Error() string {
	code := ""
	if e.Code != nil {
		code = fmt.Sprintf(" (%d)", *e.Code)
	}
	return e.Name + code + ": " + e.Message
}

// Unsupported is the error of an operation that the client library does not have.
type Unsupported struct{ Reason string }

func (e *Unsupported) Error() string { return "unsupported: " + e.Reason }

// Start starts cmd, with its log going to the file log, and asks it who it is.
func Start(ctx context.Context, cmd *exec.Cmd, log string) (*Driver, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd.Stderr = file
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	d := &Driver{cmd: cmd, in: in, done: make(chan struct{}), waiting: map[int]chan reply{}}
	go d.read(out)
	var who struct {
		Client, Version string
		Capabilities    []string
	}
	if err := d.Call(ctx, "hello", nil, &who); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("driver %v did not say hello (log %s): %w", cmd.Args, log, err)
	}
	d.Client, d.Version, d.caps = who.Client, who.Version, map[string]bool{}
	for _, c := range who.Capabilities {
		d.caps[c] = true
	}
	return d, nil
}

// Can tells whether the driver named the capability.
func (d *Driver) Can(capability string) bool { return d.caps[capability] }

// PID is the driver's process id.
func (d *Driver) PID() int { return d.cmd.Process.Pid }

// Signal sends the process a signal: one that stops it, lets it go on, or ends it.
func (d *Driver) Signal(sig os.Signal) error { return d.cmd.Process.Signal(sig) }

// Call runs one operation. A failed operation gives *Error or *Unsupported.
func (d *Driver) Call(ctx context.Context, op string, args map[string]any, result any) error {
	answer := make(chan reply, 1)
	d.mu.Lock()
	d.next++
	id := d.next
	d.waiting[id] = answer
	request := map[string]any{"id": id, "op": op}
	maps.Copy(request, args)
	line, err := json.Marshal(request)
	if err == nil {
		_, err = d.in.Write(append(line, '\n'))
	}
	d.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case r := <-answer:
		return r.outcome(result)
	case <-d.done:
		return fmt.Errorf("%s: the driver has ended", op)
	case <-ctx.Done():
		return fmt.Errorf("%s: no answer: %w", op, ctx.Err())
	}
}

func (r reply) outcome(result any) error {
	switch {
	case r.Unsupported && r.Error != nil:
		return &Unsupported{r.Error.Message}
	case !r.OK && r.Error != nil:
		return r.Error
	case !r.OK:
		return fmt.Errorf("a failure without an error")
	case result == nil:
		return nil
	}
	return json.Unmarshal(r.Result, result)
}

// Close ends the driver at once.
func (d *Driver) Close() error {
	_ = d.in.Close()
	_ = d.cmd.Process.Kill()
	<-d.done
	return d.cmd.Wait()
}

// Kill ends the driver without a chance to close anything, as SIGKILL, a crash or a lost machine does.
func (d *Driver) Kill() {
	_ = d.cmd.Process.Kill()
	<-d.done
	_ = d.cmd.Wait()
}

func (d *Driver) read(out io.Reader) {
	defer close(d.done)
	lines := bufio.NewReaderSize(out, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var r reply
		if err := json.Unmarshal(line, &r); err != nil {
			fmt.Fprintf(os.Stderr, "driver %v wrote a line that is no answer: %.200s\n", d.cmd.Args[0], line)
			continue
		}
		d.mu.Lock()
		answer := d.waiting[r.ID]
		delete(d.waiting, r.ID)
		d.mu.Unlock()
		if answer != nil {
			answer <- r
		}
	}
}
