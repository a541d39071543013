package capture_test

import (
	"slices"
	"testing"
	"time"

	"warder/record/capture"
)

const (
	clientHere = "10.0.0.5:40000"
	brokerHere = "10.0.0.9:9092"
)

func TestConversation(t *testing.T) {
	l := newLine(t, clientHere, brokerHere).open()
	l.ask(heartbeat(1)).reply(answer(1, 9)).ask(heartbeat(2)).reply(answer(2)).close()
	got := l.read()
	got.story("open ask reply ask reply close").asked(heartbeat(1), heartbeat(2)).replied(answer(1, 9), answer(2))
	if got.counts.Requests != 2 || got.counts.Answers != 2 || got.counts.Followed != 1 || got.counts.Connections != 1 {
		t.Errorf("%+v", got.counts)
	}
}

func TestIPv6(t *testing.T) {
	l := newLine(t, "[fd00::5]:40000", "[fd00::9]:9092").open().ask(heartbeat(1)).reply(answer(1)).close()
	l.read().story("open ask reply close").asked(heartbeat(1))
}

// Whoever wants the bytes gets them, whatever is wrong with them.
func TestBytesAsTheyWereSent(t *testing.T) {
	garbage := []byte("\xff\xff\xff\xff, and answers in any order")
	l := newLine(t, clientHere, brokerHere).open()
	l.ask(heartbeat(1), heartbeat(2)).reply(answer(2), answer(1), answer(7)).ask(garbage).reply(garbage).close()
	got := readBytes(t, capture.Bytes(&packets{*l.list}, []uint16{9092}))
	got.story("open ask reply ask reply close").asked(heartbeat(1), heartbeat(2), garbage).replied(answer(2), answer(1), answer(7), garbage)
	l = newLine(t, clientHere, brokerHere).open().ask(heartbeat(1)).ask(heartbeat(2)).lose().ask(heartbeat(3)).wait(time.Minute).ask(heartbeat(4))
	got = readBytes(t, capture.Bytes(&packets{*l.list}, []uint16{9092}))
	got.story("open ask lost ask").asked(heartbeat(1), heartbeat(3), heartbeat(4))
	l = newLine(t, clientHere, brokerHere).open().ask(heartbeat(1)).lose().reply(answer(1)).ask(heartbeat(2)).wait(time.Minute).reply(answer(2))
	got = readBytes(t, capture.Bytes(&packets{*l.list}, []uint16{9092}))
	got.story("open lost ask reply").asked(heartbeat(2)).replied(answer(1), answer(2))
	l = newLine(t, clientHere, brokerHere).ask(heartbeat(1))
	readBytes(t, capture.Bytes(&packets{*l.list}, []uint16{9092})).story("open lost ask")
	readBytes(t, capture.Bytes(&packets{*l.list}, []uint16{1})).story("")
}

// Frames cut anywhere, several in a segment.
func TestSegmentsAreNoFrames(t *testing.T) {
	l := newLine(t, clientHere, brokerHere).open()
	b := slices.Concat(heartbeat(1), heartbeat(2), heartbeat(3))
	l.ask(b[:3]).ask(b[3:9]).ask(b[9 : len(b)-1]).ask(b[len(b)-1:])
	l.reply(answer(1), answer(2)[:5]).reply(answer(2)[5:], answer(3))
	l.read().story("open ask reply").asked(b).replied(answer(1), answer(2), answer(3))
}

func TestLargeFramesPassInPieces(t *testing.T) {
	big := produce(1, 1, 300_000)
	l := newLine(t, clientHere, brokerHere).open()
	for rest := big; len(rest) > 0; rest = rest[min(len(rest), 30_000):] {
		l.ask(rest[:min(len(rest), 30_000)])
	}
	body := make([]byte, 200_000)
	whole := answer(1, body...)
	for rest := whole; len(rest) > 0; rest = rest[min(len(rest), 30_000):] {
		l.reply(rest[:min(len(rest), 30_000)])
	}
	got := l.read().story("open ask reply").asked(big).replied(whole)
	if got.entries < 8 {
		t.Errorf("%d entries: the frames were held as a whole", got.entries)
	}
}

func TestReordering(t *testing.T) {
	l := newLine(t, clientHere, brokerHere).open()
	b := heartbeat(1)
	l.ask(b[:10]).ask(b[10:20]).swap().ask(b[20:]).swap()
	l.reply(answer(1)).read().story("open ask reply").asked(b).replied(answer(1))
}

// Another queue of the network card may bring the answer first.
func TestAnswerCapturedBeforeItsRequest(t *testing.T) {
	l := newLine(t, clientHere, brokerHere).open().ask(heartbeat(1)).reply(answer(1)).swap()
	l.ask(heartbeat(2)).reply(answer(2)).close()
	l.read().story("open ask reply ask reply close").replied(answer(1), answer(2))
}

