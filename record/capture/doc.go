// Package capture reads Kafka traffic from the packets of a network: from pcap and
// pcapng files, and on Linux from an interface. A Source puts the packets of each
// connection back into the order in which they were sent, finds the requests and
// answers in them, and gives them as entries of package record. What it cannot
// follow is counted by reason, never guessed at.
//
// The way of a packet: a Feed gives it (file.go, live_linux.go), parse finds the
// TCP segment in it (decode.go), Source finds its connection (source.go, conn.go),
// stream puts bytes into order (stream.go), and conversation finds frames in them
// (conversation.go, requests.go, answers.go).
//
// Nothing here is safe for concurrent use, and nothing starts a goroutine.
package capture
