package tap

import (
	"fmt"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// Formatter writes exchanges for people, one line each. The columns are: time, client, connection, node, API and
// version, request/response size, latency, outcome, and what it did to which partitions.
type Formatter struct {
	Color bool           // use ANSI colours; only for a terminal
	Zone  *time.Location // of the times shown; nil for UTC
}

// SGR codes of the colours used.
const (
	dim, bold, red, green, yellow = "2", "1", "31", "32", "33"
)

// Append appends x as one line with its newline. Bytes that clients choose and that could act on a terminal are escaped.
func (f *Formatter) Append(dst []byte, x *Exchange) []byte {
	zone := f.Zone
	if zone == nil {
		zone = time.UTC
	}
	dst = f.paint(dst, dim, x.Time.In(zone).Format("15:04:05.000000"))
	dst = append(dst, ' ')
	dst = pad(dst, printable(x.ClientID, 20), 20)
	dst = pad(append(dst, ' '), "#"+strconv.FormatUint(x.Session, 10), 6)
	dst = pad(append(dst, ' '), node(x.NodeID), 9)
	dst = f.paint(append(dst, ' '), bold, padded(x.API+" v"+strconv.Itoa(int(x.Version)), 24))
	dst = pad(append(dst, ' '), Size(x.RequestBytes)+"/"+Size(x.ResponseBytes), 17)
	dst = pad(append(dst, ' '), latency(x), 8)
	dst = f.paint(append(dst, ' '), outcomeColor(x.Outcome), x.Outcome)
	if x.RequestUnread {
		dst = append(dst, " request unread"...)
	}
	if x.Acks != nil {
		dst = append(dst, " acks="...)
		dst = append(dst, acks(*x.Acks)...)
	}
	for i := range x.Resources[:min(len(x.Resources), maxShown)] {
		dst = f.resource(append(dst, ' '), &x.Resources[i])
	}
	dst = more(dst, len(x.Resources), x.MoreResources)
	for i := range x.Partitions[:min(len(x.Partitions), maxShown)] {
		dst = f.partition(append(dst, ' '), &x.Partitions[i])
	}
	dst = more(dst, len(x.Partitions), x.More)
	return append(dst, '\n')
}

// maxShown bounds the partitions, and the resources, that a line shows.
const maxShown = 16

// more tells of those that are not shown: all but maxShown of the listed, and those that are only counted.
func more(dst []byte, listed, counted int) []byte {
	if n := max(listed-maxShown, 0) + counted; n > 0 {
		dst = fmt.Appendf(dst, " and %d more", n)
	}
	return dst
}

func (f *Formatter) resource(dst []byte, r *Resource) []byte {
	dst = append(append(append(dst, r.Type...), '='), printable(r.Name, MaxName)...)
	if r.Error != "" {
		dst = append(f.paint(append(dst, '('), red, r.Error), ')')
	}
	return dst
}

func (f *Formatter) partition(dst []byte, p *Partition) []byte {
	dst = append(dst, printable(p.Topic, 249)...)
	if p.Partition >= 0 {
		dst = append(dst, '/')
		dst = strconv.AppendInt(dst, int64(p.Partition), 10)
	}
	sep := byte('(')
	detail := func(s string) {
		dst = append(append(dst, sep), s...)
		sep = ' '
	}
	if p.Records > 0 {
		detail(strconv.Itoa(p.Records) + " rec")
	}
	if p.Bytes > 0 {
		detail(Size(p.Bytes))
	}
	if p.Codec != "" && p.Codec != "none" {
		detail(p.Codec)
	}
	if p.Error != "" {
		detail("")
		dst = f.paint(dst, red, p.Error)
	}
	if sep == ' ' {
		dst = append(dst, ')')
	}
	return dst
}

func (f *Formatter) paint(dst []byte, color, s string) []byte {
	if !f.Color {
		return append(dst, s...)
	}
	dst = append(append(append(dst, "\x1b["...), color...), 'm')
	return append(append(dst, s...), "\x1b[0m"...)
}

func outcomeColor(outcome string) string {
	switch outcome {
	case OutcomeOK, OutcomeNoAnswer:
		return green
	case OutcomeLocal, OutcomeClosed, OutcomeUnread:
		return yellow
	}
	return red
}

func node(id int32) string {
	if id < 0 {
		return "bootstrap"
	}
	return "node " + strconv.Itoa(int(id))
}

func acks(n int16) string {
	if n == -1 {
		return "all"
	}
	return strconv.Itoa(int(n))
}

func latency(x *Exchange) string {
	switch d := x.Latency; {
	case d <= 0:
		return "-"
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + "us"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds()*1000, 'f', 1, 64) + "ms"
	default:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	}
}

// Size writes a number of bytes for people, with decimal units as network tools do: 999B, 1.0kB, 12.3MB.
func Size(n int) string {
	if n < 1000 {
		return strconv.Itoa(n) + "B"
	}
	v, unit := float64(n)/1000, 0
	for v >= 999.95 && unit < 2 {
		v, unit = v/1000, unit+1
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + []string{"kB", "MB", "GB"}[unit]
}

func padded(s string, width int) string { return string(pad(nil, s, width)) }

// pad appends s and spaces up to width runes.
func pad(dst []byte, s string, width int) []byte {
	dst = append(dst, s...)
	for n := utf8.RuneCountInString(s); n < width; n++ {
		dst = append(dst, ' ')
	}
	return dst
}

// printable makes s safe for a terminal: what is not printable becomes `?`, what exceeds limit runes is cut with `~`.
// An empty name is shown as `-`.
func printable(s string, limit int) string {
	if s == "" {
		return "-"
	}
	out := make([]rune, 0, min(len(s), limit))
	for _, r := range s {
		if len(out) == limit {
			out[limit-1] = '~'
			break
		}
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			r = '?'
		}
		out = append(out, r)
	}
	return string(out)
}