func TestRetransmissionsWithOverlap(t *testing.T) {
	l := newLine(t, clientHere, brokerHere).open()
	b := slices.Concat(heartbeat(1), heartbeat(2))
	start := l.up
	l.ask(b[:10])
	l.send(true, start, l.down, "A", b[:10]) // again
	l.send(true, start+20, l.down, "A", b[20:30])
	l.send(true, start+5, l.down, "A", b[5:25]) // over both
	l.send(true, start+15, l.down, "A", b[15:])
	l.up = start + uint32(len(b))
	l.reply(answer(1), answer(2)).read().story("open ask reply").asked(b)
}

// Of bytes that come twice the first copy counts, as what was given cannot be taken back.
func TestFirstCopyCounts(t *testing.T) {
	l := newLine(t, clientHere, brokerHere).open()
	b := heartbeat(1)
	start := l.up
	junk := make([]byte, len(b))
	l.send(true, start+8, l.down, "A", b[8:16])
	l.send(true, start+4, l.down, "A", slices.Concat(b[4:8], junk[:8], b[16:20])) // other bytes where there are some
	l.send(true, start, l.down, "A", b[:4])
	l.send(true, start+2, l.down, "A", junk[:10])
	l.send(true, start+20, l.down, "A", b[20:])
	l.up = start + uint32(len(b))
	l.reply(answer(1)).read().story("open ask reply").asked(b)
}

func TestSequenceNumbersWrapAround(t *testing.T) {
	l := newLine(t, clientHere, brokerHere)
	l.up, l.down = 0xffffffff-20, 0xffffffff-6
	l.open()
	b := slices.Concat(heartbeat(1), heartbeat(2))
	l.ask(b[:30]).ask(b[30:50]).swap().ask(b[50:]).reply(answer(1), answer(2)).close()
	l.read().story("open ask reply close").asked(b).replied(answer(1), answer(2))
}

// A request is missing in the capture, and its answer means nothing.
func TestLostRequest(t *testing.T) {
	l := newLine(t, clientHere, brokerHere).open().ask(heartbeat(1)).reply(answer(1))
	l.ask(heartbeat(2)).lose().reply(answer(2))
	l.wait(time.Second).ask(heartbeat(3)).reply(answer(3)).ask(heartbeat(4)).reply(answer(4))
	got := l.read().story("open ask reply lost ask reply ask reply")
	got.asked(heartbeat(1), heartbeat(3), heartbeat(4)).replied(answer(1), answer(3), answer(4))
	if n := got.skipped(capture.LostBytes).Bytes; n != uint64(len(heartbeat(2))) {
		t.Errorf("%d bytes lost", n)
	}
	if n := got.skipped(capture.Unasked).Bytes; n != uint64(len(answer(2))) {
		t.Errorf("%d bytes of answers without a request", n)
	}
}

func TestLostAnswer(t *testing.T) {
	l := newLine(t, clientHere, brokerHere).open().ask(heartbeat(1)).reply(answer(1)).lose()
	l.ask(heartbeat(2)).wait(time.Second).reply(answer(2)).ask(heartbeat(3)).reply(answer(3))
	l.read().story("open ask lost ask reply").asked(heartbeat(1), heartbeat(2), heartbeat(3)).replied(answer(3))
}

// A frame whose length is known is followed over what is lost of it: left out if it is
// small, filled up if part of it was given.
func TestLossInsideAFrame(t *testing.T) {
	small := produce(2, 1, 900)
	l := newLine(t, clientHere, brokerHere).open().ask(heartbeat(1)).reply(answer(1))
	l.ask(small[:300]).ask(small[300:600]).lose().ask(small[600:]).reply(answer(2)).wait(time.Second)
	l.ask(heartbeat(3)).reply(answer(3))
	got := l.read().story("open ask reply lost ask reply").asked(heartbeat(1), heartbeat(3)).replied(answer(1), answer(3))
	if n := got.skipped(capture.Partial).Bytes; n != 300 {
		t.Errorf("%d bytes of frames that were left out", n)
	}

	large := produce(2, 1, 300_000)
	l = newLine(t, clientHere, brokerHere).open().ask(heartbeat(1)).reply(answer(1))
	l.ask(large[:60_000]).ask(large[60_000:120_000]).ask(large[120_000:180_000]).lose().ask(large[180_000:240_000]).ask(large[240_000:])
	l.reply(answer(2)).wait(time.Second).ask(heartbeat(3)).reply(answer(3))
	filled := slices.Concat(large[:120_000], make([]byte, len(large)-120_000))
	l.read().story("open ask reply ask lost ask reply").asked(heartbeat(1), filled, heartbeat(3)).replied(answer(1), answer(3))
}

