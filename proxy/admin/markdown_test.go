package admin

import (
	"regexp"
	"strings"
	"testing"

	"warder/docs"
)

func TestMarkdown(t *testing.T) {
	resolve := func(target string) string {
		if target == "tombstone.md#example" {
			return "/rules/tombstone#example"
		}
		return ""
	}
	for text, want := range map[string]string{
		"# A `b` c\n\nText\nmore":                 "<h1 id=\"a-b-c\">A <code>b</code> c</h1>\n<p>Text\nmore</p>\n",
		"<b> & \"q\"":                             "<p>&lt;b&gt; &amp; &#34;q&#34;</p>\n",
		"**a *b* c** `<x>` *d*, 2 * 3 * 4":        "<p><strong>a <em>b</em> c</strong> <code>&lt;x&gt;</code> <em>d</em>, 2 * 3 * 4</p>\n",
		"[x](tombstone.md#example) [y](no.md)":    "<p><a href=\"/rules/tombstone#example\">x</a> y</p>\n",
		"[x](https://e.org/?a=1&b)":               "<p><a href=\"https://e.org/?a=1&amp;b\">x</a></p>\n",
		"[x](javascript:alert(1))":                "<p>x)</p>\n",
		"- a\n- b\n  c\n  - d\n\n    e\n- f\n\ng": "<ul>\n<li>a</li>\n<li>b\nc\n<ul>\n<li>d\n<p>e</p>\n</li>\n</ul>\n</li>\n<li>f</li>\n</ul>\n<p>g</p>\n",
		"1. a\n2. b":                              "<ol>\n<li>a</li>\n<li>b</li>\n</ol>\n",
		"```yaml\na: <b>\n\n# c\n```\nd":          "<pre tabindex=\"0\"><code>a: &lt;b&gt;\n\n# c\n</code></pre>\n<p>d</p>\n",
		"| a | b |\n|---|---|\n| `x|y` | z\\|w |": "<div class=\"wide\" tabindex=\"0\"><table>\n<tr><th>a</th><th>b</th></tr>\n<tr><td><code>x|y</code></td><td>z|w</td></tr>\n</table></div>\n",
		"| | |\n|---|---|\n| a | b |":             "<div class=\"wide\" tabindex=\"0\"><table>\n<tr><td>a</td><td>b</td></tr>\n</table></div>\n",
		"<!-- test -->\n```sh\nx\n```":            "<pre tabindex=\"0\"><code>x\n</code></pre>\n",
		"```\nnever closed":                       "<pre tabindex=\"0\"><code>never closed\n</code></pre>\n",
	} {
		if got := string(markdown(text, resolve)); got != want {
			t.Errorf("%q\ngot  %q\nwant %q", text, got, want)
		}
	}
}

// Our own pages use nothing that it does not know.
func TestMarkdownKnowsOurPages(t *testing.T) {
	code := regexp.MustCompile(`(?s)<code>.*?</code>|<[^>]*>`)
	pages, err := docs.Pages()
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	for _, name := range pages {
		text, _ := docs.Page(name)
		plain := code.ReplaceAllString(string(markdown(text, func(string) string { return "/x" })), "")
		for _, sign := range []string{"](", "**", "```", "|--", "\n- ", "\n#", "`"} {
			if i := strings.Index(plain, sign); i >= 0 {
				t.Errorf("%s: %q is left over in %q", name, sign, plain[max(0, i-40):min(len(plain), i+40)])
			}
		}
	}
}

func FuzzMarkdown(f *testing.F) {
	f.Add("# a\n- b\n  - c\n| d |\n```\ne\n```\n[f](g)")
	f.Fuzz(func(t *testing.T, text string) {
		html := string(markdown(text, func(target string) string { return "/" + target }))
		rest := regexp.MustCompile(`</?(h[1-6]|p|ul|ol|li|pre|code|div|table|tr|th|td|strong|em|a)( (id|class|tabindex|href)="[^"<>]*")*>`).ReplaceAllString(html, "")
		if strings.ContainsAny(rest, "<>") {
			t.Errorf("%q became %q", text, html)
		}
	})
}
