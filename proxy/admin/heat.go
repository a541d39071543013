package admin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// The heat map of a group: a cell for each partition, its colour by how long its next record has waited. A partition that
// a rule has found something about is marked, and so is one that stands still while others go on, before a rule judges
// it: it has a border and a word besides its colour.

const (
	maxCells    = 2000 // partitions of a topic that are drawn
	roomyCells  = 64   // up to so many have room for their number
	stillFor    = 30 * time.Second
	heatUnknown = -1
)

// heatRow is one topic of a group.
type heatRow struct {
	Topic   string
	Cells   []heatCell
	Compact bool       // the cells have no room for text
	Marked  []heatCell // those that stand out, worst first
	More    int        // that are not drawn
}

// heatCell is one partition.
type heatCell struct {
	Partition int32
	Level     int    // 0 for no lag to 5 for an hour and more, heatUnknown while it is not known
	Word      string // why it is marked; empty when it is not
	Numbers   string // its lag in words
	Lag       int64
	waited    int64 // milliseconds; -1 while that is not known
}

// Label is all of it in words.
func (c heatCell) Label() string {
	text := fmt.Sprintf("partition %d: ", c.Partition)
	if c.Word != "" {
		text += c.Word + ", "
	}
	return text + c.Numbers
}

// Short is its lag in the room of a cell.
func (c heatCell) Short() string {
	switch {
	case c.Level == heatUnknown:
		return "?"
	case c.Lag == 0:
		return "–"
	case c.waited < 0:
		return shortNumber(c.Lag)
	}
	return strings.TrimSuffix(since(max(time.Duration(c.waited)*time.Millisecond, time.Second)), " ago")
}

// shortNumber is a number in three digits and a unit.
func shortNumber(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if n >= u.size {
			return strconv.FormatFloat(float64(n)/float64(u.size), 'g', 3, 64) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// Class is the style of the cell.
func (c heatCell) Class() string {
	class := fmt.Sprintf("heat%d", c.Level)
	if c.Level == heatUnknown {
		class = "heat-unknown"
	}
	if c.Word != "" {
		class += " marked"
	}
	return class
}

// heatOf draws a group. found is what is open.
func heatOf(g *state.GroupView, found []rules.Finding) []heatRow {
	words := markedBy(g.ID, found)
	var rows []heatRow
	for i := range g.Partitions {
		p := &g.Partitions[i]
		if n := len(rows); n == 0 || rows[n-1].Topic != p.Topic {
			rows = append(rows, heatRow{Topic: p.Topic})
		}
		row := &rows[len(rows)-1]
		c := cellOf(p)
		if c.Word = words[rules.TopicPartition{Topic: p.Topic, Partition: p.Partition}]; c.Word == "" && standsStill(g, p) {
			c.Word = "stands still"
		}
		if c.Word != "" {
			row.Marked = append(row.Marked, c)
		}
		if len(row.Cells) == maxCells {
			row.More++
			continue
		}
		row.Cells = append(row.Cells, c)
	}
	for i := range rows {
		rows[i].Compact = len(rows[i].Cells) > roomyCells
		slices.SortStableFunc(rows[i].Marked, func(a, b heatCell) int { return b.Level - a.Level })
	}
	return rows
}

// marks are the words of rules that speak of a partition of a group; later ones say more.
var marks = []struct{ rule, word string }{
	{"offset-rewind", "went back"}, {"offset-reset", "lost its place"}, {"lag-skew", "behind the others"},
	{"retention-loss", "loses records"}, {"stuck-partition", "stuck"}, {"poison-message", "poison record"},
}

func markedBy(group string, found []rules.Finding) map[rules.TopicPartition]string {
	words := map[rules.TopicPartition]string{}
	for _, m := range marks {
		for i := range found {
			s := &found[i].Subject
			if found[i].Rule == m.rule && s.Group == group && s.Partition != nil {
				words[rules.TopicPartition{Topic: s.Topic, Partition: *s.Partition}] = m.word
			}
		}
	}
	return words
}

// standsStill says that records wait and no commit has gone forward for a while, though the group has members, and is not
// so in every partition of the topic.
func standsStill(g *state.GroupView, p *state.PartitionView) bool {
	if p.Share != nil || len(g.Members) == 0 || p.Stuck < stillFor.Milliseconds() {
		return false
	}
	return slices.ContainsFunc(g.Partitions, func(other state.PartitionView) bool {
		return other.Topic == p.Topic && other.Partition != p.Partition && other.Lag != nil && other.Stuck < stillFor.Milliseconds()
	})
}

func cellOf(p *state.PartitionView) heatCell {
	c := heatCell{Partition: p.Partition, Level: heatUnknown, Numbers: "lag not known", waited: -1}
	if p.Lag == nil {
		return c
	}
	c.Lag = *p.Lag
	switch {
	case c.Lag == 0:
		c.Level, c.Numbers = 0, "no lag"
	case p.TimeLag != nil:
		c.waited = *p.TimeLag
		c.Level, c.Numbers = byTime(*p.TimeLag), counted(c.Lag, "record")+" behind, the next has waited for about "+millis(*p.TimeLag)
	case p.Stuck > 0:
		c.waited = p.Stuck
		c.Level, c.Numbers = byTime(p.Stuck), counted(c.Lag, "record")+" behind, the next has waited for at least "+millis(p.Stuck)
	default:
		c.Level, c.Numbers = byRecords(c.Lag), counted(c.Lag, "record")+" behind"
	}
	return c
}

// byTime is the level of a lag in milliseconds.
func byTime(ms int64) int { return levelOf(ms, 10_000, 60_000, 600_000, 3_600_000) }

// byRecords is the level of a lag of which only the number of records is known.
func byRecords(n int64) int { return levelOf(n, 100, 10_000, 1_000_000, 100_000_000) }

func levelOf(n int64, limits ...int64) int {
	for i, limit := range limits {
		if n < limit {
			return i + 1
		}
	}
	return len(limits) + 1
}

// heatLegend says what the colours mean, in their order.
var heatLegend = []struct{ Class, Text string }{
	{"heat-unknown", "not known"}, {"heat0", "none"}, {"heat1", "under 10 s"}, {"heat2", "under 1 min"},
	{"heat3", "under 10 min"}, {"heat4", "under 1 h"}, {"heat5", "1 h or more"},
}
