package admin

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"warder/rules"
	"warder/rules/sink"
)

// openFor is how long after it was last seen a finding counts as open: what goes on is told again every ten minutes, and
// repeats may be held back for one.
const openFor = 11 * time.Minute

// maxHeadline is the longest clause of a finding that the headline takes, in bytes.
const maxHeadline = 180

// headline is the state of everything in one sentence.
type headline struct {
	Word     string // what it amounts to, which is also its class: critical, warning, ok
	Sentence string
	Finding  *rules.Finding // the one that it speaks of, nil if of none
}

// open gives what is wrong now, worst first: by severity, what was refused after what went through, the newest first.
func open(found []rules.Finding, now time.Time) []rules.Finding {
	list := slices.DeleteFunc(found, func(f rules.Finding) bool { return f.Resolved || now.Sub(f.LastTime) > openFor })
	slices.SortStableFunc(list, func(a, b rules.Finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(refused(&a), refused(&b)), b.FirstTime.Compare(a.FirstTime), strings.Compare(a.ID, b.ID))
	})
	return list
}

func refused(f *rules.Finding) int {
	if f.Action == rules.Block {
		return 1
	}
	return 0
}

// openFindings is open of all that is kept.
func (s *Server) openFindings() []rules.Finding {
	if s.opts.Source.Findings == nil {
		return nil
	}
	now := s.now()
	return open(s.opts.Source.Findings.Query(sink.Query{Since: now.Add(-openFor)}), now)
}

// headlineOf says it all in one sentence. found is open, worst first. A failed check is worse than any finding, and a
// degraded one comes between the critical findings and the others.
func headlineOf(found []rules.Finding, checks []Check, info *Info) headline {
	problems := problems(found)
	for _, c := range checks {
		if c.Status == StatusFailed {
			return headline{"critical", "Warder itself is not well: " + c.Name + ": " + sentence(cut(c.Detail, maxHeadline)) + others(problems), nil}
		}
	}
	if len(problems) > 0 && problems[0].Severity == rules.Critical {
		return headline{"critical", clause(&problems[0]) + others(problems[1:]), &problems[0]}
	}
	for _, c := range checks {
		if c.Status != StatusOK {
			return headline{"warning", "Degraded: " + c.Name + ": " + sentence(cut(c.Detail, maxHeadline)) + others(problems), nil}
		}
	}
	if len(problems) > 0 {
		return headline{"warning", clause(&problems[0]) + others(problems[1:]), &problems[0]}
	}
	text := "Healthy: "
	if info != nil {
		text += counted(info.Connections, "connection") + ", " + counted(info.Brokers, "broker") + ", "
	}
	text += "nothing wrong in the last 10 minutes."
	if n := len(found); n > 0 {
		text += " " + counted(n, "piece") + " of advice."
	}
	return headline{"ok", text, nil}
}

// problems leaves out what is only advice.
func problems(found []rules.Finding) []rules.Finding {
	for i := range found {
		if found[i].Severity == rules.Info {
			return found[:i]
		}
	}
	return found
}

// by sorts findings by what they are about, in their order; those that name none of it are left out.
func by(found []rules.Finding, name func(*rules.Subject) string) map[string][]rules.Finding {
	about := map[string][]rules.Finding{}
	for i := range found {
		if n := name(&found[i].Subject); n != "" {
			about[n] = append(about[n], found[i])
		}
	}
	return about
}

// rank is the severity of the worst of findings whose worst comes first; less than any without one.
func rank(found []rules.Finding) int {
	if len(found) == 0 {
		return -1
	}
	return int(found[0].Severity)
}

// others counts what the headline has no room for.
func others(found []rules.Finding) string {
	if len(found) == 0 {
		return ""
	}
	critical := 0
	for i := range found {
		if found[i].Severity == rules.Critical {
			critical++
		}
	}
	text := " " + counted(len(found), "more problem")
	if critical > 0 && len(found) > 1 {
		text += ", " + number(critical) + " critical"
	}
	return text + "."
}

// aside is what a clause says in brackets.
var aside = regexp.MustCompile(` \([^()]*\)`)

// clause is what a finding says before it explains itself, as a sentence without asides.
func clause(f *rules.Finding) string {
	head, _ := parts(f.Summary)
	text := aside.ReplaceAllString(head, "")
	if len(text) > maxHeadline {
		cut := strings.LastIndexByte(text[:maxHeadline], ' ')
		if cut < maxHeadline/2 {
			cut = maxHeadline
		}
		return strings.ToValidUTF8(text[:cut], "") + " …"
	}
	return sentence(text)
}

// parts splits a summary at its first colon: what happened, and what comes of it. It begins with a capital unless it
// begins with a name.
func parts(summary string) (head, rest string) {
	head, rest, _ = strings.Cut(long(summary), ": ")
	for _, word := range []string{"group ", "partition ", "topic ", "member ", "members ", "lag ", "compacted ", "nobody ", "every ", "no "} {
		if strings.HasPrefix(head, word) {
			return strings.ToUpper(head[:1]) + head[1:], rest
		}
	}
	return head, rest
}

func sentence(text string) string {
	if text == "" || strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}
