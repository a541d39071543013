package builtin

import (
	"fmt"
	"strings"
	"time"

	"warder/rules"
)

// What groups would lose by a change: records that are deleted before they have read
// them.

// groupLoss is what one group would lose.
type groupLoss struct {
	group   string
	members int
	inUse   bool
	records int64
	unsure  int64         // unread records of which that cannot be told
	behind  time.Duration // the largest age of a record that it would lose
}

// losses asks lost for every partition that groups read, and gives the groups that
// would lose something, or may, the worst first. lost gives the records that would be
// lost; false when it cannot be told.
func (a *adminRequest) losses(lost func(r *topicReader, p *readPartition) (int64, bool)) (list []groupLoss) {
	for _, r := range a.readers() {
		l := groupLoss{group: r.group, members: r.members, inUse: a.inUse(r.used)}
		for i := range r.partitions {
			p := &r.partitions[i]
			switch n, known := lost(&r, p); {
			case !known:
				l.unsure += p.unread()
			case n > 0:
				l.records += n
				l.behind = max(l.behind, p.age)
			}
		}
		if l.records > 0 || l.unsure >= a.MinRecords {
			list = append(list, l)
		}
	}
	return list
}

// worst is the group that loses most: one in use before one that is not, and what is
// certain before what is not.
func worst(list []groupLoss) *groupLoss {
	w := &list[0]
	for i := range list {
		if l := &list[i]; l.weight() > w.weight() || l.weight() == w.weight() && (l.records > w.records || l.records == w.records && l.unsure > w.unsure) {
			w = l
		}
	}
	return w
}

func (l *groupLoss) weight() int {
	switch {
	case l.records == 0:
		return 0
	case !l.inUse:
		return 1
	}
	return 2
}

// tellLoss reports what groups would lose by what was asked for, as in "lower
// retention.ms of topic orders to 1h", and denies it when one that is in use is known
// to lose records. certain says that it is known to change anything at all.
func (a *adminRequest) tellLoss(kind, what, about string, list []groupLoss, certain bool, facts rules.Evidence, advice string) {
	if len(list) == 0 {
		return
	}
	w := worst(list)
	group := rules.Excerpt(w.group, 80)
	out := rules.Report{
		Severity: rules.Warning, Aspect: kind, Subject: rules.Subject{Group: w.group}, Advice: advice,
		Summary: fmt.Sprintf("%s %s: group %s would lose %s%s of it%s", a.who(), what, group, about, recordCount(w.records), w.text()),
		Evidence: append(rules.Evidence{
			{Name: "kind", Value: kind},
			{Name: "records", Value: w.records},
			{Name: "members", Value: w.members},
			{Name: "groups", Value: lossList(list)},
		}, facts...),
	}
	if w.records == 0 {
		out.Summary = fmt.Sprintf("%s %s: group %s has not read %s of it, and it is not known whether they would be lost", a.who(), what, group, recordCount(w.unsure))
		out.Evidence = append(out.Evidence, rules.Fact{Name: "unread", Value: w.unsure})
	}
	if others := len(list) - 1; others > 0 {
		out.Summary += fmt.Sprintf("; %s more", several(others, "group"))
	}
	if w.weight() < 2 || !certain {
		a.report(out)
		return
	}
	out.Severity = rules.Critical
	a.deny(fmt.Sprintf("group %s would lose %s%s of topic %s that it has not read", group, about, recordCount(w.records), rules.Excerpt(a.Topic.Name, 80)), out)
}

// text says how the group stands.
func (l *groupLoss) text() string {
	switch {
	case !l.inUse:
		return ", unless it has been given up: nobody has used it for a while"
	case l.behind > 0:
		return " that it has not read; it is " + twoUnits(l.behind) + " behind"
	}
	return " that it has not read"
}

// lossList names the first groups with what they lose.
func lossList(list []groupLoss) string {
	var b strings.Builder
	for i := range list[:min(len(list), listedPartitions)] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s: %d", rules.Excerpt(list[i].group, 80), list[i].records)
	}
	return b.String()
}

// deleteTopic judges the deletion of a topic that groups read.
func (a *adminRequest) deleteTopic() {
	var inUse []topicReader
	unread := int64(0)
	for _, r := range a.readers() {
		if !a.inUse(r.used) {
			continue
		}
		inUse = append(inUse, r)
		for i := range r.partitions {
			unread += r.partitions[i].unread()
		}
	}
	if len(inUse) == 0 {
		return
	}
	topic, names := excerptTopic(a.Topic.Name), groupNames(inUse)
	a.deny(fmt.Sprintf("%s read topic %s", names, rules.Excerpt(a.Topic.Name, 80)), rules.Report{
		Aspect: "topic-deleted", Subject: rules.Subject{Group: inUse[0].group},
		Summary: fmt.Sprintf("%s delete topic %s, which %s read: %s in it have not been read", a.who(), topic, names, recordCount(unread)),
		Evidence: rules.Evidence{
			{Name: "kind", Value: "topic-deleted"},
			{Name: "records", Value: unread},
			{Name: "groups", Value: names},
			{Name: "members", Value: inUse[0].members},
		},
		Advice: "Stop these groups first, or have them subscribe to something else: a deleted topic cannot be had back, and where auto.create.topics.enable is on the next one that asks for it makes it anew, empty.",
	})
}

// groupNames names groups in a sentence.
func groupNames(list []topicReader) string {
	if len(list) == 1 {
		return "members of group " + rules.Excerpt(list[0].group, 80)
	}
	var names []string
	for i := range list[:min(len(list), 3)] {
		names = append(names, rules.Excerpt(list[i].group, 40))
	}
	text := fmt.Sprintf("%d groups (%s", len(list), strings.Join(names, ", "))
	if len(list) > len(names) {
		text += ", …"
	}
	return text + ")"
}

// deleteRecords judges the deletion of records that groups have not read.
func (a *adminRequest) deleteRecords() {
	before := make(map[int32]int64, len(a.Offsets))
	for i := range a.Offsets {
		before[a.Offsets[i].Partition] = a.Offsets[i].Offset
	}
	list := a.losses(func(_ *topicReader, p *readPartition) (int64, bool) {
		offset, named := before[p.number]
		switch {
		case !named:
			return 0, true
		case offset < 0: // up to the end
			return p.unread(), p.end >= 0
		}
		return p.gone(offset), true
	})
	what := fmt.Sprintf("delete records of topic %s", excerptTopic(a.Topic.Name))
	a.tellLoss("records-deleted", what, "", list, true, rules.Evidence{{Name: "partitions", Value: len(a.Offsets)}},
		"Deleted records cannot be had back. Delete up to the lowest committed offset of the groups that read the topic, or let them catch up first: warder explain group shows where they are.")
}
