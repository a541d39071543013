package admin

import (
	"fmt"
	"hash/fnv"
	"html/template"
	"io"
	"math"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxName is how much of a name is shown and maxText how much of a text that names are part of, in runes, and maxLinked
// the longest name that a link may carry, in bytes: what a client calls itself has no bound that a browser would bear.
const (
	maxName   = 120
	maxText   = 2000
	maxLinked = 1000
)

// short is a name as it is shown, and long a text.
func short(s string) string { return cut(s, maxName) }

func long(s string) string { return cut(s, maxText) }

// cut gives at most n runes of text.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	r := []rune(s[:min(len(s), utf8.UTFMax*n)])
	if len(r) <= n {
		return string(r)
	}
	return string(r[:n-1]) + "…"
}

// A thing that has a page of its own, or findings.
const (
	toGroup   = "/groups/"
	toTopic   = "/topics/"
	toRule    = "/rules/"
	toFinding = "/findings/"
	toClient  = "/findings?client_id="
)

// link is the name of something, as a link to where more is said of it. An unnamed or very long one is no link.
func link(to, name string) template.HTML {
	text := template.HTMLEscapeString(short(name))
	if name == "" || len(name) > maxLinked || name == "." || name == ".." { // the last two no path can name
		return template.HTML(`<span class="name">` + text + `</span>`) //nolint:gosec // escaped
	}
	escape := url.PathEscape
	if strings.HasSuffix(to, "=") {
		escape = url.QueryEscape
	}
	return template.HTML(`<a class="name" href="` + template.HTMLEscapeString(to+escape(name)) + `">` + text + `</a>`) //nolint:gosec // escaped
}

// nameKey names an element by what it shows, so that script finds it again: names may be long, and hold anything.
func nameKey(names ...string) string {
	h := fnv.New64a()
	for _, name := range names {
		_, _ = io.WriteString(h, name+"\x00") // a hash takes everything
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// span is a time span in the two largest units that say something.
func span(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return two(int(d.Minutes()), "min", int(d.Seconds())%60, "s")
	case d < 48*time.Hour:
		return two(int(d.Hours()), "h", int(d.Minutes())%60, "min")
	default:
		return two(int(d.Hours())/24, "d", int(d.Hours())%24, "h")
	}
}

func two(large int, unit string, small int, smaller string) string {
	if small == 0 {
		return fmt.Sprintf("%d %s", large, unit)
	}
	return fmt.Sprintf("%d %s %d %s", large, unit, small, smaller)
}

// millis is a span of milliseconds.
func millis(ms int64) string { return span(time.Duration(ms) * time.Millisecond) }

// ago is how long before now something was, in one unit, and in its tooltip when.
func ago(now, t time.Time) template.HTML {
	if t.IsZero() {
		return "never seen"
	}
	return stamp(t, since(now.Sub(t)))
}

// age is how long something has lasted.
func age(now, t time.Time) template.HTML { return stamp(t, span(now.Sub(t).Truncate(time.Second))) }

// since is an age in one unit: nobody needs the seconds of two hours.
func since(d time.Duration) string {
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days ago", int(d.Hours())/24)
	}
}

// at is a point in time.
func at(t time.Time) template.HTML { return stamp(t, t.UTC().Format("15:04:05")) }

func stamp(t time.Time, text string) template.HTML {
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime=%q title=%q>%s</time>`, //nolint:gosec // nothing in it comes from others
		t.Format(time.RFC3339), t.Format("2006-01-02 15:04:05 UTC"), text))
}

// number is an integer with a comma every three digits.
func number[N int | int32 | int64 | uint64](n N) string {
	text := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return sign + text
}

// anyNumber is number for templates, also of what a pointer leaves open.
func anyNumber(v any) string {
	if p, ok := v.(*int64); ok {
		if p == nil {
			return "not known"
		}
		v = *p
	}
	if n, ok := wholeNumber(v); ok {
		return number(n)
	}
	return fmt.Sprint(v)
}

// anyMillis is millis for templates.
func anyMillis(v any) string {
	if p, ok := v.(*int64); ok && p != nil {
		v = *p
	}
	n, _ := wholeNumber(v)
	return millis(n)
}

// counted is a number with its noun.
func counted[N int | int32 | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return number(n) + " " + noun + "s"
}

// fact is a value of the evidence of a finding.
func fact(v any) string {
	switch v := v.(type) {
	case string:
		return long(v)
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}

// wholeNumber is v as a number, whatever integer it is.
func wholeNumber(v any) (int64, bool) {
	switch r := reflect.ValueOf(v); {
	case r.CanInt():
		return r.Int(), true
	case r.CanUint():
		return int64(min(r.Uint(), math.MaxInt64)), true
	}
	return 0, false
}

// anyCounted is counted for templates.
func anyCounted(v any, noun string) string {
	n, _ := wholeNumber(v)
	return counted(n, noun)
}

// percent is a share from 0 to 1.
func percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 0, 64) + " %" }

// rate is a pace, in the unit that suits it.
func rate(perSecond float64) string {
	switch {
	case perSecond <= 0:
		return "0"
	case perSecond < .1:
		return strconv.FormatFloat(60*perSecond, 'g', 2, 64) + "/min"
	case perSecond < 10:
		return strconv.FormatFloat(perSecond, 'g', 2, 64) + "/s"
	}
	return number(int64(perSecond+.5)) + "/s"
}

// pace is rate with what comes at it.
func pace(perSecond float64, noun string) string {
	n, unit, _ := strings.Cut(rate(perSecond), "/")
	if unit == "" {
		return "no " + noun
	}
	return n + " " + noun + "/" + unit
}

// rounded is a number without what follows its point.
func rounded(n *float64) string { return strconv.FormatFloat(*n, 'f', 0, 64) }

// byteSize is a number of bytes, in the unit that suits it.
func byteSize(n float64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if n < 1024 {
			if n < 10 && unit != "B" {
				return strconv.FormatFloat(n, 'f', 1, 64) + " " + unit
			}
			return strconv.FormatFloat(n, 'f', 0, 64) + " " + unit
		}
		n /= 1024
	}
	return strconv.FormatFloat(n, 'f', 1, 64) + " TiB"
}
