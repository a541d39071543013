// Package proxy carries Kafka connections between clients and brokers.
//
// A [Server] listens for clients, gives every broker a port of its own, and runs
// one session per client connection: a goroutine from client to broker, one from
// broker to client, a checked FIFO of open exchanges between them. What no one
// inspects passes in pooled windows, byte for byte and in order; what must be
// changed is changed in the file of its API (api_*.go). Rules judge through a
// gate of package engine on the session's own goroutine; what they watch goes out
// as events that never delay traffic.
//
// The package never renumbers nodes, never answers success for what was not
// written, keeps no token of an authentication, and opens no port that it does
// not advertise. Bytes handed to handlers alias a window or a pooled frame and
// die with the next step of the loop, see window and request.
package proxy
