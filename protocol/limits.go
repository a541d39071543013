package protocol

// Bounds on what a peer may make warder hold. Those named Default are the
// values of settings; the others are facts of the protocol.
const (
	// DefaultMaxFrame is the default bound on the size of a request, in bytes:
	// socket.request.max.bytes of SocketServerConfigs.java. Operators raise it
	// on brokers, hence it is a setting here.
	DefaultMaxFrame = 100 << 20
	// MaxUnauthenticatedFrame bounds frames before and during authentication,
	// in bytes: sasl.server.max.receive.size of BrokerSecurityConfigs.java.
	MaxUnauthenticatedFrame = 512 << 10
	// MaxRequestHeader is the most that ParseRequestHeader asks for of a sane
	// client: a longer header is malformed rather than short. It leaves room
	// for the longest client id (32,767 bytes) and as much in tags.
	MaxRequestHeader = 64 << 10
	// MaxPeek is the most that is ever asked of Cursor.Peek, in bytes.
	MaxPeek = 4096
)

// frameMemoryStep is how much is allocated on the word of a length prefix
// alone: a larger frame grows fourfold as its bytes arrive, so that a claimed
// length costs its sender as many bytes as it costs us within that factor.
const frameMemoryStep = 256 << 10
