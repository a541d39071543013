package main

import "warder/rules"

// ask carries a question of a rule to whoever knows; false when nobody does.
func (w *instance) ask(q rules.Question) bool {
	switch q := q.(type) {
	case rules.WhoReads:
		return w.proxy.AskWhoReads(q)
	default:
		return false
	}
}
