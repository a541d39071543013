// Package browser looks at the status page as people do: in Chromium, with what `warder demo` brings about, light and
// dark, on a desk and on a telephone. Screenshots of every view are left in the folder that `screenshots` names.
package browser

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	warder      = "../../bin/warder"
	screenshots = "../../.cache/browser"
	patience    = 2 * time.Minute // for a demo to have played all acts, on a machine with other things to do
)

var chromium context.Context // of all tests

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if err := os.MkdirAll(screenshots, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.Flag("host-resolver-rules", "MAP "+elsewhere+" 127.0.0.1"))
	if os.Getuid() == 0 { // as in a container
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		fmt.Fprintln(os.Stderr, "browser tests: Chromium does not start:", err)
		return 1
	}
	chromium = ctx //nolint:fatcontext // one browser, for all tests
	defer shared.stop()
	return m.Run()
}

// demo is a running `warder demo`.
type demo struct {
	page   string // base address of its status page, without a slash
	played chan struct{}
	cmd    *exec.Cmd
	ended  chan struct{}
	err    error // how it ended
}

// startDemo starts one on free ports and waits until it has said where its page is.
func startDemo() (*demo, error) {
	path, err := filepath.Abs(warder)
	if err != nil {
		return nil, err
	}
	d := &demo{cmd: exec.Command(path, "demo", "--admin", "127.0.0.1:0"), played: make(chan struct{}), ended: make(chan struct{})}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	d.cmd.Stderr = os.Stderr
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w (make build comes first)", err)
	}
	page := make(chan string, 1)
	go func() {
		defer close(d.ended)
		d.read(out, page)
		d.err = d.cmd.Wait()
	}()
	select {
	case d.page = <-page:
		return d, nil
	case <-d.ended:
		return nil, fmt.Errorf("the demo ended: %w", d.err)
	case <-time.After(patience):
		d.stop()
		return nil, errors.New("the demo does not say where its page is")
	}
}

// read follows what the demo prints.
func (d *demo) read(out io.Reader, page chan<- string) {
	lines := bufio.NewScanner(out)
	told := false
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if _, address, ok := strings.Cut(line, "http://"); ok && strings.HasPrefix(line, "page") {
			page <- "http://" + strings.TrimSuffix(address, "/")
		}
		if !told && strings.HasPrefix(line, "The shop goes on working") {
			told = true
			close(d.played)
		}
	}
}

func (d *demo) stop() {
	if d == nil {
		return
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(20 * time.Second):
		_ = d.cmd.Process.Kill()
	}
}

// shared is the demo of all tests that only look.
var shared sharedDemo

type sharedDemo struct {
	once sync.Once
	demo *demo
	err  error
}

// after gives the shared demo when it has played every act.
func (s *sharedDemo) after(t *testing.T) *demo {
	t.Helper()
	s.once.Do(func() {
		if s.demo, s.err = startDemo(); s.err != nil {
			return
		}
		select {
		case <-s.demo.played:
		case <-time.After(patience):
			s.err = errors.New("the demo has not played its acts in time")
		}
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.demo
}

func (s *sharedDemo) stop() { s.demo.stop() }

// tab is a page in the browser that complains of what a console would show.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string
}

// newTab opens one of that size, in light or dark.
func newTab(t *testing.T, width, height int64, scheme string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium)
	t.Cleanup(cancel)
	ctx, cancelTime := context.WithTimeout(ctx, patience)
	t.Cleanup(cancelTime)
	b := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	call(b, cdplog.Enable, cdp.Empty{})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	b.do(chromedp.EmulateViewport(width, height))
	t.Cleanup(b.quiet)
	return b
}

// hear notes errors and warnings of the console, uncaught exceptions, and what the browser itself logs: failed requests
// and violations of the content security policy among it.
func (b *tab) hear(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError || ev.Type == runtime.ConsoleAPICalledTypeWarning {
			b.problems = append(b.problems, fmt.Sprintf("console: %s %v", ev.Type, ev.Args))
		}
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, fmt.Sprintf("exception: %+v", ev.ExceptionDetails))
	case *cdplog.EventEntryAdded:
		b.problems = append(b.problems, fmt.Sprintf("log: %s %s %s", ev.Entry.Level, ev.Entry.Text, ev.Entry.URL))
	}
}

// quiet fails when there was something to hear.
func (b *tab) quiet() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		b.t.Error(p)
	}
}

// forgive forgets what was heard so far.
func (b *tab) forgive() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = nil
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.t.Fatal(err)
	}
}

func get[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// open shows an address, wholly.
func (b *tab) open(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url), chromedp.WaitReady(chromedp.CSS("main h1")))
}

// ask evaluates a script that gives a value.
func ask[T any](b *tab, script string) T {
	b.t.Helper()
	return get(b, chromedp.Evaluate[T](script))
}

// wait waits until a script gives true.
func (b *tab) wait(what, script string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](script, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience))); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

// shoot leaves a picture of the whole page.
func (b *tab) shoot(name string) {
	b.t.Helper()
	picture := get(b, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(screenshots, name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
