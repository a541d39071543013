package browser

import (
	"fmt"
	"strings"
	"testing"
)

// views are all pages, and a name for their pictures.
var views = []struct{ name, path string }{
	{"overview", "/"},
	{"findings", "/findings"},
	{"findings-filtered", "/findings?severity=critical&open=1"},
	{"finding", ""}, // the first one
	{"groups", "/groups"},
	{"group-stuck", "/groups/geo-coder"},
	{"group-storm", "/groups/search-index"},
	{"group-working", "/groups/billing"},
	{"topics", "/topics"},
	{"topic", "/topics/users"},
	{"clients", "/clients"},
	{"brokers", "/brokers"},
	{"config", "/config"},
	{"rules", "/rules"},
	{"rule", "/rules/stuck-partition"},
	{"nothing", "/groups/nobody"},
}

// Every view in both schemes and widths: it shows without a word in the console, and does not overflow.
func TestViews(t *testing.T) {
	d := shared.after(t)
	for _, scheme := range []string{"light", "dark"} {
		for _, size := range []struct{ width, height int64 }{{1280, 800}, {375, 740}} {
			t.Run(fmt.Sprintf("%s-%d", scheme, size.width), func(t *testing.T) {
				b := newTab(t, size.width, size.height, scheme)
				for _, v := range views {
					b.look(d, v.name, v.path, fmt.Sprintf("%s-%s-%d", v.name, scheme, size.width), size.width)
				}
			})
		}
	}
}

func (b *tab) look(d *demo, name, path, picture string, width int64) {
	b.t.Helper()
	if name == "finding" {
		b.open(d.page + "/findings")
		path = ask[string](b, `document.querySelector("main .finding h3 a").getAttribute("href")`)
	}
	b.open(d.page + path)
	if wide := ask[int64](b, "document.documentElement.scrollWidth"); wide > width {
		b.t.Errorf("%s is %d wide, on a screen of %d: %s", name, wide, width, ask[string](b, widest))
	}
	if pale := ask[[]string](b, tooPale); len(pale) > 0 {
		b.t.Errorf("%s, too little contrast: %s", picture, strings.Join(pale, " | "))
	}
	b.shoot(picture)
	if name == "nothing" { // whose status is 404, which Chromium logs
		b.forgive()
	}
}

// widest names what reaches furthest to the right, and is not within something that scrolls.
const widest = `[...document.querySelectorAll("body *")].filter(e => !e.closest(".wide, pre, .aside, .skip"))
	.sort((a, b) => b.getBoundingClientRect().right - a.getBoundingClientRect().right).slice(0, 3)
	.map(e => e.outerHTML.slice(0, 120)).join(" | ")`

// tooPale lists texts whose contrast to what is behind them is less than WCAG 2 wants at level AA: 4.5, and 3 for what is
// large.
const tooPale = `(() => {
	const channels = c => { const m = c.match(/[\d.]+/g).map(Number); return { rgb: m.slice(0, 3), alpha: m.length > 3 ? m[3] : 1 }; };
	const luminance = rgb => {
		const [r, g, b] = rgb.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const behind = e => {
		for (; e; e = e.parentElement) {
			const c = channels(getComputedStyle(e).backgroundColor);
			if (c.alpha === 1) return c.rgb;
		}
		return [255, 255, 255];
	};
	const pale = new Set();
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (texts.nextNode()) {
		const e = texts.currentNode.parentElement;
		if (!texts.currentNode.data.trim() || !e.checkVisibility() || e.closest(".aside, .skip, meter, option, noscript, svg")) continue;
		const style = getComputedStyle(e), size = parseFloat(style.fontSize);
		const [a, b] = [luminance(channels(style.color).rgb), luminance(behind(e))].sort((x, y) => y - x);
		const large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
		const contrast = (a + 0.05) / (b + 0.05);
		if (contrast < (large ? 3 : 4.5)) pale.add(contrast.toFixed(2) + " " + e.outerHTML.slice(0, 100));
	}
	return [...pale].slice(0, 5);
})()`
