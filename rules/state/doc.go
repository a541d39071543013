// Package state holds the bounded stores that rules, the engine and the proxy
// share: what is known of topics, what was refused, what happened lately.
//
// Every store is safe for concurrent use, never grows beyond the limit it was
// made with, counts what it drops, and takes the time as an argument.
package state
