package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"warder/configs"
	"warder/protocol"
	"warder/protocol/fixture"
	"warder/test/fakebroker"
)

// FuzzRelay sends any bytes, in any pieces, through a live session of which no rule
// wants anything but to look: what reaches the broker is what was sent, and what
// reaches the client what the broker answered, up to where warder had to give up.
// What is in order arrives as a whole.
func FuzzRelay(f *testing.F) {
	for _, kind := range []string{fixture.Random, fixture.Null} {
		for i, x := range newestVersions(fixtureExchanges(f, kind)) {
			next := fixtureExchange{key: opaque, request: []byte("between"), answer: []byte("others")}
			sent := append(x.requestFrame(1), next.requestFrame(2)...)
			script := scriptEntry{scriptRequest, 0, uint8(i % len(scriptPieces)), sent}.appendTo(nil)
			script = scriptEntry{scriptAnswer, 0, 0, x.answerFrame(1)[8:]}.appendTo(script)
			f.Add(scriptEntry{scriptAnswer, 0, 0, next.answerFrame(2)[8:]}.appendTo(script))
		}
	}
	for _, script := range captures(f) {
		f.Add(script)
	}
	r := newRelayRig(f)
	f.Fuzz(func(t *testing.T, script []byte) {
		entries := readScript(script)
		seen := relay(t, r, entries)
		checkRelayed(t, entries, seen)
		if n := testutil.ToFloat64(r.metrics.panics); n != 0 {
			t.Fatalf("%v panics", n)
		}
	})
}

// relayRig is a server whose next connections go to a broker of the moment.
type relayRig struct {
	*rig
	broker atomic.Pointer[net.TCPListener]
}

func newRelayRig(tb testing.TB) *relayRig {
	tb.Helper()
	r := &relayRig{rig: startRig(tb, nil, "127.0.0.1:1", curious(), func(c *configs.Config) { c.Inspect.FetchRecords = "all" })}
	r.mu.Lock() // as who serves a connection does first
	defer r.mu.Unlock()
	r.dialer.seeds = func() []string { return []string{r.broker.Load().Addr().String()} }
	return r
}

// listen begins a moment.
func (r *relayRig) listen(t *testing.T) *net.TCPListener {
	t.Helper()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r.broker.Store(ln)
	return ln
}

// relayed is what each end got, and what the broker had answered.
type relayed struct {
	atBroker, answered, atClient []byte
	headless                     bool // an answer had no header, which ends a connection
}

// relay plays the requests of connection 0 live, with its answers as bodies of answers.
func relay(t *testing.T, r *relayRig, entries []scriptEntry) (seen relayed) {
	t.Helper()
	r.lookups.own.saslSeen.Store(false)
	ln, dialled := r.listen(t), testutil.ToFloat64(r.metrics.dialled)
	served := make(chan struct{})
	go func() {
		defer close(served)
		if conn, err := ln.Accept(); err == nil { // else warder saw nothing that is worth a broker
			defer conn.Close()
			answerFrames(conn, entries, &seen)
		}
	}()
	c, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // a test that has failed
	go func() {
		for _, e := range entries {
			if e.what == scriptRequest && e.conn == 0 {
				for _, part := range e.pieces() {
					c.Write(part) //nolint:errcheck // warder may have had enough
				}
			}
		}
		c.(*net.TCPConn).CloseWrite() //nolint:errcheck,forcetypeassert // likewise
	}()
	seen.atClient, err = io.ReadAll(c)
	if testutil.ToFloat64(r.metrics.dialled) == dialled {
		ln.Close() //nolint:errcheck // nobody will dial it
	}
	<-served   // also a connection that the broker accepts when all is over: acks=0 is not waited for
	ln.Close() //nolint:errcheck // likewise
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("warder did not end the connection")
	}
	return seen
}

