// Package engine runs the rules: it turns the configuration into an immutable
// set of rules, judges requests in the session's own goroutine ([Gate]), keeps
// the state of watchers in shards, folds what they report into findings and
// hands these to the sinks.
//
// Everything between a session and a sink is bounded and never blocks: a full
// queue drops and counts. What a Gate returns belongs to it and is valid until
// its next call.
package engine
