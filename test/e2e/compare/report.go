package compare

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"warder/protocol"
)

// maxDifferences are shown; more are counted.
const maxDifferences = 50

// Report is what came of comparing.
type Report struct {
	Exchanges int // of which both sides were the same
	kinds     map[kind]int

	Rewritten   int    // answers with addresses of brokers
	Clamped     int    // answers to ApiVersions
	Own         int    // warder's own questions
	Refused     int    // requests that a verdict refused, or part of them
	Cut         int    // requests that were under way at the end of their connection
	Alone       int    // clients that sent something, and for which there was no connection to a broker
	Dropped     uint64 // packets, by the kernel
	Differences []Difference
	More        int           // differences that are not shown
	Took        time.Duration // of a processor, for all of it
	warders     []*warder
}

// kind is an API in a version.
type kind struct{ key, version int16 }

func newReport() Report { return Report{kinds: map[kind]int{}} }

// Difference is what the two sides of a warder do not agree about.
type Difference struct {
	Warder, ClientID string
	At               time.Time
	What             string // in a sentence, with API, version and correlation id
}

// differ notes a difference. What comes afterwards on the connection is not compared.
func (s *session) differ(x *exchange, what string, before, after *frame) {
	if s.done {
		return
	}
	r := &s.c.report
	if len(r.Differences) == maxDifferences {
		r.More++
	} else {
		where := ""
		if x != nil {
			where = fmt.Sprintf("%s version %d, correlation id %d: ", protocol.APIName(x.Key), x.Version, x.CorrelationID)
		}
		r.Differences = append(r.Differences, Difference{s.warder.name, s.name, s.now, where + what + bytesOf(before, after)})
	}
	s.giveUp("the sides differ")
}

// bytesOf shows where two frames part, and a few bytes of either.
func bytesOf(before, after *frame) string {
	const few = 24
	from := func(f *frame, at int) string {
		return fmt.Sprintf("% x (of %d)", f.data[min(at, len(f.data)):min(at+few, len(f.data))], f.size)
	}
	switch {
	case before == nil && after == nil:
		return ""
	case before == nil:
		return "; it begins " + from(after, 0)
	case after == nil:
		return "; it begins " + from(before, 0)
	}
	at := shared(before.data, after.data)
	return fmt.Sprintf("; from byte %d on: %s, passed on as %s", at, from(before, at), from(after, at))
}

// String is the report in one sentence.
func (r *Report) String() string {
	apis := map[int16]bool{}
	for k := range r.kinds {
		apis[k.key] = true
	}
	return fmt.Sprintf("%d exchanges of %d APIs in %d versions are the same on both sides of warder; in %d of them the addresses of brokers differ, in %d the ranges of ApiVersions, "+
		"%d were refused in whole or in part; %d were under way at the end of their connection; warder asked %d questions of its own; %d clients came in vain. Comparing took %.1f s of a processor",
		r.Exchanges, len(apis), len(r.kinds), r.Rewritten, r.Clamped, r.Refused, r.Cut, r.Own, r.Alone, r.Took.Seconds())
}

// Kinds lists the APIs and versions of which exchanges were compared, with how many.
func (r *Report) Kinds() string {
	var all []string
	for _, k := range slices.SortedFunc(maps.Keys(r.kinds), func(a, b kind) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.version, b.version)) }) {
		all = append(all, fmt.Sprintf("%s/%d %d", protocol.APIName(k.key), k.version, r.kinds[k]))
	}
	return strings.Join(all, ", ")
}

// Unfollowed tells of each warder how many of its connections were not compared to their end, by reason.
func (r *Report) Unfollowed() (lines []string) {
	for _, w := range r.warders {
		count := map[string]int{}
		for _, s := range w.sessions {
			count[s.why]++
		}
		delete(count, "")
		for _, why := range slices.Sorted(maps.Keys(count)) {
			lines = append(lines, fmt.Sprintf("warder %s: %d of %d connections: %s", w.name, count[why], len(w.sessions), why))
		}
	}
	if r.Dropped > 0 {
		lines = append(lines, fmt.Sprintf("the kernel has dropped %d packets", r.Dropped))
	}
	return lines
}

// Between says how many exchanges were compared on connections that were opened to a warder within a time, and why some were not compared
// to their end.
func (r *Report) Between(name string, begin, end time.Time) (exchanges int, reasons []string) {
	for _, w := range r.warders {
		for _, s := range w.sessions {
			if w.name != name || s.began.Before(begin) || s.began.After(end) {
				continue
			}
			exchanges += s.exchanges
			if s.why != "" && !slices.Contains(reasons, s.why) {
				reasons = append(reasons, s.why)
			}
		}
	}
	return exchanges, reasons
}
