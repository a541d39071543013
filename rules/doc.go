// Package rules is the contract between a rule and warder: everything a rule
// author has to know.
//
// A rule is a value that [Spec].New makes from its part of the configuration.
// It never changes afterwards and keeps nothing between calls: the engine owns
// all state and calls the rule through one or more interfaces of one method.
//
//	RequestRule  a Produce request, before its batches    may deny
//	BatchRule    a batch, after its records               may deny, report, observe
//	RecordRule   a record                                 may deny
//	SampleRule   some records, also of what is fetched    reports
//	ChangeRule   a change of a topic, before it is made   may deny, report, observe
//	Watcher      events of one key, in a shard            reports
//
// The first five run on the connection's own goroutine while the request
// waits. They are functions of what they are given, take no lock that another
// session can hold for long, do no I/O and never ask for the time. What they
// are given ([Batch], [Record] and every slice in them) is a view into a
// network buffer, valid during the call only; [Excerpt] and [KeyText] copy.
//
// A Watcher runs behind a bounded queue and never delays traffic. It sees the
// events of one key (a group, a transactional id, a partition) in one
// goroutine, with state that the engine keeps and evicts. Time reaches it only
// as data.
//
// A rule leaves what it thinks in its [Case]. Deny says that a record should not
// be written, or a change not be made; the operator's action decides whether
// that refuses it (`block`) or marks the finding `would_block`. Report says what
// happened, in words, numbers and advice; the engine adds who and where, folds
// repeats and hands the [Finding] to the sinks.
package rules
