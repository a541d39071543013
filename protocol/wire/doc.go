// Package wire reads and appends the primitive types of the Kafka protocol:
// big-endian integers, varints, strings, bytes, arrays and tagged fields, in
// their classic and their compact ("flexible", KIP-482) encodings.
//
// A Reader is sticky: after the first read that cannot be satisfied every
// further read returns the zero value, so a decoder is straight-line code that
// asks Err once at its end. Everything a Reader returns as bytes aliases its
// source. Where the encoding leaves room (a negative length, a length above
// the int32 range) it is read as the generated code of Apache Kafka reads it,
// so that warder and the broker never see two different messages in one frame.
//
// The package allocates nothing, and knows no message, no API key and no
// version.
package wire
