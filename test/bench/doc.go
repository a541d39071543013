// Command bench measures what warder costs and how long it keeps traffic, beside a plain relay and HAProxy.
//
// A sink that speaks just enough Kafka stands behind each of them, a load of prepared frames in front. Load and sink are goroutines
// of this process and do as little as they can, since what counts is the CPU time of the process between them, as the kernel accounts
// it: on a machine that is shared, it moves far less than anything that a clock on the wall tells. Rounds are interleaved (each target once with
// the first load, then each with the second, and so on, then the next round), and targets are compared by the ratio inside a round.
//
// `make bench` runs it, `make bench-docs` writes docs/performance.md from its result. It measures, it never fails because something was slow.
package main
