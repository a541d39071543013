package pcapng

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"warder/record"
	packets "warder/record/capture"
)

// What was exported is read as a capture like any other: a port that is used again is
// another connection.
func TestExportedIsReadAgain(t *testing.T) {
	client := netip.MustParseAddrPort("127.0.0.1:50000")
	var entries []record.Entry
	want := map[uint64]int{}
	for conn := uint64(1); conn <= 3; conn++ {
		at := begin.Add(time.Duration(conn) * time.Second)
		request := []byte{0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, byte(conn), 0xff, 0xff} // ApiVersions version 0
		entries = append(entries,
			record.Entry{At: at, Kind: record.Opened, Conn: conn, Remote: client, Broker: "127.0.0.1:9192", Node: -1},
			record.Entry{At: at, Kind: record.Request, Conn: conn, Data: request},
			record.Entry{At: at, Kind: record.Closed, Conn: conn},
		)
		want[conn]++
	}
	var b bytes.Buffer
	if _, err := Write(&b, &source{entries}, "a test"); err != nil {
		t.Fatal(err)
	}
	feed, err := packets.Open(&b)
	if err != nil {
		t.Fatal(err)
	}
	again := packets.New(feed, nil)
	got := map[uint64]int{}
	for {
		e, err := again.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == record.Request {
			got[uint64(binary.BigEndian.Uint32(e.Data[8:]))]++
		}
	}
	if len(got) != len(want) {
		t.Errorf("requests by correlation id: %v, want one each of %v", got, want)
	}
}
