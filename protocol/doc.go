// Package protocol knows the frames of the Kafka protocol: their length
// prefix, the request and response headers, the table of APIs, and the two
// messages that carry records, Produce and Fetch, which it walks in place.
//
// It never touches a socket, starts no goroutine, keeps no state between
// frames and decodes no record (see protocol/records) and no cold message (see
// protocol/messages). Whatever it hands out as bytes aliases the frame it was
// read from and dies with that frame. Iterators are values and allocate
// nothing. Untouched bytes stay untouched: what is re-appended is copied from
// the original, unknown tagged fields and trailing bytes included.
package protocol
