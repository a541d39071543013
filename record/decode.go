package record

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"

	"warder/rules"
)

// unpacker gives the entries of blocks.
type unpacker struct {
	zstd *zstd.Decoder
	raw  []byte
	left []byte // of raw
	at   time.Time
}

func newUnpacker() *unpacker {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxRaw), zstd.WithDecoderLowmem(true))
	if err != nil {
		panic(err) // the options are constants
	}
	return &unpacker{zstd: z}
}

func (u *unpacker) close() { u.zstd.Close() }

// open begins with the content of a block.
func (u *unpacker) open(content []byte) error {
	var err error
	u.left = nil
	if u.raw, err = u.zstd.DecodeAll(content, u.raw[:0]); err != nil {
		return err
	}
	if len(u.raw) < contentsStart || len(u.raw) > maxRaw {
		return fmt.Errorf("a block of %d bytes", len(u.raw))
	}
	u.at = time.Unix(0, int64(binary.BigEndian.Uint64(u.raw)))
	u.left = u.raw[contentsStart:]
	return nil
}

// uvarint reads a number, or makes the rest of the block end.
func (u *unpacker) uvarint() uint64 {
	v, n := binary.Uvarint(u.left)
	if n <= 0 {
		u.left = nil
		return 0
	}
	u.left = u.left[n:]
	return v
}

// maxPause bounds the time between two entries of a block, which is a second; clocks are set.
const maxPause = 100 * 365 * 24 * time.Hour

// next fills e with the next entry, whose data is valid as long as the block is, and
// returns false at the end of the block.
func (u *unpacker) next(e *Entry) (at place, ok bool, err error) {
	if len(u.left) == 0 {
		return at, false, nil
	}
	kind := u.left[0]
	u.left = u.left[1:]
	since := u.uvarint()
	if since > uint64(maxPause) {
		return at, false, fmt.Errorf("a pause of %d ns", since)
	}
	u.at = u.at.Add(time.Duration(since))
	*e = Entry{At: u.at, Kind: Kind(kind & kindMask), Conn: u.uvarint(), ByBroker: kind&byBrokerFlag != 0}
	if e.Kind == Request || e.Kind == Answer {
		at = place{request: u.uvarint(), more: kind&moreFlag != 0}
	}
	length := u.uvarint()
	if u.left == nil || length > uint64(len(u.left)) {
		return at, false, fmt.Errorf("an entry of kind %d goes beyond its block", e.Kind)
	}
	body := u.left[:length:length]
	u.left = u.left[length:]
	return at, true, e.read(body)
}

// read takes in the body of an entry.
func (e *Entry) read(body []byte) error {
	switch e.Kind {
	case Request, Answer:
		if len(body) == 0 {
			return fmt.Errorf("an entry of kind %d without data", e.Kind)
		}
		e.Data = body
		return nil
	case Lost, Closed, Passed:
		return nil
	case Opened, Identified:
		var told openedJSON
		err := json.Unmarshal(body, &told)
		e.Remote, e.Broker, e.Listener, e.Node, e.Identity = told.Remote, told.Broker, told.Listener, told.Node, told.Identity
		return err
	case Learned:
		e.Topic = &rules.Topic{}
		return json.Unmarshal(body, e.Topic)
	case Found:
		e.Finding = &rules.Finding{}
		return json.Unmarshal(body, e.Finding)
	}
	return fmt.Errorf("an entry of kind %d, which this warder does not know", e.Kind)
}
