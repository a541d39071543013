package compare

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"warder/protocol"
	"warder/record"
)

var (
	clientEnd   = netip.MustParseAddrPort("127.0.0.1:40001")
	warderPort  = netip.MustParseAddrPort("127.0.0.1:22000") // where the client connects to
	warderEnd   = netip.MustParseAddrPort("127.0.0.1:40002")
	brokerPort  = netip.MustParseAddrPort("127.0.0.1:21000")
	warderOther = 22007 // the port that stands for another broker
)

// rig is a warder of which a test says what passes it.
type rig struct {
	*testing.T
	c   *Comparator
	log string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t, newComparator(nil), filepath.Join(t.TempDir(), "log")}
	r.c.Follow("w", r.log, []int{int(warderPort.Port()), warderOther}, false)
	r.c.take(&record.Entry{Kind: record.Opened, Conn: 1, Remote: clientEnd, Broker: warderPort.String()})
	r.logs(`{"message":"connection opened","conn_id":7,"client_addr":%q,"broker":%q,"broker_side":%q}`, clientEnd, brokerPort, warderEnd)
	r.c.take(&record.Entry{Kind: record.Opened, Conn: 2, Remote: warderEnd, Broker: brokerPort.String()})
	return r
}

func (r *rig) logs(format string, args ...any) {
	r.Helper()
	file, err := os.OpenFile(r.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		r.Fatal(err)
	}
	defer file.Close()
	fmt.Fprintf(file, format+"\n", args...)
}

// pass has bytes pass in pieces of 7 bytes.
func (r *rig) pass(kind record.Kind, conn uint64, b []byte) {
	for len(b) > 0 {
		n := min(len(b), 7+len(b)/10)
		r.c.take(&record.Entry{Kind: kind, Conn: conn, Data: b[:n]})
		b = b[n:]
	}
}

// The four places where bytes are seen.
func (r *rig) sent(b []byte) *rig     { r.pass(record.Request, 1, b); return r }
func (r *rig) reached(b []byte) *rig  { r.pass(record.Request, 2, b); return r }
func (r *rig) answered(b []byte) *rig { r.pass(record.Answer, 2, b); return r }
func (r *rig) got(b []byte) *rig      { r.pass(record.Answer, 1, b); return r }

// end ends both connections and gives the report.
func (r *rig) end() *Report {
	for conn := range uint64(2) {
		r.c.take(&record.Entry{Kind: record.Closed, Conn: conn + 1})
	}
	if r.c.held != 0 || len(r.c.clients) != 0 {
		r.Errorf("%d bytes of %d sessions are still held", r.c.held, len(r.c.clients))
	}
	r.c.report.warders = r.c.warders
	return &r.c.report
}

// same wants n exchanges and no difference.
func (r *rig) same(n int) *Report {
	r.Helper()
	report := r.end()
	if report.Exchanges != n || len(report.Differences) > 0 {
		r.Errorf("%d exchanges, want %d; %+v", report.Exchanges, n, report.Differences)
	}
	return report
}

// differs wants one difference that says all that.
func (r *rig) differs(words ...string) {
	r.Helper()
	report := r.end()
	if len(report.Differences) != 1 {
		r.Fatalf("%d differences, want one: %+v", len(report.Differences), report.Differences)
	}
	for _, word := range words {
		if what := report.Differences[0].What; !strings.Contains(what, word) {
			r.Errorf("%q, want it to say %q", what, word)
		}
	}
}

func framed(b []byte) []byte {
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func ask(m kmsg.Request, id int32, client string) []byte {
	return framed(m.AppendTo(protocol.AppendRequestHeader(make([]byte, 4), m.Key(), m.GetVersion(), id, client)))
}

func reply(m kmsg.Response, id int32) []byte {
	return framed(m.AppendTo(protocol.AppendResponseHeader(make([]byte, 4), m.Key(), m.GetVersion(), id)))
}

// beat is a request that warder has nothing to do with, and beaten its answer.
func beat(id int32) []byte {
	m := kmsg.NewPtrHeartbeatRequest()
	m.Version, m.Group, m.Generation = 4, "shop", id
	return ask(m, id, "c")
}

func beaten(id int32) []byte {
	m := kmsg.NewPtrHeartbeatResponse()
	m.Version, m.ErrorCode = 4, int16(id)
	return reply(m, id)
}

// flipped has a bit of one byte changed.
func flipped(b []byte, at int) []byte {
	b = append([]byte(nil), b...)
	b[at] ^= 1
	return b
}

// large makes a frame too large to be kept whole.
func large(b []byte) []byte { return framed(append(b, make([]byte, maxWhole)...)) }
