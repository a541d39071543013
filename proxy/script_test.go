package proxy

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"warder/record"
)

// A script is what happens on a few connections, written so that a fuzzer can take
// it apart and put it together otherwise: entries of a head, a length and bytes.
//
//	head: bits 0-1 scriptWhat, bits 2-3 the connection, bits 4-7 in which pieces the bytes come
//	length: uint16, big-endian; what goes beyond the script ends with it
type scriptWhat uint8

const (
	scriptRequest scriptWhat = iota
	scriptAnswer
	scriptLost // and the bytes are seconds that pass
	scriptClosed
)

// scriptPieces are the sizes that a head can ask for; 0 is all at once.
var scriptPieces = [16]int{0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 7, 11, 64, 1000, 32 << 10}

const maxScriptConns = 4

// maxScriptPauses bounds the time that passes in a script: each second is a tick of
// all rules, and a fuzzer has other things to do.
const maxScriptPauses = 5 * time.Minute

// scriptEntry is one of a script.
type scriptEntry struct {
	what scriptWhat
	conn uint8 // below maxScriptConns
	cut  uint8 // index of scriptPieces
	data []byte
}

func (e scriptEntry) appendTo(script []byte) []byte {
	for first := true; first || len(e.data) > 0; first = false {
		part := e.data[:min(len(e.data), 0xffff)]
		e.data = e.data[len(part):]
		script = append(script, byte(e.what)|e.conn<<2|e.cut<<4)
		script = binary.BigEndian.AppendUint16(script, uint16(len(part)))
		script = append(script, part...)
	}
	return script
}

// readScript is the way back; every input is a script.
func readScript(script []byte) (entries []scriptEntry) {
	for len(script) >= 3 {
		head, size := script[0], min(int(binary.BigEndian.Uint16(script[1:])), len(script)-3)
		entries = append(entries, scriptEntry{scriptWhat(head & 3), head >> 2 & 3, head >> 4, script[3 : 3+size]})
		script = script[3+size:]
	}
	return entries
}

// pieces gives the bytes of an entry as they come.
func (e scriptEntry) pieces() [][]byte {
	size := scriptPieces[e.cut]
	if size == 0 || len(e.data) == 0 {
		return [][]byte{e.data}
	}
	return slices.Collect(slices.Chunk(e.data, size))
}

// recordingOf gives the entries of a recording of a script.
func recordingOf(script []byte) (all []*record.Entry) {
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	var open [maxScriptConns]bool
	pauses := maxScriptPauses
	for i, e := range readScript(script) {
		at = at.Add(time.Millisecond)
		conn := uint64(e.conn) + 1
		if e.what <= scriptAnswer && !open[e.conn] {
			open[e.conn] = true
			all = append(all, &record.Entry{At: at, Kind: record.Opened, Conn: conn, Node: int32(i%3) - 1, Remote: netip.MustParseAddrPort("192.0.2.1:40000")})
		}
		switch e.what {
		case scriptRequest, scriptAnswer:
			for _, part := range e.pieces() {
				if len(part) > 0 {
					all = append(all, &record.Entry{At: at, Kind: record.Request + record.Kind(e.what), Conn: conn, Data: part})
				}
			}
		case scriptLost:
			all = append(all, &record.Entry{At: at, Kind: record.Lost, Conn: conn})
			for _, seconds := range e.data[:min(len(e.data), 8)] {
				pause := min(time.Duration(seconds)*time.Second, pauses)
				at, pauses = at.Add(pause), pauses-pause
			}
		case scriptClosed:
			open[e.conn] = false
			all = append(all, &record.Entry{At: at, Kind: record.Closed, Conn: conn, ByBroker: e.cut&1 != 0})
		}
	}
	return all
}
