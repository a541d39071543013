package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const count = `document.querySelectorAll("main .finding").length`

// A finding comes into a page that is open, which is not loaded anew for it: what was unfolded, typed and focused stays.
func TestLiveUpdate(t *testing.T) {
	d, err := startDemo()
	if err != nil {
		t.Fatal(err)
	}
	defer d.stop()
	b := newTab(t, 1280, 800, "light")
	b.open(d.page + "/findings")
	b.wait("the first finding", count+" > 0")
	b.do(chromedp.Evaluate[chromedp.Void](`window.ours = true;
		window.seen = document.querySelector(".finding").id;
		document.querySelector(".finding details").open = true;
		document.querySelector("input[name=topic]").value = "ord";
		document.querySelector("input[name=topic]").focus();`))
	before := ask[int](b, count)
	b.wait("another finding", fmt.Sprintf("%s > %d && document.getElementById(window.seen) !== document.querySelector('.finding')", count, before))
	for what, script := range map[string]string{
		"the page was loaded anew":  `window.ours === true`,
		"what was unfolded is not":  `document.getElementById(window.seen).querySelector("details").open`,
		"others unfolded as well":   `document.querySelectorAll(".finding details[open]").length === 1`,
		"what was typed is gone":    `document.querySelector("input[name=topic]").value === "ord"`,
		"the focus is lost":         `document.activeElement.name === "topic"`,
		"the title does not say it": `/^\(\d+\) Findings/.test(document.title)`,
	} {
		if !ask[bool](b, script) {
			t.Error(what)
		}
	}

	// The button stops it, and lets it go on.
	b.do(chromedp.Evaluate[chromedp.Void](`document.getElementById("pause").focus()`))
	b.press(kb.Enter)
	b.wait("paused", `document.getElementById("pause").getAttribute("aria-pressed") === "true"`)
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("main h1").textContent = "held"`))
	select {
	case <-d.played: // much is found until then
	case <-b.ctx.Done():
		t.Fatal("the demo has not played its acts in time")
	}
	if !ask[bool](b, `document.querySelector("main h1").textContent === "held"`) {
		t.Error("it goes on although it is paused")
	}
	b.press(kb.Enter)
	b.wait("going on", `document.querySelector("main h1").textContent === "Findings"`)
}

// Who loses warder is told so, and sees it come back.
func TestLostConnectionIsTold(t *testing.T) {
	d := shared.after(t)
	b := newTab(t, 1280, 800, "light")
	b.open(d.page + "/")
	offline := func(on bool) {
		call(b, network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: []*network.BlockPattern{{URLPattern: "*://*:*/*", Block: on}}})
	}
	call(b, network.Enable, network.EnableParams{})
	offline(true)
	b.wait("the notice", `!document.getElementById("stale").hidden`)
	offline(false)
	b.wait("its end", `document.getElementById("stale").hidden`)
	b.forgive() // that requests failed is what the test is about
}

// Without script there is the same to read, and nothing that would do nothing.
func TestWithoutScript(t *testing.T) {
	d := shared.after(t)
	b := newTab(t, 1280, 800, "dark")
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.open(d.page + "/findings")
	if ask[int](b, count) < 10 {
		t.Error("few findings")
	}
	if n := ask[int](b, `[...document.querySelectorAll(".needs-script")].filter(e => getComputedStyle(e).display !== "none").length`); n > 0 {
		t.Errorf("%d buttons that need script", n)
	}
	if !ask[bool](b, `document.querySelector("noscript meta[http-equiv=refresh]") !== null`) {
		t.Error("it does not renew itself")
	}
	b.shoot("findings-without-script")
}
