package capture

import "time"

// Bounds. What a network sends decides nothing about how much memory this takes.
const (
	// maxConnections is how many connections are remembered. Beyond them the one
	// that has been silent for longest is given up, and counted (Evicted).
	maxConnections = 20_000
	// maxHeld is how many bytes of one direction of a connection wait for others
	// that belong before them: about what is on its way over a long fat network.
	// Beyond it what is missing counts as lost.
	maxHeld = 4 << 20
	// maxHeldSegments bounds the same in segments, which may be small.
	maxHeldSegments = 8192
	// maxMemory is how many bytes wait in all connections together, those of frames
	// that have begun included. Beyond it what is missing counts as lost, and a
	// frame that has begun too.
	maxMemory = 256 << 20
	// maxWhole is how large a frame, with its length, may be to be given in one
	// piece. A smaller one in which bytes are missing is left out; a larger one is
	// given as it comes, with zeros for what is missing. Headers fit.
	maxWhole = 64 << 10
	// maxAnswer is how large an answer may say to be. Fetch answers exceed what was
	// asked for by at most one batch, so this is far from any.
	maxAnswer = 512 << 20
	// maxOpen is how many requests of a connection may wait for their answers. Where
	// only one direction was captured answers never come: beyond it they count as lost.
	maxOpen = 1024
	// maxPorts is how many ports of brokers are learnt.
	maxPorts = 1024
)

// Waits, in the time of the capture.
const (
	// reorderWait is how long bytes may be missing that their receiver has
	// acknowledged. It has them, so nobody will send them again: either another queue
	// of the network card brings them in a moment, or the capture lost them.
	reorderWait = 500 * time.Millisecond
	// holeWait is how long bytes may be missing that nobody has acknowledged, while
	// later ones are there. They are sent again, at growing intervals.
	holeWait = 30 * time.Second
	// maxJump is how far the time of packets may jump. Whoever follows it lets each
	// second in between pass, and a damaged file may claim any.
	maxJump = 60 * 24 * time.Hour
	// sweepEvery is how often connections with something missing are looked at.
	sweepEvery = 100 * time.Millisecond
)