// answerFrames answers each request with the next of the answers, until the end.
func answerFrames(conn net.Conn, entries []scriptEntry, seen *relayed) {
	conn.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // a test that has failed
	for {
		head := make([]byte, 12)
		n, err := io.ReadFull(conn, head)
		if err != nil {
			seen.atBroker = append(seen.atBroker, head[:n]...)
			return
		}
		rest := make([]byte, max(int(binary.BigEndian.Uint32(head))-8, 0))
		n, err = io.ReadFull(conn, rest)
		request := append(slices.Clone(head[4:]), rest[:n]...)
		h, headless := protocol.ParseRequestHeader(request)
		if err == nil && headless == nil && string(h.ClientID) == sideClientID { // warder's own question, which it is told nothing about
			conn.Write(append([]byte{0, 0, 0, 4}, head[8:12]...)) //nolint:errcheck // the next read says so as well
			continue
		}
		seen.atBroker = append(append(seen.atBroker, head...), rest[:n]...)
		if err != nil {
			return
		}
		var body []byte
		if i := slices.IndexFunc(entries, func(e scriptEntry) bool { return e.what == scriptAnswer && e.conn == 0 }); i >= 0 {
			body, entries = entries[i].data, entries[i+1:]
		}
		if headless == nil && h.Key == protocol.Produce {
			if acks, err := protocol.PeekProduceAcks(h.Version, request[h.Size:]); err == nil && acks == 0 {
				continue
			}
		}
		answer := binary.BigEndian.AppendUint32(nil, uint32(4+len(body)))
		answer = append(append(answer, head[8:12]...), body...)
		if _, err := protocol.ResponseHeaderSize(h.Key, h.Version, answer[4:]); err != nil {
			seen.headless = true
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
		seen.answered = append(seen.answered, answer...)
	}
}

func checkRelayed(t *testing.T, entries []scriptEntry, seen relayed) {
	t.Helper()
	var sent []byte
	for _, e := range entries {
		if e.what == scriptRequest && e.conn == 0 {
			sent = append(sent, e.data...)
		}
	}
	orderly, untouched := expected(sent)
	orderly = orderly && !seen.headless
	sent = notAnsweredHere(sent)
	if !bytes.HasPrefix(sent, seen.atBroker) || orderly && len(sent) != len(seen.atBroker) {
		t.Errorf("in order: %v. Sent:\n% x\nthe broker received:\n% x", orderly, sent, seen.atBroker)
	}
	if untouched && (!bytes.HasPrefix(seen.answered, seen.atClient) || orderly && len(seen.answered) != len(seen.atClient)) {
		t.Errorf("in order: %v. Answered:\n% x\nthe client received:\n% x", orderly, seen.answered, seen.atClient)
	}
}

// expected says whether all that is sent are whole requests that warder has no
// reason to refuse, and whether it has no reason to change an answer.
func expected(sent []byte) (orderly, untouched bool) {
	orderly, untouched = true, true
	for len(sent) > 0 {
		size, err := protocol.FrameSize(sent, protocol.MinRequestHeader, int(100*configs.MiB))
		if err != nil || len(sent) < 4+size {
			return false, untouched && err == nil && len(sent) < 12 // a head that was cut off has an API too
		}
		h, err := protocol.ParseRequestHeader(sent[4 : 4+size])
		if err != nil || h.API == nil || !h.API.Decodes(h.Version) {
			return false, false
		}
		switch h.API.Treatment {
		case protocol.TreatSASL, protocol.TreatRefuse, protocol.TreatNegotiate:
			return false, false
		case protocol.TreatProduce:
			if _, err := protocol.PeekProduceAcks(h.Version, sent[4+h.Size:4+size]); err != nil {
				return false, false // nobody can know whether an answer will come
			}
			untouched = false
		case protocol.TreatRewrite, protocol.TreatFetch:
			untouched = false
		default:
		}
		sent = sent[4+size:]
	}
	return orderly, untouched
}

// notAnsweredHere leaves out the ApiVersions requests in versions that nobody knows: warder answers those.
func notAnsweredHere(sent []byte) (rest []byte) {
	for {
		size, err := protocol.FrameSize(sent, protocol.MinRequestHeader, int(100*configs.MiB))
		if err != nil || len(sent) < 4+size {
			return append(rest, sent...)
		}
		h, err := protocol.ParseRequestHeader(sent[4 : 4+size])
		if err != nil || h.Key != protocol.ApiVersions || h.API.Decodes(h.Version) {
			rest = append(rest, sent[:4+size]...)
		}
		sent = sent[4+size:]
	}
}

// TestRelayedPiecesOfEveryAPI: a fixture of every version of every API, between
// others, in pieces of one byte and in one.
func TestRelayedPiecesOfEveryAPI(t *testing.T) {
	r := newRelayRig(t)
	whole := 0
	for i, x := range fixtureExchanges(t, fixture.Random) {
		if x.key == protocol.SaslHandshake && x.version == 0 || x.key == opaque {
			continue
		}
		name := "c"
		sent := append(x.requestFrame(1), fakebroker.AppendRequest(nil, opaque, 0, 2, &name, nil)...)
		entries := []scriptEntry{
			{scriptRequest, 0, uint8(6 * (i % 2)), sent},
			{scriptAnswer, 0, 0, x.answerFrame(1)[8:]}, {scriptAnswer, 0, 0, []byte{7}},
		}
		if orderly, _ := expected(sent); orderly {
			checkRelayed(t, entries, relay(t, r, entries))
			whole++
		}
	}
	if whole < 200 {
		t.Errorf("only %d exchanges had to arrive as a whole", whole)
	}
}
