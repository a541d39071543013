package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// press presses a key once.
func (b *tab) press(key string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(key))
}

// tabTo goes from one element to the next by the keyboard until one fits the selector, and wants every one on the way to
// show that it has the focus.
func (b *tab) tabTo(selector string) {
	b.t.Helper()
	for range 60 {
		b.press(kb.Tab)
		if shown := ask[bool](b, `getComputedStyle(document.activeElement).outlineStyle !== "none"`); !shown {
			b.t.Errorf("no outline on %s", ask[string](b, `document.activeElement.outerHTML.slice(0, 120)`))
		}
		if ask[bool](b, `document.activeElement.matches(`+"`"+selector+"`"+`)`) {
			return
		}
	}
	b.t.Fatalf("the keyboard does not get to %s", selector)
}

// All of it can be used without a mouse: past the menu, through the form, into the evidence, to the clipboard.
func TestKeyboard(t *testing.T) {
	d := shared.after(t)
	b := newTab(t, 1280, 800, "light")
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		if _, err := chromedp.CallBrowser(b.ctx, browser.SetPermission, browser.SetPermissionParams{
			Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted, Origin: d.page,
		}); err != nil {
			t.Fatal(err)
		}
	}
	b.open(d.page + "/findings")

	b.press(kb.Tab)
	if !ask[bool](b, `document.activeElement.matches(".skip")`) {
		t.Fatal("the first stop is not the link past the menu")
	}
	b.press(kb.Enter)
	b.wait("the content has the focus", `document.activeElement.id === "main"`)

	b.tabTo(`select[name="rule"]`)
	b.tabTo(`input[name="client_id"]`)
	b.do(chromedp.KeyEvent("profile-svc"))
	get(b, chromedp.WaitEvent(page.LoadEventFired, func(page.EventLoadEventFired) bool { return true }, chromedp.KeyEvent(kb.Enter)))
	b.wait("the filter is applied", `location.search.includes("client_id=profile-svc") && document.querySelectorAll(".finding").length === 1`)

	b.tabTo("summary")
	b.press(kb.Enter)
	b.wait("the evidence unfolds", `document.querySelector(".finding details").open`)
	b.tabTo(`button[data-copy^="s-"]`)
	b.press(kb.Enter)
	b.wait("the button says so", `document.activeElement.textContent === "Copied"`)
	copied := get(b, chromedp.Evaluate[string](`navigator.clipboard.readText()`, chromedp.EvalAwaitPromise))
	if !strings.HasPrefix(copied, "suppressions:\n  - {rule: tombstone, topic: \"users\", client_id: \"profile-svc\", until: ") {
		t.Errorf("copied: %q", copied)
	}
}
