package main

import (
	"errors"
	"slices"
	"strings"
	"time"

	"warder/rules"
	"warder/rules/state"
)

// errBusy says that the part of warder that follows a group has too much to do.
var errBusy = errors.New("warder has more events to follow than it can just now, so it cannot say; ask again")

// groups lists the groups that were seen, by id.
func (w *instance) groups(now time.Time) state.GroupList {
	list := state.GroupList{Groups: []state.GroupLine{}}
	all := w.engine.ViewAll(rules.ByGroup, func(_ string, m rules.ModelState) {
		if g, ok := m.(*state.Group); ok {
			list.Groups = append(list.Groups, g.Line(now))
		}
	})
	if !all {
		list.Partial = true
		list.Note = "a part of warder has more events to follow than it can just now: its groups are missing here; ask again"
	}
	slices.SortFunc(list.Groups, func(a, b state.GroupLine) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// group gives all that is known of a group; an error when that cannot be said now.
func (w *instance) group(name string, now time.Time) (view state.GroupView, known bool, err error) {
	found, asked := w.engine.View(rules.ByGroup, name, func(m rules.ModelState) {
		if g, ok := m.(*state.Group); ok {
			view, known = g.View(now), true
		}
	})
	if !asked {
		return view, false, errBusy
	}
	return view, known && found, nil
}
