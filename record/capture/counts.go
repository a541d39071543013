package capture

// Reason says why something was not followed.
type Reason uint8

// Reasons. Of connections the first ones, of bytes those from Lost on, of packets
// those from Fragment on.
const (
	Other           Reason = iota // not TCP, or not of a connection that is looked at: nothing to say of it
	Encrypted                     // TLS
	NotKafka                      // to a port of brokers, in another protocol
	BetweenBrokers                // requests that only brokers and controllers send each other
	SaslV0                        // SaslHandshake version 0: bare tokens without frames follow
	Evicted                       // more connections at once than are remembered
	LostBytes                     // sent, and not in the capture, or not in time
	BeforeSync                    // before the first request could be found, where a connection began earlier or bytes were lost
	Unasked                       // answers whose requests were not followed
	Partial                       // frames that were left out because some of their bytes are lost
	Fragment                      // fragments of IP packets
	Truncated                     // packets cut off before their TCP header ends
	Malformed                     // headers that contradict themselves
	UnsupportedLink               // packets of another link type
	KernelDropped                 // packets that the kernel dropped, since they were not read in time
	reasons
)

var reasonTexts = [reasons]string{
	"other", "encrypted", "not_kafka", "between_brokers", "sasl_v0", "too_many_connections", "lost", "before_sync", "unasked_answers", "partial_frames",
	"fragments", "truncated_headers", "malformed", "unsupported_link", "kernel_dropped",
}

// String is the reason in a word, for programs.
func (r Reason) String() string { return reasonTexts[r] }

// Unfollowed is how much was not followed for one reason.
type Unfollowed struct {
	Connections uint64 `json:"connections,omitempty"`
	Packets     uint64 `json:"packets,omitempty"`
	Bytes       uint64 `json:"bytes,omitempty"` // of TCP payload; of whole packets where the reason is one of packets
}

// Counts says what a Source has seen.
type Counts struct {
	Packets     uint64 // in the capture
	Connections uint64 // to ports of brokers, and those to others that turned out to be Kafka
	Followed    uint64 // of those, in which requests were found
	Midstream   uint64 // of those, begun before the capture
	Bytes       uint64 // of requests and answers that were followed
	Requests    uint64
	Answers     uint64
	Losses      uint64 // times that a connection went on after bytes were missing
	CutOff      bool   // a file ended in the middle of a packet

	unfollowed [reasons]Unfollowed
}

// Unfollowed is what was not followed, in the order of the reasons. Reasons for which
// there was nothing are left out.
func (c *Counts) Unfollowed(each func(Reason, Unfollowed)) {
	for reason, u := range c.unfollowed {
		if reason != int(Other) && u != (Unfollowed{}) {
			each(Reason(reason), u)
		}
	}
}

func (c *Counts) packet(why Reason, length int) {
	c.unfollowed[why].Packets++
	c.unfollowed[why].Bytes += uint64(length)
}

func (c *Counts) bytes(why Reason, n int) { c.unfollowed[why].Bytes += uint64(n) }
