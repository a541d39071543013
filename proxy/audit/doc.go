// Package audit is the trail of who did what: one line of JSON for each exchange of
// the chosen APIs, and for what happens to connections and to warder itself.
//
// Lines form a chain. Each holds the hash of the line before it (prev) and ends with
// its own (hash), so that a line that was changed, removed, added or moved shows. What
// warder itself had to leave out stands in the chain as well, as a line that says
// how much. [Verify] reads a trail back.
//
// A session asks [Trail.Take] before it collects anything and hands over what it
// collected with [Trail.Exchange]. Neither waits: a bounded queue leads to one
// goroutine, which writes. What happens when it cannot is the operator's choice, see
// [configs.Audit]. The package holds no key, no value and no secret of a client.
package audit