func TestNobodyAcknowledgesWhatIsMissing(t *testing.T) {
	l := newLine(t, clientHere, brokerHere).open()
	b := heartbeat(1)
	l.ask(b[:10]).ask(b[10:20]).lose().ask(b[20:])
	l.wait(20 * time.Second)
	l.send(true, l.up-uint32(len(b)-10), l.down, "A", b[10:20]) // sent again, late
	l.reply(answer(1)).read().story("open ask reply").asked(b)

	l = newLine(t, clientHere, brokerHere).open()
	l.ask(heartbeat(1)).lose().ask(heartbeat(2))
	l.wait(40*time.Second).ask(heartbeat(3)).reply(answer(2), answer(3))
	l.read().story("open ask reply").asked(heartbeat(2), heartbeat(3))
}

func TestSnappedPackets(t *testing.T) {
	l := newLine(t, clientHere, brokerHere).open().ask(heartbeat(1)).reply(answer(1))
	l.ask(produce(2, 1, 400)).snap(200).reply(answer(2)).ask(heartbeat(3)).reply(answer(3))
	got := l.read().story("open ask reply lost ask reply").asked(heartbeat(1), heartbeat(3)).replied(answer(1), answer(3))
	if got.skipped(capture.LostBytes).Bytes == 0 {
		t.Error("nothing counts as lost")
	}
}

// snap cuts what was captured of the last packet.
func (l *line) snap(n int) *line {
	all := *l.list
	all[len(all)-1].Data = all[len(all)-1].Data[:n]
	return l
}

func TestMidstreamStart(t *testing.T) {
	l := newLine(t, clientHere, brokerHere)
	tail := produce(7, 1, 500)
	l.ask(tail[200:]).reply(answer(7)) // the end of something
	l.ask(heartbeat(8)).reply(answer(8)).ask(heartbeat(9)).reply(answer(9)).close()
	got := l.read().story("open ask reply ask reply close").asked(heartbeat(8), heartbeat(9)).replied(answer(8), answer(9))
	if got.counts.Midstream != 1 || got.skipped(capture.BeforeSync).Bytes != uint64(len(tail)-200) || got.skipped(capture.Unasked).Bytes == 0 {
		t.Errorf("%+v", got.counts)
	}
}

// The next request may begin behind the end of another, in the middle of a segment.
func TestMidstreamStartInsideASegment(t *testing.T) {
	l := newLine(t, clientHere, brokerHere)
	l.ask(produce(7, 0, 500)[200:], heartbeat(8)).ask(heartbeat(9)).reply(answer(8), answer(9)).ask(heartbeat(10)).reply(answer(10))
	l.read().story("open ask reply ask reply").asked(heartbeat(8), heartbeat(9), heartbeat(10))
}

// What looks like a request and is followed by something else was none.
func TestMidstreamMirage(t *testing.T) {
	l := newLine(t, clientHere, brokerHere)
	l.ask(heartbeat(7), []byte("and then there is text, which is no request at all")).wait(time.Second)
	l.ask(heartbeat(8)).reply(answer(8)).ask(heartbeat(9)).reply(answer(9))
	l.read().asked(heartbeat(8), heartbeat(9)).replied(answer(8), answer(9))
}

// Whose answers begin a capture is told by the port.
func TestMidstreamStartWithAnAnswer(t *testing.T) {
	l := newLine(t, clientHere, brokerHere).reply(answer(7)).ask(heartbeat(8)).reply(answer(8))
	l.read().story("open ask reply").replied(answer(8))
}

func TestPortsAreUsedAgain(t *testing.T) {
	l := newLine(t, clientHere, brokerHere).open().ask(heartbeat(1)).reply(answer(1)).close()
	l.again(clientHere, 70_000, 90_000).open().ask(heartbeat(5)).reply(answer(5)).close()
	got := l.read().story("open ask reply close").asked(heartbeat(1))
	same(t, "requests of the second", got.up[2], heartbeat(5))

	// The end of the first was not captured.
	l = newLine(t, clientHere, brokerHere).open().ask(heartbeat(1)).reply(answer(1))
	l.again(clientHere, 70_000, 90_000).open().ask(heartbeat(5)).reply(answer(5))
	got = l.read().story("open ask reply close").asked(heartbeat(1))
	same(t, "requests of the second", got.up[2], heartbeat(5))
}

func TestSYNSentAgain(t *testing.T) {
	l := newLine(t, clientHere, brokerHere)
	l.send(true, l.up, 0, "S", nil)
	l.send(true, l.up, 0, "S", nil)
	l.open().ask(heartbeat(1)).reply(answer(1))
	if got := l.read().story("open ask reply"); got.counts.Connections != 1 {
		t.Errorf("%d connections", got.counts.Connections)
	}
}

