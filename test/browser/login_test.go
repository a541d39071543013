package browser

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// elsewhere is a name of this machine that the browser takes for another's: over plain HTTP it trusts such a page less.
const elsewhere = "warder.test"

// Away from loopback a person shows the token in a form, and is where he wanted to go.
func TestSigningIn(t *testing.T) {
	base := runWithToken(t, "s3cret")
	b := newTab(t, 375, 740, "light")
	b.open(base + "/rules")
	b.wait("the form", `document.querySelector("input[name=token]") !== null && document.querySelectorAll("nav, script").length === 0`)
	b.shoot("login-light-375")
	b.forgive() // that the status is 401
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("input[name=token]").focus()`), chromedp.KeyEvent("s3cret"))
	get(b, chromedp.WaitEvent(page.LoadEventFired, func(page.EventLoadEventFired) bool { return true }, chromedp.KeyEvent(kb.Enter)))
	b.wait("the page that was asked for", `location.pathname === "/rules" && document.querySelector("main h1").textContent === "Rules"`)
	if cookie := ask[string](b, "document.cookie"); cookie != "" {
		t.Errorf("a script can read %q", cookie)
	}
	get(b, chromedp.WaitEvent(page.LoadEventFired, func(page.EventLoadEventFired) bool { return true }, chromedp.Evaluate[chromedp.Void](`document.querySelector("form[action='/logout'] button").click()`)))
	b.wait("the form again", `document.querySelector("input[name=token]") !== null`)
	b.forgive()
}

// runWithToken starts warder with an interface for other machines, and without brokers.
func runWithToken(t *testing.T, token string) (base string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "warder.yaml")
	config := "upstream: {bootstrap: [127.0.0.1:1]}\nlisteners: [{name: l, address: 127.0.0.1:0, ports: 0}]\nadmin: {address: \"0.0.0.0:0\", token_file: token}\nlog: {format: json}\n"
	for name, text := range map[string]string{file: config, filepath.Join(dir, "token"): token} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := filepath.Abs(warder)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "run", "--config", file)
	cmd.Dir = dir
	logged, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // killed with the test's context
	lines := bufio.NewScanner(logged)
	for lines.Scan() {
		var line struct{ Message, Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Message+line.Msg == "admin interface" {
			go func() {
				for lines.Scan() { // or warder would wait for somebody to read
					continue
				}
			}()
			_, port, err := net.SplitHostPort(line.Address)
			if err != nil {
				t.Fatal(err)
			}
			return "http://" + net.JoinHostPort(elsewhere, port)
		}
		t.Log(lines.Text())
	}
	t.Fatal("warder does not say where its page is")
	return ""
}
