package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/configs"
	"warder/protocol"
	"warder/rules"
	"warder/test/fakebroker"
)

// load is the size of a load: as large as promised in `make soak`, smaller elsewhere.
func load(small, large int) int {
	if os.Getenv("SOAK") != "" {
		return large
	}
	return small
}

// echoProcess is set where the test binary is to be no test but a broker.
const echoProcess = "ECHO_PROCESS"

// TestEchoProcess is indifferentBroker in a process of its own, until its input ends:
// so many connections have more ends than one process may hold.
func TestEchoProcess(t *testing.T) {
	if os.Getenv(echoProcess) == "" {
		t.Skip("for TestLoadConnectionsAtOnce")
	}
	fmt.Println("at", indifferentBroker(t))
	io.Copy(io.Discard, os.Stdin) //nolint:errcheck // until it ends
}

// distantBroker starts one and gives its address.
func distantBroker(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestEchoProcess$")
	cmd.Env = append(os.Environ(), echoProcess+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		io.Copy(io.Discard, out) //nolint:errcheck // its last words
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "at ")
	if err != nil || !ok {
		t.Fatalf("%q %v", line, err)
	}
	return address
}

// crowded allows so many connections.
func crowded(n int) func(*configs.Config) {
	return func(c *configs.Config) {
		c.Listeners[0].Limits.Connections, c.Listeners[0].Limits.ConnectionsPerIP = n, n
	}
}

// ask makes a request over a connection and wants its answer, of a broker that says nothing.
func ask(conn net.Conn, id int32) error {
	if err := conn.SetDeadline(time.Now().Add(6 * patience)); err != nil {
		return err
	}
	if _, err := conn.Write(opaqueRequest(id, 100)); err != nil {
		return err
	}
	var answer [8]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return err
	}
	if got := int32(binary.BigEndian.Uint32(answer[4:])); got != id {
		return fmt.Errorf("got the answer to %d in place of %d", got, id)
	}
	return nil
}

// atOnce runs f for each of n in a few goroutines.
func atOnce(n int, f func(i int)) {
	var next atomic.Int64
	var running sync.WaitGroup
	for range 64 {
		running.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				f(i - 1)
			}
		})
	}
	running.Wait()
}

// So many connections at once: each is served, and again when all of them are open. What
// each holds while it is idle is bounded, and gone when it is.
func TestLoadConnectionsAtOnce(t *testing.T) {
	const each = 24 << 10
	n := load(500, 5000)
	r := startRig(t, nil, distantBroker(t), []rules.Spec{forbidden}, crowded(n))
	goroutines, before := runtime.NumGoroutine(), heap()
	conns := make([]net.Conn, n)
	atOnce(n, func(i int) {
		var err error
		if conns[i], err = net.Dial("tcp", r.addr()); err != nil {
			t.Error(err)
			return
		}
		if err := ask(conns[i], int32(i)); err != nil {
			t.Error(err)
		}
	})
	if t.Failed() {
		return
	}
	if open := len(r.Clients()); open != n {
		t.Errorf("%d of %d are open", open, n)
	}
	if held := heap() - before; held > int64(n*each) && !raceEnabled { // with which all is larger
		t.Errorf("%d connections hold %d bytes", n, held)
	}
	if g := runtime.NumGoroutine() - goroutines; g > 2*n {
		t.Errorf("%d goroutines for %d connections", g, n)
	}
	atOnce(n, func(i int) {
		if err := ask(conns[i], -int32(i)); err != nil {
			t.Error(err)
		}
		conns[i].Close()
	})
	eventually(t, "all to be gone", func() bool { return len(r.Clients()) == 0 })
	eventually(t, "their goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	if held := heap() - before; held > int64(n*each/8) {
		t.Errorf("%d bytes stay of %d connections", held, n)
	}
}

// descriptors is how many this process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // a system that does not tell
	}
	return len(open)
}

