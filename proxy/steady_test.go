package proxy

import (
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/rules"
	"warder/test/fakebroker"
)

// fixedBroker answers every frame of one size with the same body, allocating nothing.
func fixedBroker(t testing.TB, requestSize int, response []byte) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in, out := make([]byte, requestSize), append([]byte(nil), response...)
		for {
			if _, err := io.ReadFull(conn, in); err != nil {
				return
			}
			copy(out[4:8], in[8:12]) // the correlation id
			if _, err := conn.Write(out); err != nil {
				return
			}
		}
	}()
	return ln.Addr().String()
}

// exchangeOf makes a Produce request and the broker's answer to it.
func exchangeOf(size int) (request, response []byte) {
	req := produce(11, -1, "orders", []string{string(make([]byte, size))})
	name := "c"
	request = fakebroker.AppendRequest(nil, protocol.Produce, 11, 1, &name, req.AppendTo(nil))
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = 11
	rt := kmsg.NewProduceResponseTopic()
	rt.Topic = "orders"
	rt.Partitions = []kmsg.ProduceResponseTopicPartition{kmsg.NewProduceResponseTopicPartition()}
	resp.Topics = append(resp.Topics, rt)
	return request, fakebroker.AppendResponse(nil, protocol.Produce, 11, 1, resp.AppendTo(nil))
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		size int
		rule string
	}{{"unread", 1000, "off"}, {"inspected in the window", 10_000, "block"}, {"inspected in a frame", 200_000, "block"}} {
		t.Run(tt.name, func(t *testing.T) {
			request, response := exchangeOf(tt.size)
			specs := []rules.Spec{forbidden}
			r := startRig(t, nil, fixedBroker(t, len(request), response), specs, nil)
			r.rules(tt.rule)
			steady(t, r, request, response)
		})
	}
}

// steady checks that an exchange over and over, between a client and fixedBroker,
// allocates nothing.
func steady(t testing.TB, r *rig, request, response []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", r.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := make([]byte, len(response))
	id := uint32(0)
	round := func() {
		id++
		binary.BigEndian.PutUint32(request[8:], id)
		if _, err := conn.Write(request); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, in); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		round()
	}
	if n := testing.AllocsPerRun(200, round); n > 0 && !raceEnabled {
		t.Errorf("%v allocations per exchange", n)
	}
}

// A client with many requests open costs no more allocations than one with few.
func TestManyOpenExchangesAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("pools allocate at random under the race detector")
	}
	q := newInflight(1000)
	round := func() {
		const open = 16 * minRing
		for range open {
			if !q.tryPush(q.get()) {
				t.Fatal("no room")
			}
		}
		for range open {
			q.claim()
		}
		q.release(open)
	}
	round()
	if n := testing.AllocsPerRun(100, round); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkProduce(b *testing.B) {
	request, response := exchangeOf(16 << 10)
	r := startRig(b, nil, fixedBroker(b, len(request), response), []rules.Spec{forbidden}, nil)
	conn, err := net.Dial("tcp", r.addr())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	in := make([]byte, len(response))
	b.SetBytes(int64(len(request)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, in); err != nil {
			b.Fatal(err)
		}
	}
}
