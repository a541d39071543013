// Package messages reads and changes the messages of the Kafka protocol that
// carry no records: Metadata, ApiVersions, SASL, topic and configuration
// administration, transactions, what groups subscribe to.
//
// What is only read is decoded by kmsg, after a walk along Apache Kafka's own
// message definitions (schema.txt) has shown that the bytes are what they claim
// to be and that decoding them costs a bounded amount of memory. What is
// changed (addresses of brokers, the ranges of ApiVersions) is spliced in place:
// every byte that is not about to change is copied from the original, unknown
// tagged fields and trailing bytes included.
//
// The package keeps no state between calls but tables that it derives from
// schema.txt, never touches a socket, never logs, and keeps no byte of a SASL
// token. Values that its functions return own their memory, unless the function
// says otherwise. All functions are safe for concurrent use.
package messages