// Five hundred new connections a second, each for one request: all are served, and nothing
// is left of them.
func TestLoadConnectionStorm(t *testing.T) {
	n := load(500, 10_000)
	r := startRig(t, nil, indifferentBroker(t), []rules.Spec{forbidden}, crowded(n))
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	var calling sync.WaitGroup
	began := time.Now()
	for i := range n {
		<-time.After(time.Until(began.Add(time.Duration(i) * 2 * time.Millisecond)))
		calling.Go(func() {
			conn, err := net.Dial("tcp", r.addr())
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if err := ask(conn, int32(i)); err != nil {
				t.Error(err)
			}
		})
	}
	calling.Wait()
	eventually(t, "all to be gone", func() bool { return len(r.Clients()) == 0 })
	eventually(t, "their goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	eventually(t, "their descriptors to be closed", func() bool { return descriptors(t) <= files })
	if gone := testutil.ToFloat64(r.metrics.closedBy.WithLabelValues(string(ReasonClientGone))); gone != float64(n) {
		t.Errorf("%v of %d ended as %s", gone, n, ReasonClientGone)
	}
}

// patientBroker answers nothing before it has so many requests, then all of them, in order.
func patientBroker(t *testing.T, requests int) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	t.Cleanup(func() {
		ln.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	go func() {
		served <- func() error {
			conn, err := ln.Accept()
			if err != nil {
				return err
			}
			defer conn.Close()
			in, ids := bufio.NewReader(conn), make([][]byte, requests)
			for i := range ids {
				head := make([]byte, 12)
				if _, err := io.ReadFull(in, head); err != nil {
					return err
				}
				if _, err := in.Discard(int(binary.BigEndian.Uint32(head)) - 8); err != nil {
					return err
				}
				ids[i] = head[8:]
			}
			var answers []byte
			for _, id := range ids {
				answers = append(append(answers, 0, 0, 0, 4), id...)
			}
			_, err = conn.Write(answers)
			return err
		}()
	}()
	return ln.Addr().String()
}

// Ten thousand requests of one connection are open at once, a hundred of them refused by
// a rule. Every answer comes in its turn.
func TestLoadTenThousandInFlight(t *testing.T) {
	const n, every = 10_000, 100
	r := startRig(t, nil, patientBroker(t, n-n/every), []rules.Spec{forbidden}, func(c *configs.Config) {
		blocking(c)
		c.Listeners[0].Limits.InFlight = n
	})
	name := "c"
	refused := produce(9, -1, "orders", []string{"forbidden"}).AppendTo(nil)
	var requests []byte
	for i := range int32(n) {
		if i%every == 0 {
			requests = fakebroker.AppendRequest(requests, protocol.Produce, 9, i, &name, refused)
		} else {
			requests = append(requests, opaqueRequest(i, 50)...)
		}
	}
	c := r.dial()
	sent := make(chan error, 1)
	go func() { _, err := c.Conn().Write(requests); sent <- err }()
	for i := range int32(n) {
		got := c.Next()
		if got.CorrelationID != i {
			t.Fatalf("got the answer to %d in place of %d", got.CorrelationID, i)
		}
		if byWarder := len(got.Raw) > 8; byWarder != (i%every == 0) {
			t.Fatalf("answer %d of %d bytes", i, len(got.Raw))
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if full := testutil.ToFloat64(r.metrics.inflightFull); full != 0 {
		t.Errorf("the limit was reached %v times", full)
	}
}

// allocated is how much has ever been, in bytes.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// Frames as large as the limit pass, both ways, and cost no memory where nobody reads them;
// one that rules read passes as well, but for what they refuse. A byte more is refused.
func TestLoadFramesAtTheLimit(t *testing.T) {
	const header = 11 // of opaqueRequest
	limit := load(16, 100) << 20
	r := hostileRig(t, func(c *configs.Config) {
		blocking(c)
		c.Listeners[0].Limits.Frame = configs.Size(limit)
	})
	n := r.neighbour()
	r.store()
	unread := startRig(t, nil, indifferentBroker(t), []rules.Spec{forbidden}, func(c *configs.Config) { c.Listeners[0].Limits.Frame = configs.Size(limit) })

	request := opaqueRequest(1, limit-header)
	conn := unread.dial().Conn()
	before := allocated()
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	readAll(t, conn, 8)
	if grown := allocated() - before; grown > 2<<20 && !raceEnabled { // which takes pooled buffers away
		t.Errorf("%d bytes were allocated for a request of %d that nobody reads", grown, limit)
	}

	answer := append([]byte{0, 0, 0, 0, 0, 0, 0, 1}, request[8:]...)
	binary.BigEndian.PutUint32(answer, uint32(len(answer)-4))
	r.broker.Script(fakebroker.Expect(opaque), fakebroker.Send(answer))
	c := r.dial()
	c.Write(opaqueRequest(1, 0))
	same := &comparing{want: answer}
	if _, err := io.CopyN(same, c.Conn(), int64(len(answer))); err != nil {
		t.Error(err)
	}

	value := strings.Repeat("x", limit-1000) // with its neighbour just below the limit
	produced := r.dial()
	if got := outcomes(produced.Do(produce(9, -1, "orders", []string{value}, []string{"forbidden"}))); got[0][0] != 0 || got[1][0] != policyViolation {
		t.Errorf("%v", got)
	}
	produced.Conn().Close()
	n.works()

	larger := r.dial()
	larger.Write(opaqueRequest(1, limit-header+1)[:64])
	ended(larger)
	r.closedBy(ReasonFrameLimit)
	r.unharmed(n)
}

// comparing fails at the first byte that is not wanted.
type comparing struct{ want []byte }

func (c *comparing) Write(p []byte) (int, error) {
	if !bytes.HasPrefix(c.want, p) {
		return 0, errors.New("bytes differ")
	}
	c.want = c.want[len(p):]
	return len(p), nil
}

// A topic of ten thousand partitions: its Metadata arrive with nothing changed but addresses,
// and of a request that writes to all of them exactly the one is refused that a rule objects to.
func TestLoadTenThousandPartitions(t *testing.T) {
	const n, wrong = 10_000, 7654
	topic := kmsg.NewMetadataResponseTopic()
	name := "orders"
	topic.Topic, topic.TopicID = &name, topicID(name)
	for i := range int32(n) {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.Leader, p.LeaderEpoch = i, 1+i%3, i%5
		p.Replicas, p.ISR = []int32{1, 2, 3}, []int32{1 + i%3}
		topic.Partitions = append(topic.Partitions, p)
	}
	metadata := kmsg.NewPtrMetadataResponse()
	metadata.Topics = append(metadata.Topics, topic)
	for id := range int32(3) {
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port = id+1, fmt.Sprintf("broker-%d.internal", id+1), 9092
		metadata.Brokers = append(metadata.Brokers, b)
	}
	r := newRig(t, blocking)
	r.store()
	r.broker.Handle(protocol.Metadata, func(f *fakebroker.Frame) []byte {
		answer := *metadata
		answer.Version = f.Version
		return answer.AppendTo(nil)
	})
	r.answerWith(protocol.DescribeConfigs, func(int16) kmsg.Response { // what warder asks before the first Produce
		resp := kmsg.NewPtrDescribeConfigsResponse()
		resp.Resources = []kmsg.DescribeConfigsResponseResource{{ResourceType: 2, ResourceName: name}}
		return resp
	})
	c := r.dial()
	for _, version := range []int16{9, 13} {
		got, _ := c.Do(requestOf(protocol.Metadata, version)).(*kmsg.MetadataResponse)
		for i, b := range got.Brokers {
			if b.Host != "127.0.0.1" || b.NodeID != int32(i+1) {
				t.Errorf("v%d: %+v", version, b)
			}
		}
		if len(got.Topics) != 1 || len(got.Topics[0].Partitions) != n || !bytes.Equal(topicsOf(got, version), topicsOf(metadata, version)) {
			t.Errorf("v%d: the topic has changed", version)
		}
	}
	texts := make([][]string, n)
	for i := range texts {
		texts[i] = []string{"v"}
	}
	texts[wrong] = []string{"forbidden"}
	got := outcomes(c.Do(produce(9, -1, name, texts...)))
	want := make(map[int32][2]int64, n)
	for i := range int32(n) {
		want[i] = [2]int64{0, 100}
	}
	want[wrong] = [2]int64{policyViolation, -1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// topicsOf is what an answer says of topics, on the wire.
func topicsOf(m *kmsg.MetadataResponse, version int16) []byte {
	only := kmsg.NewPtrMetadataResponse()
	only.Version, only.Topics = version, m.Topics
	return only.AppendTo(nil)
}
