// Package fakebroker is a Kafka broker for tests that does exactly what the test says, byte for byte.
//
// It exists for what an embedded or real broker will not do on demand: hold an answer back, answer out of
// order or out of the blue, send one byte at a time, stall, half-close, reset. Use it in one of two ways:
//
//   - Programmed: [New] starts a broker that answers ApiVersions and Metadata sensibly; [Broker.Handle] adds or
//     replaces the answer of one API key. Requests are read ahead and answered strictly in order, as a broker does.
//   - Scripted: [Broker.Script] gives the next connection a list of [Step] values (expect, send, wait, close).
//     The script owns the connection, and whatever it does not do does not happen.
//
// Every [Conn] logs the raw bytes it received, so that a test can assert that nothing was altered on the way.
// [Client] is the other end: a client that speaks frames, for tests that must see the very bytes of an answer.
//
// The package reads headers with kmsg, never with warder's own decoder, so that it can serve as its oracle.
// Everything is closed and awaited through the test's Cleanup. Waits have a deadline of [Patience]: it only ever
// ends a test that has already failed. It is for tests only and is imported by nothing else.
package fakebroker
