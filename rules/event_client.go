package rules

import "time"

// What follows tells how a client uses its connections. The sessions count on
// their own, and tell at most once in UsedEvery and once more when they end; the
// receiver adds up the sessions of a client.

// UsedEvery is how often ProduceAnswered, FetchAnswered and ConnectionUsed come.
const UsedEvery = 2 * time.Second

// clientKey is the Key of an event about a client.
func clientKey(k KeyKind, id *Identity) string {
	if k == ByClient {
		return id.Key()
	}
	return ""
}

// ProduceAnswered says how the Produce requests of a session were answered since the
// last such event. Those with acks=0, which nobody answers, are not in it.
type ProduceAnswered struct {
	At     time.Time
	Client *Identity
	// Requests that a broker answered.
	Requests int
	// Waited is the sum of the time from the last byte of each request to the
	// first of its answer: the broker's own, without warder's and without the
	// way between client and warder. Latency is how it is spread, in LatencyUnit.
	Waited  time.Duration
	Latency Spread
	// InFlight is how many requests were unanswered on the connection when each
	// of them came, itself included.
	InFlight Spread
	// Throttled answers said throttle_time_ms, in all ThrottleTime.
	Throttled    int
	ThrottleTime time.Duration
}

// LatencyUnit is what Latency counts in: to a quarter of a millisecond, up to 32 s.
const LatencyUnit = 250 * time.Microsecond

// Kind is KindProduceAnswered.
func (ProduceAnswered) Kind() Kind { return KindProduceAnswered }

// When is the time of the last answer.
func (e ProduceAnswered) When() time.Time { return e.At }

// Key knows ByClient.
func (e ProduceAnswered) Key(k KeyKind) string { return clientKey(k, e.Client) }

// FetchAnswered says how the Fetch requests of a consumer's session were answered
// since the last such event.
type FetchAnswered struct {
	At     time.Time
	Client *Identity
	// Answers in all, and those of them without a record: of long polls that
	// waited for MaxWait in vain.
	Answers, Empty int
	// Bytes of records, and how they are spread over the answers that had any,
	// in SizeUnit.
	Bytes int64
	Sizes Spread
	// MinBytes and MaxWait are what the last request asked for (fetch.min.bytes,
	// fetch.max.wait.ms), and Partitions how many it asks for, those included
	// that an incremental one does not name.
	MinBytes   int32
	MaxWait    time.Duration
	Partitions int
}

// SizeUnit is what sizes are counted in: to 16 bytes, up to 2 MiB.
const SizeUnit = 16

// Kind is KindFetchAnswered.
func (FetchAnswered) Kind() Kind { return KindFetchAnswered }

// When is the time of the last answer.
func (e FetchAnswered) When() time.Time { return e.At }

// Key knows ByClient.
func (e FetchAnswered) Key(k KeyKind) string { return clientKey(k, e.Client) }

// ConnectionUsed says what a connection was used for since the last such event. It
// comes first when a request other than those that open a connection (ApiVersions,
// SaslHandshake, SaslAuthenticate) was answered, and last when the connection has
// ended. Of one that sent nothing, a TCP probe of a load balancer, there is none.
type ConnectionUsed struct {
	At     time.Time
	Client *Identity
	Opened time.Time
	// First is set in the first event of a connection, Ended in the last.
	First, Ended bool
	// ByClient says that it was the client that ended it.
	ByClient bool
	// Requests that were answered, without those that open a connection. What
	// follows counts some of them apart, and the ApiVersions besides.
	Requests                               int
	Metadata, FindCoordinator, ApiVersions int
}

// Kind is KindConnectionUsed.
func (ConnectionUsed) Kind() Kind { return KindConnectionUsed }

// When is the time of the answer or of the end.
func (e ConnectionUsed) When() time.Time { return e.At }

// Key knows ByClient.
func (e ConnectionUsed) Key(k KeyKind) string { return clientKey(k, e.Client) }