func TestKeepalivesAreNoBytes(t *testing.T) {
	l := newLine(t, clientHere, brokerHere).open().ask(heartbeat(1)).reply(answer(1))
	l.send(true, l.up-1, l.down, "A", []byte{0})
	l.send(false, l.down-1, l.up, "A", nil)
	l.ask(heartbeat(2)).reply(answer(2)).read().story("open ask reply ask reply").asked(heartbeat(1), heartbeat(2))
}

func TestReset(t *testing.T) {
	l := newLine(t, clientHere, brokerHere).open().ask(heartbeat(1))
	l.send(false, l.down, l.up, "RA", nil)
	l.ask(heartbeat(2)).read().story("open ask close").asked(heartbeat(1))
}

func TestAcksZeroHasNoAnswer(t *testing.T) {
	l := newLine(t, clientHere, brokerHere).open()
	l.ask(produce(1, 0, 50)).ask(produce(2, 0, 50)).ask(heartbeat(3)).reply(answer(3))
	l.read().story("open ask reply").replied(answer(3))
}

func TestOtherThings(t *testing.T) {
	hello := []byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}
	handshake := framed(append(make([]byte, 4), 0, 17, 0, 0, 0, 0, 0, 1, 0, 1, 'c', 0, 5, 'P', 'L', 'A', 'I', 'N'))
	vote := framed(append(make([]byte, 4), 0, 52, 0, 0, 0, 0, 0, 1, 0, 1, 'c', 0))
	for reason, first := range map[capture.Reason][]byte{
		capture.Encrypted: hello, capture.NotKafka: []byte("GET / HTTP/1.1\r\n\r\n"), capture.SaslV0: handshake, capture.BetweenBrokers: vote,
	} {
		l := newLine(t, clientHere, brokerHere).open().ask(first).reply([]byte("whatever")).ask([]byte("more of it")).close()
		got := l.read().story("")
		if u := got.skipped(reason); u.Connections != 1 || u.Bytes != uint64(len(first)+len("whatever")+len("more of it")) {
			t.Errorf("%s: %+v", reason, u)
		}
	}
	// In the middle of a connection TLS shows by the records that carry its data.
	l := newLine(t, clientHere, brokerHere).ask([]byte{0x17, 3, 3, 0, 80, 1, 2, 3}).reply([]byte{0x17, 3, 3, 0, 80, 1, 2, 3})
	if u := l.read().story("").skipped(capture.Encrypted); u.Connections != 1 {
		t.Errorf("%+v", u)
	}
}

// Replicas fetch as consumers do, from the port that clients may use too.
func TestReplicasAreNoClients(t *testing.T) {
	for _, version := range []int16{4, 17} {
		l := newLine(t, clientHere, brokerHere).open().ask(fetch(1, version, 2)).reply(answer(1))
		if u := l.read().story("").skipped(capture.BetweenBrokers); u.Connections != 1 {
			t.Errorf("version %d: %+v", version, u)
		}
		newLine(t, clientHere, brokerHere).open().ask(fetch(1, version, -1)).reply(answer(1)).read().story("open ask reply")
	}
}

// Brokers listen on other ports too. Who opens a connection is the client, and what it
// says first tells whether it is one of Kafka.
func TestOtherPorts(t *testing.T) {
	l := newLine(t, clientHere, "10.0.0.9:19093").open().ask(heartbeat(1)).reply(answer(1))
	web := l.again("10.0.0.5:40001", 1, 1)
	web.broker = addr("10.0.0.9:80")
	web.open().ask([]byte("GET / HTTP/1.1\r\n\r\n"))
	// A port that has been learnt tells sides apart.
	l.again("10.0.0.5:40002", 1, 1).ask(heartbeat(7)).reply(answer(7)).ask(heartbeat(8)).reply(answer(8))
	got := l.read().story("open ask reply")
	if got.counts.Followed != 2 || got.skipped(capture.NotKafka).Connections != 0 {
		t.Errorf("%+v", got.counts)
	}
	if got := l.read(9092); got.counts.Followed != 0 || got.counts.Connections != 0 {
		t.Errorf("with --port 9092: %+v", got.counts)
	}
}

func TestOneDirectionOnly(t *testing.T) {
	l := newLine(t, clientHere, brokerHere)
	l.send(true, l.up, 0, "S", nil)
	l.up++
	for id := range int32(3000) {
		l.ask(heartbeat(id))
	}
	if got := l.read(); got.counts.Requests != 3000 || got.counts.Losses != 2 {
		t.Errorf("%d requests, %d losses", got.counts.Requests, got.counts.Losses)
	}
}
