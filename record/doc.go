// Package record is Kafka traffic of the past: what connections carried, entry by
// entry, with the times at which it happened. Recordings and captures of a network
// are both read as entries, which proxy.Player plays to the same sessions, rules
// and engine that live traffic meets.
//
// Lifetimes: the Data of an Entry belongs to whoever gives it and is valid until
// the next one is asked for.
package record
