package compare

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"warder/record"
)

func TestSameOnBothSides(t *testing.T) {
	r := newRig(t).sent(beat(1)).sent(beat(2)).reached(beat(1)).answered(beaten(1)).got(beaten(1)).reached(beat(2)).answered(beaten(2)).got(beaten(2))
	report := r.same(2)
	if n, why := report.Between("w", time.Time{}, time.Now()); n != 2 || why != nil || report.Kinds() != "Heartbeat/4 2" || !strings.Contains(report.String(), "2 exchanges of 1 APIs in 1 versions") {
		t.Errorf("%s: %s", report, report.Kinds())
	}
}

// What reaches a side before its counterpart was captured waits for it.
func TestSidesInAnyOrder(t *testing.T) {
	newRig(t).reached(beat(1)).answered(beaten(1)).sent(beat(1)).got(beaten(1)).same(1)
	newRig(t).reached(beat(1)).sent(beat(1)).got(beaten(1)).answered(beaten(1)).same(1)
}

func TestFlippedBytes(t *testing.T) {
	request, answer := beat(5), beaten(5)
	for at := 4; at < len(request); at++ {
		r := newRig(t).sent(request).reached(flipped(request, at)).answered(answer).got(answer)
		if report := r.end(); len(report.Differences) != 1 || report.Exchanges != 0 {
			t.Errorf("byte %d of a request: %+v", at, report)
		}
	}
	for at := 4; at < len(answer); at++ {
		r := newRig(t).sent(request).reached(request).answered(answer).got(flipped(answer, at))
		if report := r.end(); len(report.Differences) != 1 || report.Exchanges != 0 {
			t.Errorf("byte %d of an answer: %+v", at, report)
		}
	}
	newRig(t).sent(request).reached(flipped(request, 20)).differs("Heartbeat version 4, correlation id 5", "from byte 20 on: 70 00 00 00 05 01 00 00 (of 28), passed on as 71")
}

func TestLargeFrames(t *testing.T) {
	request, answer := large(beat(1)), large(beaten(1))
	newRig(t).sent(request).reached(request).answered(answer).got(answer).same(1)
	newRig(t).sent(request).reached(flipped(request, maxWhole)).differs("the request reaches the broker as another")
	newRig(t).sent(request).reached(request).answered(answer).got(flipped(answer, maxWhole)).differs("the answer reaches the client as another")
}

func TestLostExchanges(t *testing.T) {
	newRig(t).sent(beat(1)).sent(beat(2)).reached(beat(2)).got(beaten(1)).differs("Heartbeat version 4, correlation id 1", "has not reached the broker")
	newRig(t).sent(beat(1)).got(beaten(1)).differs("has not reached the broker, and no verdict has refused it")
	newRig(t).sent(beat(1)).reached(beat(1)).got(beaten(1)).differs("the client was answered, and not by the broker")
	newRig(t).sent(beat(1)).sent(beat(2)).reached(beat(1)).reached(beat(2)).answered(beaten(1)).answered(beaten(2)).got(beaten(2)).
		differs("the answers reach the client in another order")
}

func TestInventedFrames(t *testing.T) {
	newRig(t).sent(beat(1)).reached(beat(1)).reached(beat(1)).differs("a request has reached the broker that the client has not sent")
	newRig(t).sent(beat(1)).reached(beat(1)).answered(beaten(1)).got(beaten(1)).got(beaten(1)).differs("an answer reached the client that it did not ask for")
	newRig(t).sent(beat(1)).reached([]byte{0, 0, 0, 1}).differs("is no request")
	newRig(t).sent(beat(1)).reached(beat(1)).got([]byte{0, 0, 0, 1}).differs("is no answer")
}

func TestChangedOrder(t *testing.T) {
	both := slices.Concat(beat(1), beat(2))
	newRig(t).sent(both).reached(beat(2)).reached(beat(1)).answered(beaten(2)).got(beaten(1)).differs("has not reached the broker")
	newRig(t).sent(both).reached(beat(2)).reached(beat(1)).differs("a request has reached the broker that the client has not sent")
	newRig(t).sent(both).reached(both).answered(beaten(1)).answered(beaten(2)).got(beaten(2)).got(beaten(1)).differs("another order")
}

