package engine

import (
	"time"

	"warder/protocol"
	"warder/rules"
)

// Gate judges the Produce requests of one session, on the session's request
// loop. It is not safe for concurrent use.
type Gate struct{}

// ProduceVerdict is what becomes of a Produce request. Its slices belong to the
// gate and are valid until the next call of Produce or Close.
type ProduceVerdict struct {
	// Denied partitions, by Ordinal. Empty: the original bytes go on. All
	// partitions of the request: nothing goes upstream.
	Denied []protocol.Denial
	// AcksZero says what to do about a denied request with acks=0: close the
	// connection, or forward the rest and drop the denied partitions.
	AcksZero rules.AcksZero
	// Keep asks for the exchange to be kept in the recording.
	Keep bool
	// Batches and Records that were looked at.
	Batches, Records int
}

// NeedsProduce says whether any rule looks at what this client produces. If
// not, a Produce request need not be held in memory.
func (g *Gate) NeedsProduce(id *rules.Identity) bool { return false }

// NeedsConfig says whether a rule that may block would want to know the
// cleanup.policy of this topic, and it is unknown.
func (g *Gate) NeedsConfig(id *rules.Identity, topic []byte) bool { return false }

// Produce judges a request. now is when its last byte was read. It allocates
// nothing while all is clean.
func (g *Gate) Produce(id *rules.Identity, req *protocol.ProduceRequest, now time.Time) ProduceVerdict {
	return ProduceVerdict{}
}

// Close returns what the gate has borrowed. It must not be used afterwards.
func (g *Gate) Close() {}