// The end of a connection cuts what is under way, and only that.
func TestEnds(t *testing.T) {
	half := func(b []byte) []byte { return b[:len(b)-3] }
	if report := newRig(t).sent(beat(1)).sent(half(beat(2))).reached(beat(1)).answered(beaten(1)).got(half(beaten(1))).same(0); report.Cut != 1 {
		t.Errorf("%+v", report)
	}
	newRig(t).sent(beat(1)).reached(half(beat(1))).same(0)
	newRig(t).sent(beat(1)).reached(half(flipped(beat(1), 20))).differs("the beginning of a request")
	newRig(t).sent(beat(1)).reached(beat(1)).answered(beaten(1)).got(half(flipped(beaten(1), 8))).differs("the beginning of an answer")
}

func TestOwnQuestions(t *testing.T) {
	own := slices.Clone(beat(-9))
	own = framed(append(own[:12], append([]byte("\x00\x06warder"), own[15:]...)...))
	r := newRig(t).sent(beat(1)).reached(own).answered(beaten(-9)).reached(beat(1)).answered(beaten(1)).got(beaten(1))
	if report := r.same(1); report.Own != 1 {
		t.Errorf("%+v", report)
	}
	newRig(t).sent(beat(1)).reached(own).reached(beat(1)).answered(beaten(-9)).got(beaten(-9)).differs("another order")
}

// What cannot be followed is named, and is no difference.
func TestUnfollowed(t *testing.T) {
	for want, r := range map[string]*rig{
		"TLS to the client": newRig(t).sent([]byte{0x16, 3, 1, 2, 0, 1}),
		"TLS to the broker": newRig(t).sent(beat(1)).reached([]byte{0x16, 3, 1, 2, 0, 1}),
		"no Kafka":          newRig(t).sent([]byte("GET / HTTP/1.1\r\n\r\n")),
		"packets were lost": lost(newRig(t).sent(beat(1))),
	} {
		report := r.end()
		if lines := report.Unfollowed(); len(lines) != 1 || lines[0] != "warder w: 1 of 1 connections: "+want || len(report.Differences) > 0 {
			t.Errorf("%v, want %s; %+v", lines, want, report.Differences)
		}
	}
}

func lost(r *rig) *rig {
	r.c.take(&record.Entry{Kind: record.Lost, Conn: 1})
	return r.reached(flipped(beat(1), 20))
}

// A connection to a broker on which nothing was said has left its port to somebody else.
func TestPortOfAnother(t *testing.T) {
	r := newRig(t)
	client, port, then := netip.MustParseAddrPort("127.0.0.1:40003"), netip.MustParseAddrPort("127.0.0.1:40004"), time.Unix(1e9, 0).UTC()
	r.c.take(&record.Entry{Kind: record.Opened, At: then, Conn: 3, Remote: client, Broker: warderPort.String()})
	r.logs(`{"time":%q,"message":"connection opened","conn_id":8,"client_addr":%q,"broker":%q,"broker_side":%q}`, then.Format(time.RFC3339Nano), client, brokerPort, port)
	r.c.take(&record.Entry{Kind: record.Opened, At: then.Add(time.Minute), Conn: 4, Remote: port, Broker: brokerPort.String()})
	r.pass(record.Request, 4, beat(2))
	r.c.clients[client].finish()
	if report := r.same(0); report.Alone != 1 {
		t.Errorf("%+v", report)
	}
}

// A client without a connection to a broker is nobody's fault, and one to a broker that is not warder's is not looked at.
func TestConnectionsThatDoNotBelongTogether(t *testing.T) {
	r := newRig(t)
	r.c.take(&record.Entry{Kind: record.Opened, Conn: 3, Remote: clientEnd, Broker: warderPort.String()})
	r.pass(record.Request, 3, beat(1))
	r.c.take(&record.Entry{Kind: record.Opened, Conn: 4, Remote: warderEnd, Broker: brokerPort.String()})
	r.pass(record.Request, 4, beat(2))
	for _, s := range r.c.clients {
		s.finish()
	}
	if report := r.same(0); report.Alone != 1 || report.Unfollowed() != nil {
		t.Errorf("%+v", report)
	}
}
